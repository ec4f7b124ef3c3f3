#include <meshcache/base/test_hooks.hpp>
#include <meshcache/store/version.hpp>

#include <algorithm>
#include <charconv>

namespace meshcache::store {

namespace {

constexpr std::uint64_t counter_bits = 16;
constexpr std::uint64_t largest_time = (std::uint64_t{1} << 48) - 1;

void put_big_endian(std::uint64_t value, char* out) noexcept {
    for (int i = 7; i >= 0; --i, value >>= 8) out[i] = static_cast<char>(value & 0xff);
}

std::uint64_t get_big_endian(const char* in) noexcept {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
    return value;
}

/// The lowest stamp of that millisecond; times outside of 48 bits are clamped.
std::uint64_t stamp_of(wall_time t) noexcept {
    const auto ms = t.time_since_epoch().count();
    if (ms <= 0) return 0;
    return std::min(static_cast<std::uint64_t>(ms), largest_time) << counter_bits;
}

} // namespace

std::array<char, version::size> version::bytes() const noexcept {
    std::array<char, size> out;
    put_big_endian(stamp, out.data());
    put_big_endian(replica, out.data() + 8);
    return out;
}

std::optional<version> version::from_bytes(std::string_view b) noexcept {
    if (b.size() != size) return std::nullopt;
    return version{get_big_endian(b.data()), get_big_endian(b.data() + 8)};
}

std::string version::to_string() const {
    char hex[16];
    const auto end = std::to_chars(hex, hex + sizeof hex, replica, 16).ptr;
    std::string out = std::to_string(stamp >> counter_bits);
    out += '.';
    out += std::to_string(stamp & ((1u << counter_bits) - 1));
    out += '@';
    out.append(hex, end);
    return out;
}

// A stamp is one integer, so that a full counter carries into the milliseconds by plain addition: after
// 65,536 versions within one millisecond the clock runs ahead of the wall, and stays strictly increasing.
version hybrid_clock::next(wall_time now) noexcept {
    const std::uint64_t wall = stamp_of(now);
    std::uint64_t last = last_.load(std::memory_order_relaxed);
    std::uint64_t mine = 0;
    do {
        mine = std::max(last + 1, wall);
    } while (!last_.compare_exchange_weak(last, mine, std::memory_order_acq_rel, std::memory_order_relaxed));
    return {mine, replica_};
}

void hybrid_clock::observe(const version& v) noexcept {
    if constexpr (planted == mutant::clock_ignores_others) return;
    std::uint64_t last = last_.load(std::memory_order_relaxed);
    while (last < v.stamp && !last_.compare_exchange_weak(last, v.stamp, std::memory_order_acq_rel,
                                                          std::memory_order_relaxed)) {
    }
}

} // namespace meshcache::store
