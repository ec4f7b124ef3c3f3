#pragma once
// A hash index over nodes that somebody else owns, by 32-bit ids. Linear hashing: it grows by splitting one
// bucket at a time, so that no insert ever pays for a rehash, neither in time under the lock nor in memory
// beside the old table. Buckets live in segments that are allocated as the index reaches them; the
// directory of segments is allocated whole at the start.
//
// Not thread-safe. `Nodes` offers `std::uint32_t address(id)`, the hash by which a node is placed, and
// `std::uint32_t& chain(id)`, the id of the next node in its bucket.
#include "charge.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace meshcache::store {

/// No node.
inline constexpr std::uint32_t no_slot = 0xffff'ffff;

class link_index {
  public:
    static constexpr std::size_t segment_buckets = 512;

    /// Keeps about `load` nodes a bucket up to `max_nodes`; beyond, chains grow instead.
    explicit link_index(std::size_t max_nodes, std::size_t load = 1)
        : directory_(max_nodes / load / segment_buckets + 1), load_(load) {
        add_segment();
        buckets_ = segment_buckets;
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t bytes() const noexcept {
        return malloc_charge(directory_.size() * sizeof(segment)) + segments_ * segment_bytes;
    }
    /// At most how many bytes `n` further inserts add.
    std::size_t growth(std::size_t n) const noexcept {
        if (size_ + n <= buckets_ * load_) return 0;
        const auto buckets = std::min(buckets_ + n, directory_.size() * segment_buckets);
        return ((buckets + segment_buckets - 1) / segment_buckets - segments_) * segment_bytes;
    }

    /// The node at `address` for which `match(id)` holds, or no_slot.
    template <class Nodes, class Match>
    std::uint32_t find(Nodes& nodes, std::uint32_t address, Match&& match) const {
        std::uint32_t id = bucket(address);
        while (id != no_slot && !match(id)) id = nodes.chain(id);
        return id;
    }

    template <class Nodes>
    void insert(Nodes& nodes, std::uint32_t id) {
        std::uint32_t& head = bucket(nodes.address(id));
        nodes.chain(id) = head;
        head = id;
        if (++size_ > buckets_ * load_) split(nodes);
    }

    /// `id` must be in the index.
    template <class Nodes>
    void remove(Nodes& nodes, std::uint32_t id) {
        std::uint32_t* link = &bucket(nodes.address(id));
        while (*link != id) link = &nodes.chain(*link);
        *link = nodes.chain(id);
        --size_;
    }

  private:
    using segment = std::unique_ptr<std::uint32_t[]>;
    static constexpr std::size_t segment_bytes = malloc_charge(segment_buckets * sizeof(std::uint32_t));

    std::uint32_t& bucket(std::uint32_t address) const noexcept {
        const std::size_t mask = std::bit_ceil(buckets_) - 1;
        std::size_t at = address & mask;
        if (at >= buckets_) at &= mask >> 1;
        return directory_[at / segment_buckets][at % segment_buckets];
    }

    void add_segment() {
        auto& added = directory_[segments_++];
        added = std::make_unique_for_overwrite<std::uint32_t[]>(segment_buckets);
        std::fill_n(added.get(), segment_buckets, no_slot);
    }

    /// Adds the next bucket, and moves there what belongs to it from the one bucket that stood in for it.
    template <class Nodes>
    void split(Nodes& nodes) {
        if (buckets_ == directory_.size() * segment_buckets) return;
        if (buckets_ == segments_ * segment_buckets) add_segment();
        const std::size_t level = std::bit_floor(buckets_), added = buckets_, from = added - level;
        std::uint32_t* stay = &directory_[from / segment_buckets][from % segment_buckets];
        std::uint32_t* move = &directory_[added / segment_buckets][added % segment_buckets];
        for (std::uint32_t id = *stay; id != no_slot; id = nodes.chain(id)) {
            auto*& link = (nodes.address(id) & level) != 0 ? move : stay;
            *link = id;
            link = &nodes.chain(id);
        }
        *stay = no_slot;
        *move = no_slot;
        ++buckets_;
    }

    std::vector<segment> directory_;
    std::size_t load_;
    std::size_t segments_ = 0;
    std::size_t buckets_ = 0;
    std::size_t size_ = 0;
};

} // namespace meshcache::store
