#include "heap.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MESHCACHE_OTHER_HEAP 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define MESHCACHE_OTHER_HEAP 1
#endif
#ifndef MESHCACHE_OTHER_HEAP
#include <malloc.h>
#endif

namespace meshcache::app {
namespace {

/// From /proc/self/statm (proc(5)), in pages: size, resident, of it files and shared memory. 0 if it is not
/// there.
std::size_t resident_bytes() noexcept {
    const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[128];
    const auto n = ::read(fd, text, sizeof text - 1);
    ::close(fd);
    if (n <= 0) return 0;
    text[n] = 0;
    std::size_t size = 0, resident = 0, shared = 0;
    if (std::sscanf(text, "%zu %zu %zu", &size, &resident, &shared) != 3 || resident < shared) return 0;
    return (resident - shared) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t used_bytes() noexcept {
#ifdef MESHCACHE_OTHER_HEAP
    return 0;
#else
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
}

/// Whether malloc is the one that used_bytes() asks: another may have been loaded before it.
bool heap_tells() {
    constexpr std::size_t some = 100'000;
    const std::size_t before = used_bytes();
    const auto block = std::make_unique_for_overwrite<char[]>(some);
    // Written to, lest the compiler do without the allocation.
    *static_cast<volatile char*>(block.get()) = 0;
    return used_bytes() >= before + some;
}

void give_pages_back() noexcept {
#ifndef MESHCACHE_OTHER_HEAP
    constexpr std::size_t kept = 128u << 10; // at the top, where the next allocations come from
    (void)::malloc_trim(kept);
#endif
}

} // namespace

void set_up_heap() noexcept {
#ifndef MESHCACHE_OTHER_HEAP
    // As the store counts: what is larger is a mapping of its own, and gone when it is freed. Left alone, the
    // threshold grows with what is freed.
    (void)::mallopt(M_MMAP_THRESHOLD, 128 << 10);
    // The top of the heap is given back with the rest, not again and again.
    (void)::mallopt(M_TRIM_THRESHOLD, 8 << 20);
#endif
}

bool heap_watch::due(std::size_t resident) noexcept {
    constexpr int pause = 10, first_later = 40, last_later = 1280;
    least_ = std::min(least_, resident);
    ++calls_;
    const bool grew = resident >= least_ + step_, later = later_ != 0 && calls_ >= later_;
    if (!grew && !later && (waste_ < step_ || calls_ < pause)) return false;
    if (grew)
        later_ = first_later;
    else if (later)
        later_ = later_ < last_later ? later_ * 2 : 0;
    calls_ = 0;
    return true;
}

std::size_t heap_watch::looked(const heap_reading& now) noexcept {
    least_ = now.resident;
    const std::size_t all = waste_in(now);
    waste_ = all > own_ ? all - own_ : 0;
    return waste_;
}

heap_keeper::heap_keeper(std::size_t bound) {
    constexpr std::size_t least_step = 1u << 20, share = 64;
    if (heap_tells())
        watch_.emplace(std::max(bound / share, least_step), heap_reading{resident_bytes(), used_bytes()});
}

std::optional<std::size_t> heap_keeper::tend() {
    if (!watch_ || !watch_->due(resident_bytes())) return std::nullopt;
    give_pages_back();
    return watch_->looked({resident_bytes(), used_bytes()});
}

} // namespace meshcache::app
