#include "fetch_pause.hpp"

namespace meshcache::net {

/// All bits count: the hashes of a URI's variants differ in a few of them.
std::size_t fetch_pause::place(std::uint64_t hash) noexcept {
    constexpr std::uint64_t golden = 0x9e37'79b9'7f4a'7c15;
    return static_cast<std::size_t>(((hash ^ hash >> 32U) * golden) >> (64U - bits));
}

bool fetch_pause::holds(std::uint64_t hash, steady_time now) const noexcept {
    const auto& s = keys_[place(hash)];
    return now < all_until_ || (s.hash == hash && now < s.until);
}

void fetch_pause::after_key(std::uint64_t hash, steady_time now) noexcept {
    keys_[place(hash)] = {hash, now + length};
}

} // namespace meshcache::net
