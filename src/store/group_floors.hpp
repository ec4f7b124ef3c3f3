#pragma once
// The floors of groups that purges raise: tags, prefixes, hosts, URIs with all that varies below them, and
// everything. A purge is one entry here, whatever it covers. What is stored is not touched: each node of a
// shard remembers up to which generation it was held against the floors, and is held against them anew when
// somebody asks for it after another purge, or when the sweep comes by.
//
// Bounded: the oldest floor makes room for the newest, and raises a base, which holds for whatever had not
// been held against that floor: nodes not looked at since, fills begun before it, records read from Redis.
//
// Any thread. generation() is one load.
#include "hash_ring.hpp"

#include <meshcache/store/floor_bound.hpp>
#include <meshcache/store/selector.hpp>
#include <meshcache/store/stored_response.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <vector>

namespace meshcache::store {

/// What purges make of a response.
struct standing {
    bool invalid = false;
    bool spares_older = false;            ///< it is invalid, and something older may be valid all the same
    std::optional<wall_time> stale_since; ///< a soft purge's time

    bool sound() const noexcept { return !invalid && !stale_since; }
};

class group_floors {
  public:
    /// Remembers about that many. Takes memory with the first purge.
    explicit group_floors(std::size_t capacity);

    /// Of memory, now and at the most.
    std::size_t bytes() const;
    std::size_t most_bytes() const noexcept { return hash_ring<floors>::bytes_for(capacity_); }
    static constexpr std::size_t bytes_per_floor() noexcept { return hash_ring<floors>::bytes_each(); }

    /// Changes with every purge; never 0 after the first.
    std::uint32_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

    /// Whether a floor may lie above what was made then. One load.
    bool concerns(const version& v) const noexcept {
        return v.stamp <= highest_stamp_.load(std::memory_order_relaxed);
    }

    /// `s` is not of kind `key`.
    void raise(const selector& s, const floor_bound& floor);

    /// What a response is held against.
    struct subject {
        std::string_view key;
        version made;
        std::span<const std::uint64_t> tags;
    };
    static subject of(const stored_response& r) noexcept { return {r.key(), r.meta().version, r.tags()}; }

    /// Holds `s` against all floors. For what was held against them up to `generation` before, forgotten
    /// floors up to that do not count.
    standing judge(const subject& s, std::uint32_t generation) const;
    /// For what began at `begun`: forgotten floors that had been raised by then do not count.
    standing judge(const subject& s, const version& begun) const;
    /// Forgotten floors count.
    standing judge(const subject& s) const { return judge(s, version{}); }

  private:
    struct floors {
        floor_bound hard, soft;
        std::uint32_t length = 0;                       ///< of a prefix
        selector_kind kind = selector_kind::everything; ///< of a prefix: which lengths it counts in
    };
    /// The lengths of all prefixes that are remembered, so that a path is looked up once for each.
    struct length_use {
        std::uint32_t length = 0;
        std::uint32_t prefixes = 0;
    };
    using lengths = std::vector<length_use>; ///< longest first
    static constexpr std::size_t max_lengths = 64;

    standing judge_locked(const subject& s, bool against_base) const;
    void raise_locked(selector s, const floor_bound& floor);
    void forget(const floors& f);
    lengths& lengths_of(selector_kind kind) { return kind == selector_kind::prefix ? of_host_ : anywhere_; }

    mutable std::shared_mutex mutex_;
    std::atomic<std::uint32_t> generation_{0};
    std::atomic<std::uint64_t> highest_stamp_{0}; ///< of all floors, whatever they cover
    floors all_;
    const std::size_t capacity_;
    std::optional<hash_ring<floors>> ring_;
    lengths of_host_, anywhere_;
    floors base_;
    std::uint32_t base_generation_ = 0; ///< when a floor was last forgotten
};

} // namespace meshcache::store
