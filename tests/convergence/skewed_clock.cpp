// The clock of the checker's replicas: the machine's, off by as many milliseconds as the file that
// MESHCACHE_TEST_CLOCK names says just then. It takes the place of src/base/clock.cpp at link time, so that
// the binary that is shipped knows nothing of it.
#include <meshcache/base/clock.hpp>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace meshcache {
namespace {

/// Eight bytes that the checker writes at any time; stays mapped to the end.
const std::atomic<std::int64_t>* map_offset() noexcept {
    const char* const path = std::getenv("MESHCACHE_TEST_CLOCK");
    if (path == nullptr) return nullptr;
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) std::abort();
    void* const at = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    if (at == MAP_FAILED) std::abort();
    return static_cast<const std::atomic<std::int64_t>*>(at);
}

milliseconds offset() noexcept {
    static const std::atomic<std::int64_t>* const mapped = map_offset();
    return milliseconds{mapped == nullptr ? 0 : mapped->load(std::memory_order_relaxed)};
}

} // namespace

wall_time system_clock::wall() const noexcept {
    return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now()) + offset();
}

steady_time system_clock::steady() const noexcept { return std::chrono::steady_clock::now(); }

std::chrono::nanoseconds system_clock::thread_time() const noexcept {
    timespec spent{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return seconds{spent.tv_sec} + std::chrono::nanoseconds{spent.tv_nsec};
}

} // namespace meshcache
