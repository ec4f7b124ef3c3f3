#pragma once
// What is remembered by hash, first in, first out, in memory that is allocated once: the oldest makes room
// for the newest. Two keys with one hash share a place. Not thread-safe.
#include "charge.hpp"
#include "link_index.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace meshcache::store {

template <class Value>
class hash_ring {
  public:
    /// `capacity` is rounded up to a power of two.
    explicit hash_ring(std::size_t capacity)
        : entries_(std::bit_ceil(capacity)), buckets_(entries_.size(), no_slot) {}

    std::size_t bytes() const noexcept { return bytes_for(entries_.size()); }
    /// What a ring of that capacity takes.
    static std::size_t bytes_for(std::size_t capacity) noexcept {
        capacity = std::bit_ceil(capacity);
        return malloc_charge(capacity * sizeof(entry)) + malloc_charge(capacity * sizeof(std::uint32_t));
    }
    static constexpr std::size_t bytes_each() noexcept { return sizeof(entry) + sizeof(std::uint32_t); }

    /// Null if nothing is remembered.
    const Value* find(std::uint64_t hash) const noexcept {
        const auto at = slot_of(hash);
        return at == no_slot ? nullptr : &entries_[at].value;
    }

    /// The value of that hash, as it was or new, now the youngest. `forget(value)` is told what had to go.
    template <class Forget>
    Value& touch(std::uint64_t hash, Forget&& forget) noexcept {
        Value value{};
        if (const auto at = slot_of(hash); at != no_slot) {
            value = std::move(entries_[at].value);
            unchain(at);
        }
        entry& e = entries_[next_];
        if (e.live) {
            forget(std::as_const(e.value));
            unchain(next_);
        }
        std::uint32_t& head = buckets_[bucket_of(hash)];
        e = {hash, std::move(value), head, true};
        head = next_;
        next_ = static_cast<std::uint32_t>((next_ + 1) % entries_.size());
        return e.value;
    }

  private:
    struct entry {
        std::uint64_t hash = 0;
        Value value{};
        std::uint32_t chain = no_slot;
        bool live = false;
    };

    std::size_t bucket_of(std::uint64_t hash) const noexcept { return hash & (buckets_.size() - 1); }

    std::uint32_t slot_of(std::uint64_t hash) const noexcept {
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
    std::uint32_t next_ = 0; // where the next one goes; the oldest when the ring is full
};

} // namespace meshcache::store
