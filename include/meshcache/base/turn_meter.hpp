#pragma once
// How long an event loop is busy at a stretch: what everybody else on that loop waits for.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/metrics.hpp>

#include <chrono>

namespace meshcache {

/// Observes the CPU time of an event loop's turns. Used by the loop's thread, which calls ended() after what
/// may take long. What it runs without saying so counts with what follows, so that no turn is ever observed
/// as shorter than it was.
///
/// CPU time, since only that tells the loop's own work from its waiting, and from what others take of its
/// core. A turn costs one look at the steady clock; the thread's own clock, which takes a system call, is
/// read every `resolution` at the most, so that short turns in a row are observed as one.
class turn_meter {
  public:
    static constexpr std::chrono::microseconds resolution{100};

    /// Any thread; references outlive the meter.
    turn_meter(const clock_source& clock, metrics_slab& slab, histogram into) noexcept
        : clock_(clock), slab_(slab), into_(into) {}

    /// On the loop's thread, before its first turn.
    void begin() noexcept {
        looked_ = clock_.steady();
        spent_ = clock_.thread_time();
    }

    /// A turn has ended, or a part of one that others need not wait for.
    void ended() noexcept {
        const steady_time now = clock_.steady();
        if (now - looked_ < resolution) return;
        looked_ = now;
        const auto spent = clock_.thread_time();
        slab_.observe(into_, in_microseconds(spent - spent_));
        spent_ = spent;
    }

  private:
    const clock_source& clock_;
    metrics_slab& slab_;
    const histogram into_;
    steady_time looked_{};
    std::chrono::nanoseconds spent_{};
};

} // namespace meshcache
