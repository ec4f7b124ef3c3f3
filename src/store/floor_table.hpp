#pragma once
// The floors of single keys that a shard remembers. What is forgotten raises the base, a floor for every key.
// Beside floors it remembers which version of a key others have: what is older need not be kept, either. They
// differ for the note at a primary key (vary.hpp), whose epoch must not lie below a floor, and may lie below
// a newer note. Not thread-safe.
#include "hash_ring.hpp"

#include <meshcache/store/floor_bound.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace meshcache::store {

class floor_table {
  public:
    struct entry {
        floor_bound floor; ///< nothing below it is valid
        version newer;     ///< nothing below it is wanted
    };

    explicit floor_table(std::size_t capacity) : ring_(capacity) {}

    std::size_t bytes() const noexcept { return ring_.bytes(); }
    static constexpr std::size_t bytes_per_floor() noexcept { return hash_ring<entry>::bytes_each(); }

    /// Of that key alone; the lowest versions if there is nothing.
    entry of(std::uint64_t hash) const noexcept {
        const entry* e = ring_.find(hash);
        return e == nullptr ? entry{} : *e;
    }
    /// Above everything that was forgotten.
    const version& base() const noexcept { return base_; }

    /// Never lowers. The key becomes the youngest, so that a floor that was raised lately does not become
    /// everybody's.
    void raise(std::uint64_t hash, const floor_bound& floor) noexcept { touch(hash).floor.raise(floor); }
    void supersede(std::uint64_t hash, const version& newer) noexcept {
        entry& e = touch(hash);
        e.newer = std::max(e.newer, newer);
    }

    /// As if a floor at `to` had been forgotten.
    void raise_base(const version& to) noexcept { base_ = std::max(base_, to); }

  private:
    entry& touch(std::uint64_t hash) noexcept {
        return ring_.touch(hash, [this](const entry& e) {
            base_ = std::max({base_, e.floor.mine, e.newer});
        });
    }

    hash_ring<entry> ring_;
    version base_;
};

} // namespace meshcache::store
