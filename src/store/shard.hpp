#pragma once
// One shard: a complete store under one mutex. Index, eviction order, floors and their memory, all counted:
// bytes() never exceeds the limit, not even in the middle of an operation. Any thread; what an operation
// drops is destroyed after the mutex is released.
//
// Counted are the shard itself, its tables as allocated, and the charge of each stored response. A response
// that a reader still holds after it left the shard is the reader's.
#include "floor_table.hpp"
#include "ghosts.hpp"
#include "group_floors.hpp"
#include "link_index.hpp"
#include "node_slab.hpp"
#include "s3fifo.hpp"

#include <meshcache/base/mutex.hpp>
#include <meshcache/store/cache.hpp>

#include <boost/container/small_vector.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace meshcache::store {

class alignas(64) shard {
  public:
    /// `limit`: see smallest_limit. `max_object`: of a response's content; a charge beyond half
    /// the limit is refused in any case. `max_variants`: see cache_settings. `groups` outlives the shard.
    shard(std::size_t limit, std::size_t max_object, std::size_t max_variants, const group_floors& groups);

    /// The least limit with which a shard is of any use.
    static constexpr std::size_t smallest_limit = 64u << 10;

    // as in cache.hpp; `primary`: the hash of the response's primary key
    insert_outcome insert(response_ptr response, std::uint64_t primary, const version& begun, insert_for why);
    bool raise_floor(http::key_view key, const floor_bound& floor);
    bool supersede(http::key_view key, const version& newer);
    void raise_base(const version& begun);
    bool admits(std::uint64_t hash, const version& v) const noexcept;
    bool erase(http::key_view key, const version& v);
    void clear();
    void hold_back(std::size_t bytes);

    /// What a look-up found: a response, and when a soft purge has made it stale, which it does not show yet.
    struct soft_purge {
        wall_time since;
        std::uint32_t generation = 0; ///< of the purges
    };
    /// Sets `soft` when that is so; then replace_same() is to follow.
    response_ptr lookup(http::key_view key, bool counts, std::optional<soft_purge>& soft);
    /// Appends the responses that have the primary key of `key`, itself first, within the capacity of `out`.
    void family(http::key_view key, std::vector<response_ptr>& out);
    /// Puts `with` in the place of `held`, if that is still there: the same response, shown as stale, and of
    /// the same size.
    void replace_same(const response_ptr& held, response_ptr with, std::uint32_t generation);

    /// Holds responses from the node at `from` on, `max` at the most, against purges that they were not yet
    /// held against; returns where to go on, or no_slot at the end.
    std::uint32_t sweep(std::uint32_t from, std::size_t max);
    /// Responses that purges have taken away since the last call.
    std::size_t take_purged();

    /// Appends responses from the node at `from` on, up to `max`, after a bounded number of steps; returns
    /// where to go on, or no_slot at the end.
    std::uint32_t scan(std::uint32_t from, std::size_t max, std::vector<response_ptr>& out) const;
    /// Adds this shard's figures to `sum`.
    void add_stats(cache_stats& sum) const;

  private:
    /// What leaves is collected here, declared before the lock, and so destroyed after it.
    using dropped = boost::container::small_vector<response_ptr, 8>;

    /// All that clear() replaces.
    struct tables {
        explicit tables(std::size_t max_nodes)
            : nodes(max_nodes), index(max_nodes), recent(s3fifo::ghosts_per_node * max_nodes) {}
        std::size_t bytes() const noexcept { return nodes.bytes() + index.bytes() + recent.bytes(); }
        node_slab nodes;
        link_index index;
        ghosts recent;
        s3fifo order;
    };

    std::size_t bytes() const noexcept MESHCACHE_REQUIRES(mutex_);
    std::uint32_t find(http::key_view key) noexcept MESHCACHE_REQUIRES(mutex_);
    void remove(std::uint32_t id, dropped& out) MESHCACHE_REQUIRES(mutex_);
    bool remove_below(std::uint32_t id, const floor_bound& floor, dropped& out) MESHCACHE_REQUIRES(mutex_);
    bool make_room(std::size_t need, dropped& out) MESHCACHE_REQUIRES(mutex_);
    std::uint32_t variant_to_displace(const stored_response& newcomer) MESHCACHE_REQUIRES(mutex_);
    bool hold_against_purges(std::uint32_t id, std::optional<soft_purge>& soft, dropped& out)
        MESHCACHE_REQUIRES(mutex_);

    const std::size_t bound_;
    const std::size_t max_object_;
    const std::size_t max_variants_;
    const std::size_t max_nodes_;
    const group_floors& groups_;
    mutable mutex mutex_;
    std::size_t limit_ MESHCACHE_GUARDED_BY(mutex_); ///< the bound less what is held back
    tables t_ MESHCACHE_GUARDED_BY(mutex_);
    floor_table floors_ MESHCACHE_GUARDED_BY(mutex_);
    const std::size_t fixed_; ///< bytes of the shard itself and its floors
    std::uint64_t evicted_ MESHCACHE_GUARDED_BY(mutex_) = 0;
    std::size_t purged_ MESHCACHE_GUARDED_BY(mutex_) = 0;
};

} // namespace meshcache::store
