#pragma once
// What an allocation really costs. Pure.
#include <algorithm>
#include <cstddef>

namespace meshcache::store {

/// Bytes of memory that malloc(n) takes with glibc: 8 bytes of header, a multiple of 16, 32 at the least.
/// Large allocations are charged whole pages, whether malloc maps them by themselves or not.
constexpr std::size_t malloc_charge(std::size_t n) noexcept {
    constexpr std::size_t mapped_from = 128u << 10, page = 4096;
    if (n >= mapped_from) return (n + 16 + page - 1) / page * page;
    return std::max<std::size_t>(32, (n + 8 + 15) / 16 * 16);
}

} // namespace meshcache::store
