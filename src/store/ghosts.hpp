#pragma once
// The ghost queue of S3-FIFO: which keys were evicted lately, by 32 bits of their hash, first in,
// first out. Ten bytes a key: entries stand in the order of their arrival in chunks that are
// allocated in front and given back behind, so that an entry needs no link but its bucket's.
//
// Not thread-safe. A false match costs nothing but a place in the wrong queue.
#include "charge.hpp"
#include "link_index.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace meshcache::store {

class ghosts {
  public:
    /// Never holds more than `max_entries`, whatever push() is told.
    explicit ghosts(std::size_t max_entries)
        : directory_(std::bit_ceil(max_entries / chunk_entries + 2)), index_(max_entries, 2),
          max_entries_(max_entries) {}

    /// Entries in the queue, those taken out in the middle included.
    std::size_t size() const noexcept { return (head_ - tail_) & id_mask; }
    std::size_t bytes() const noexcept {
        return malloc_charge(directory_.size() * sizeof(chunk)) + chunks_ * chunk_bytes + index_.bytes();
    }
    /// At most how many bytes `n` calls of push() add.
    std::size_t growth(std::size_t n) const noexcept {
        const std::size_t used = head_ % chunk_entries;
        const std::size_t more = (used + n + chunk_entries - 1) / chunk_entries - (used != 0 ? 1 : 0);
        return more * chunk_bytes + index_.growth(n);
    }

    /// Remembers `print`, and forgets the oldest beyond `capacity`; when that has dropped sharply, only some
    /// of them at a time.
    void push(std::uint32_t print, std::size_t capacity) {
        capacity = std::min(capacity, max_entries_);
        for (int steps = 0; size() != 0 && size() >= capacity && steps < 8; ++steps) pop();
        if (capacity == 0) return;
        auto& at = directory_[head_ / chunk_entries % directory_.size()];
        if (!at) {
            at = std::make_unique_for_overwrite<entry[]>(chunk_entries);
            ++chunks_;
        }
        const std::uint32_t id = head_;
        head_ = (head_ + 1) & id_mask;
        (*this)[id].print = print;
        index_.insert(*this, id);
    }

    /// Whether `print` was remembered; it no longer is.
    bool take(std::uint32_t print) {
        const auto id = index_.find(*this, print, [&](std::uint32_t i) { return (*this)[i].print == print; });
        if (id == no_slot) return false;
        index_.remove(*this, id);
        (*this)[id].chain = taken;
        return true;
    }

    // for link_index
    std::uint32_t address(std::uint32_t id) noexcept { return (*this)[id].print; }
    std::uint32_t& chain(std::uint32_t id) noexcept { return (*this)[id].chain; }

  private:
    struct entry {
        std::uint32_t print;
        std::uint32_t chain;
    };
    using chunk = std::unique_ptr<entry[]>;
    static constexpr std::uint32_t chunk_entries = 256;
    static constexpr std::size_t chunk_bytes = malloc_charge(chunk_entries * sizeof(entry));
    static constexpr std::uint32_t id_mask =
        0x7fff'ffff; // ids count up and wrap; no_slot and `taken` are none
    static constexpr std::uint32_t taken = 0x8000'0000;

    entry& operator[](std::uint32_t id) noexcept {
        return directory_[id / chunk_entries % directory_.size()][id % chunk_entries];
    }

    void pop() {
        const std::uint32_t id = tail_;
        if ((*this)[id].chain != taken) index_.remove(*this, id);
        tail_ = (tail_ + 1) & id_mask;
        if (tail_ % chunk_entries == 0) {
            directory_[id / chunk_entries % directory_.size()].reset();
            --chunks_;
        }
    }

    std::vector<chunk> directory_; // a ring; its size is a power of two, so that it divides the range of ids
    link_index index_;
    std::size_t max_entries_;
    std::size_t chunks_ = 0;
    std::uint32_t head_ = 0; // id of the next entry
    std::uint32_t tail_ = 0; // id of the oldest
};

} // namespace meshcache::store
