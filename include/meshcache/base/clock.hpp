#pragma once
// Wall and steady time behind an interface, so that everything above takes time as an argument or
// from an injected clock, and tests can set it. Real time is read in src/base/clock.cpp alone.
#include <chrono>
#include <cstdint>

namespace meshcache {

using milliseconds = std::chrono::milliseconds;
using seconds = std::chrono::seconds;

/// Wall-clock time in milliseconds since the Unix epoch. It is what HTTP dates and versions are made
/// of; it may jump.
using wall_time = std::chrono::sys_time<milliseconds>;

/// Monotonic time, for deadlines only.
using steady_time = std::chrono::steady_clock::time_point;

/// A source of time. Implementations may be called from any thread.
class clock_source {
  public:
    virtual ~clock_source() = default;
    virtual wall_time wall() const noexcept = 0;
    virtual steady_time steady() const noexcept = 0;
    /// CPU time that the calling thread has spent since it began. It is read by a system call, the others are
    /// not.
    virtual std::chrono::nanoseconds thread_time() const noexcept = 0;
};

/// The machine's clocks.
class system_clock final : public clock_source {
  public:
    wall_time wall() const noexcept override;
    steady_time steady() const noexcept override;
    std::chrono::nanoseconds thread_time() const noexcept override;
};

} // namespace meshcache
