#pragma once
// The moment for which fetches behind answers are held back after one that failed: nobody waits for them, and
// each stale answer asks for one.
#include <meshcache/base/clock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace meshcache::net {

/// Remembers for a second that a key's fetch behind an answer was of no use, or that no upstream was to be
/// had. Of fixed size: a key may be forgotten early for another's sake. One event loop's.
class fetch_pause {
  public:
    static constexpr seconds length{1};

    /// Whether a fetch of the key with that hash is to wait for another occasion.
    bool holds(std::uint64_t hash, steady_time now) const noexcept;
    /// That fetch failed, or its answer may not take the stored one's place.
    void after_key(std::uint64_t hash, steady_time now) noexcept;
    /// There was no connection to the upstream, for whatever key.
    void after_upstream(steady_time now) noexcept { all_until_ = now + length; }

  private:
    struct slot {
        std::uint64_t hash = 0;
        steady_time until{};
    };
    static constexpr unsigned bits = 9;
    static std::size_t place(std::uint64_t hash) noexcept;

    std::array<slot, std::size_t{1} << bits> keys_{};
    steady_time all_until_{};
};

} // namespace meshcache::net
