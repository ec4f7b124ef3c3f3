#pragma once
// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023), by bytes: which node
// is to leave. New keys enter a small queue; those used there move on to the main queue, the others leave and
// are remembered as ghosts; a key that comes back while it is a ghost enters the main queue at once. In the
// main queue a used node gets another round for each use.
//
// Where it differs from the paper, it does because the traces of s3fifo_replay_test and bench/replay.cpp said
// so: uses count to 7 instead of 3, the small queue has 14 % instead of 10, ghosts are twice as many as
// nodes, and what leaves the main queue becomes a ghost as well; and a node that is larger than others needs
// more uses to move on, since it takes the room of several (uses_to_move). More ghosts would raise the hit
// ratio at equal room, but take that room; docs/measuring.md has the comparison.
//
// Not thread-safe. `Nodes` offers `nodes[id]` with the members `prev`, `next` (links), `uses` (up to
// max_uses) and `in_main`, and `nodes.charge(id)`.
#include "ghosts.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace meshcache::store {

class s3fifo {
  public:
    static constexpr unsigned max_uses = 7;
    /// Of the whole, in percent.
    static constexpr std::size_t small_percent = 14;
    /// How many nodes one eviction passes over at most; bounds the time under the lock.
    static constexpr int max_rounds = 256;

    std::size_t charge() const noexcept { return small_.charge + main_.charge; }
    std::size_t count() const noexcept { return small_.count + main_.count; }
    /// Ghosts to keep for each node.
    static constexpr std::size_t ghosts_per_node = 2;

    /// How many ghosts to keep.
    std::size_t ghost_capacity() const noexcept { return count() * ghosts_per_node; }

    template <class Nodes>
    void push(Nodes& nodes, std::uint32_t id, bool to_main) {
        nodes[id].uses = 0;
        nodes[id].in_main = to_main;
        link(nodes, id);
    }

    template <class Nodes>
    static void use(Nodes& nodes, std::uint32_t id) {
        if (nodes[id].uses < max_uses) nodes[id].uses = nodes[id].uses + 1u;
    }

    /// Takes a node out of its queue; `uses` and `in_main` stay.
    template <class Nodes>
    void unlink(Nodes& nodes, std::uint32_t id) {
        queue& q = of(nodes, id);
        auto& n = nodes[id];
        (n.prev != no_slot ? nodes[n.prev].next : q.head) = n.next;
        (n.next != no_slot ? nodes[n.next].prev : q.tail) = n.prev;
        q.charge -= nodes.charge(id);
        --q.count;
    }

    /// Puts a node at the head of the queue that its `in_main` says.
    template <class Nodes>
    void link(Nodes& nodes, std::uint32_t id) {
        queue& q = of(nodes, id);
        auto& n = nodes[id];
        n.prev = no_slot;
        n.next = q.head;
        (q.head != no_slot ? nodes[q.head].prev : q.tail) = id;
        q.head = id;
        q.charge += nodes.charge(id);
        ++q.count;
    }

    /// The charge of a node in a queue has changed from `before`.
    template <class Nodes>
    void recharge(Nodes& nodes, std::uint32_t id, std::size_t before) {
        queue& q = of(nodes, id);
        q.charge = q.charge - before + nodes.charge(id);
    }

    /// Unlinks the node that is to leave; no_slot when there is none. `whole` is what both queues may hold.
    template <class Nodes>
    std::uint32_t evict(Nodes& nodes, std::size_t whole) {
        for (int rounds = 0; count() != 0; ++rounds) {
            const bool from_small =
                small_.count != 0 && (main_.count == 0 || small_.charge * 100 >= whole * small_percent);
            const std::uint32_t id = from_small ? small_.tail : main_.tail;
            auto& n = nodes[id];
            const bool stays = rounds < max_rounds && n.uses > 0u &&
                               (!from_small || n.uses >= uses_to_move(nodes.charge(id)));
            unlink(nodes, id);
            if (!stays) return id;
            n.uses = from_small ? 0u : n.uses - 1u;
            n.in_main = true;
            link(nodes, id);
        }
        return no_slot;
    }

  private:
    /// Uses that take a node of that charge, which is in a queue, from the small queue to the main one: one,
    /// and one more for each time that it is twice as large as the mean.
    unsigned uses_to_move(std::size_t of_node) const noexcept {
        const std::size_t means = of_node * count() / std::max<std::size_t>(charge(), 1);
        return std::clamp(static_cast<unsigned>(std::bit_width(means)), 1u, max_uses);
    }

    struct queue {
        std::uint32_t head = no_slot;
        std::uint32_t tail = no_slot;
        std::size_t charge = 0;
        std::size_t count = 0;
    };

    template <class Nodes>
    queue& of(Nodes& nodes, std::uint32_t id) noexcept {
        return nodes[id].in_main ? main_ : small_;
    }

    queue small_;
    queue main_;
};

} // namespace meshcache::store
