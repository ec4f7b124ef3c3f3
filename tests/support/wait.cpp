#include "support/wait.hpp"

#include <cstdlib>
#include <poll.h>
#include <stdexcept>

namespace meshcache::test {

bool sanitized() noexcept {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

bool quick() {
    const char* value = std::getenv("MESHCACHE_TEST_QUICK");
    return value && *value && *value != '0';
}

std::size_t volume(std::size_t release, std::size_t debug, std::size_t sanitizer) {
    if (sanitized()) return sanitizer;
#ifdef NDEBUG
    return quick() ? debug : release;
#else
    static_cast<void>(release);
    return debug;
#endif
}

milliseconds patience() noexcept { return sanitized() ? milliseconds{120'000} : milliseconds{30'000}; }

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + patience();
    for (;;) {
        if (condition()) return true;
        if (std::chrono::steady_clock::now() >= deadline) return false;
        ::poll(nullptr, 0, 5);
    }
}

void give_up(const std::string& what) { throw std::runtime_error(what); }

} // namespace meshcache::test
