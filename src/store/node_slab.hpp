#pragma once
// Where a shard keeps its nodes: 32 bytes for each stored response, in chunks, named by 32-bit ids that stay
// the same as long as the node is taken. Freed nodes are used again before new ones, and their memory
// stays until the slab goes. Not thread-safe.
#include "charge.hpp"
#include "link_index.hpp"

#include <meshcache/store/stored_response.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace meshcache::store {

class node_slab {
  public:
    struct node {
        response_ptr response; ///< null: the node is free
        std::uint32_t prev = no_slot;
        std::uint32_t next = no_slot;
        std::uint32_t chain = no_slot;
        std::uint32_t tag : 27 = 0; ///< low bits of the hash: the place in the index, and a quick comparison
        std::uint32_t uses : 3 = 0;
        std::uint32_t in_main : 1 = 0;
        std::uint32_t stock : 1 = 0; ///< came unasked, and has not been asked for since
    };
    static_assert(sizeof(node) == 32);

    static constexpr std::uint32_t tag_of(std::uint64_t hash) noexcept {
        return static_cast<std::uint32_t>(hash & 0x07ff'ffff);
    }

    explicit node_slab(std::size_t max_nodes) : directory_(max_nodes / chunk_nodes + 1) {}

    node& operator[](std::uint32_t id) noexcept { return directory_[id / chunk_nodes][id % chunk_nodes]; }
    const node& operator[](std::uint32_t id) const noexcept {
        return directory_[id / chunk_nodes][id % chunk_nodes];
    }
    std::size_t charge(std::uint32_t id) const noexcept { return (*this)[id].response->charge(); }
    std::uint32_t address(std::uint32_t id) const noexcept { return (*this)[id].tag; }
    std::uint32_t& chain(std::uint32_t id) noexcept { return (*this)[id].chain; }

    /// All ids lie below it.
    std::uint32_t end() const noexcept { return end_; }
    std::size_t bytes() const noexcept {
        return malloc_charge(directory_.size() * sizeof(chunk)) + chunks_ * chunk_bytes;
    }
    /// Whether take() can give a node.
    bool available() const noexcept { return free_ != no_slot || end_ < directory_.size() * chunk_nodes; }
    /// How many bytes the next take() adds.
    std::size_t growth() const noexcept {
        return free_ == no_slot && end_ == chunks_ * chunk_nodes ? chunk_bytes : 0;
    }

    /// A node for the caller to fill; available() was true.
    std::uint32_t take() {
        if (free_ != no_slot) {
            const auto id = free_;
            free_ = (*this)[id].next;
            return id;
        }
        if (end_ == chunks_ * chunk_nodes) directory_[chunks_++] = std::make_unique<node[]>(chunk_nodes);
        return end_++;
    }

    /// The caller has moved the response out of it.
    void give(std::uint32_t id) noexcept {
        (*this)[id].next = free_;
        free_ = id;
    }

  private:
    using chunk = std::unique_ptr<node[]>;
    static constexpr std::uint32_t chunk_nodes = 256;
    // new[] of a type with a destructor keeps the count in front
    static constexpr std::size_t chunk_bytes =
        malloc_charge(chunk_nodes * sizeof(node) + sizeof(std::size_t));

    std::vector<chunk> directory_; // allocated whole at the start
    std::size_t chunks_ = 0;
    std::uint32_t end_ = 0;
    std::uint32_t free_ = no_slot;
};

} // namespace meshcache::store
