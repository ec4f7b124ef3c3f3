#include "time_slice.hpp"

#include <cerrno>
#include <cstdint>
#include <sys/syscall.h>
#include <unistd.h>

namespace meshcache::net {
namespace {

/// sched_setattr(2), which has no wrapper in every C library; the first published form.
struct scheduling {
    std::uint32_t size = sizeof(scheduling);
    std::uint32_t policy = 0; ///< 0: SCHED_OTHER
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0; ///< for SCHED_OTHER, the slice in nanoseconds
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};
static_assert(sizeof(scheduling) == 48);

} // namespace

error_code ask_for_time_slice(std::chrono::microseconds length) noexcept {
    scheduling now;
    // What was given to the process, such as its nice value, stays; and so does another policy than the
    // usual.
    if (::syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) != 0)
        return {errno, boost::system::system_category()};
    if (now.policy != 0) return {};
    now.runtime = static_cast<std::uint64_t>(std::chrono::nanoseconds(length).count());
    if (::syscall(SYS_sched_setattr, 0, &now, 0) != 0) return {errno, boost::system::system_category()};
    return {};
}

} // namespace meshcache::net
