#include <meshcache/base/clock.hpp>

#include <ctime>

namespace meshcache {

wall_time system_clock::wall() const noexcept {
    return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

steady_time system_clock::steady() const noexcept { return std::chrono::steady_clock::now(); }

std::chrono::nanoseconds system_clock::thread_time() const noexcept {
    timespec spent{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return seconds{spent.tv_sec} + std::chrono::nanoseconds{spent.tv_nsec};
}

} // namespace meshcache
