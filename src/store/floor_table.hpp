#pragma once
// The floors of single keys that a shard remembers: key hash -> version, first in, first out, in memory that
// is allocated once. What falls out raises the base, a floor for every key. Two keys with one hash share a
// floor, which costs a miss at worst. Not thread-safe.
#include "charge.hpp"
#include "link_index.hpp"

#include <meshcache/store/version.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace meshcache::store {

class floor_table {
  public:
    /// `capacity` is rounded up to a power of two.
    explicit floor_table(std::size_t capacity)
        : entries_(std::bit_ceil(capacity)), buckets_(entries_.size(), no_slot) {}

    std::size_t bytes() const noexcept {
        return malloc_charge(entries_.size() * sizeof(entry)) +
               malloc_charge(buckets_.size() * sizeof(std::uint32_t));
    }
    static constexpr std::size_t bytes_per_floor() noexcept { return sizeof(entry) + sizeof(std::uint32_t); }

    /// The floor of that key alone; the lowest version if there is none.
    version of(std::uint64_t hash) const noexcept {
        const auto at = find(hash);
        return at == no_slot ? version{} : entries_[at].floor;
    }
    /// Above every floor that was forgotten.
    const version& base() const noexcept { return base_; }

    /// Raises the floor of a key; never lowers it. The key becomes the youngest, so that a floor that was
    /// raised lately does not become everybody's.
    void raise(std::uint64_t hash, version floor) noexcept {
        if (const auto at = find(hash); at != no_slot) {
            floor = std::max(floor, entries_[at].floor);
            unchain(at);
        }
        entry& e = entries_[next_];
        if (e.live) {
            base_ = std::max(base_, e.floor);
            unchain(next_);
        }
        std::uint32_t& head = buckets_[bucket_of(hash)];
        e = {hash, floor, head, true};
        head = next_;
        next_ = static_cast<std::uint32_t>((next_ + 1) % entries_.size());
    }

  private:
    struct entry {
        std::uint64_t hash = 0;
        version floor;
        std::uint32_t chain = no_slot;
        bool live = false;
    };

    std::size_t bucket_of(std::uint64_t hash) const noexcept { return hash & (buckets_.size() - 1); }

    std::uint32_t find(std::uint64_t hash) const noexcept {
        auto at = buckets_[bucket_of(hash)];
        while (at != no_slot && entries_[at].hash != hash) at = entries_[at].chain;
        return at;
    }

    void unchain(std::uint32_t at) noexcept {
        auto* link = &buckets_[bucket_of(entries_[at].hash)];
        while (*link != at) link = &entries_[*link].chain;
        *link = entries_[at].chain;
        entries_[at].live = false;
    }

    std::vector<entry> entries_; // a ring
    std::vector<std::uint32_t> buckets_;
    std::uint32_t next_ = 0; // where the next floor goes; the oldest when the ring is full
    version base_;
};

} // namespace meshcache::store
