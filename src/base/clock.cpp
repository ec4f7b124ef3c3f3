#include <meshcache/base/clock.hpp>

namespace meshcache {

wall_time system_clock::wall() const noexcept {
    return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

steady_time system_clock::steady() const noexcept { return std::chrono::steady_clock::now(); }

} // namespace meshcache
