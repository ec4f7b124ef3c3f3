#include "shard.hpp"

#include <meshcache/base/test_hooks.hpp>
#include <meshcache/store/vary.hpp>

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

namespace meshcache::store {

namespace {

/// No stored response takes less, with its node and its bucket.
constexpr std::size_t smallest_charge =
    malloc_charge(sizeof(stored_response) + 16) + sizeof(node_slab::node) + sizeof(std::uint32_t);

/// About a 256th of the memory, for 4096 floors at most.
std::size_t floors_for(std::size_t limit) noexcept {
    const std::size_t fit = limit / 256 / floor_table::bytes_per_floor();
    return std::bit_floor(std::clamp<std::size_t>(fit, 16, 4096));
}

/// Bits of the hash that neither choose the shard nor are all in a node's tag.
std::uint32_t print_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 16); }

} // namespace

shard::shard(std::size_t limit, std::size_t max_object, std::size_t max_variants, const group_floors& groups)
    : bound_(limit), max_object_(max_object), max_variants_(max_variants),
      max_nodes_(limit / smallest_charge), groups_(groups), limit_(limit), t_(max_nodes_),
      floors_(floors_for(limit)), fixed_(malloc_charge(sizeof(shard) + alignof(shard)) + floors_.bytes()) {}

std::size_t shard::bytes() const noexcept { return fixed_ + t_.bytes() + t_.order.charge(); }

std::uint32_t shard::find(http::key_view key) noexcept {
    const auto tag = node_slab::tag_of(key.hash);
    const node_slab& nodes = t_.nodes;
    return t_.index.find(t_.nodes, tag, [&](std::uint32_t id) {
        const auto& n = nodes[id];
        return n.tag == tag && n.response->hash() == key.hash && n.response->key() == key.bytes;
    });
}

response_ptr shard::lookup(http::key_view key, bool counts, std::optional<soft_purge>& soft) {
    dropped out;
    const scoped_lock lock(mutex_);
    const auto id = find(key);
    if (id == no_slot) return nullptr;
    if (t_.nodes[id].response->meta().held_against.get() != groups_.generation()) [[unlikely]] {
        if (!hold_against_purges(id, soft, out)) return nullptr;
    }
    if (counts) {
        s3fifo::use(t_.nodes, id);
        t_.nodes[id].stock = false;
    }
    return t_.nodes[id].response;
}

void shard::family(http::key_view key, std::vector<response_ptr>& out) {
    const auto tag = node_slab::tag_of(key.hash);
    const scoped_lock lock(mutex_);
    (void)t_.index.find(t_.nodes, tag, [&](std::uint32_t id) {
        const auto& n = t_.nodes[id];
        if (n.tag == tag && out.size() < out.capacity() && http::same_primary(n.response->key(), key.bytes)) {
            out.push_back(n.response);
            if (!http::is_variant_key(n.response->key())) std::swap(out.front(), out.back());
        }
        return false;
    });
}

/// Drops the node's response if a purge forbids it, and says so by false.
bool shard::hold_against_purges(std::uint32_t id, std::optional<soft_purge>& soft, dropped& out) {
    const stored_response& r = *t_.nodes[id].response;
    // In this order: a purge that comes between the two is looked at again.
    const auto generation = groups_.generation();
    const auto verdict = groups_.judge(group_floors::of(r), r.meta().held_against.get());
    if (verdict.invalid) {
        // What was served is not followed by something older.
        if (verdict.spares_older) floors_.supersede(r.hash(), r.meta().version);
        remove(id, out);
        ++purged_;
        return false;
    }
    if (verdict.stale_since)
        soft = {*verdict.stale_since, generation};
    else
        r.meta().held_against.set(generation);
    return true;
}

void shard::replace_same(const response_ptr& held, response_ptr with, std::uint32_t generation) {
    const scoped_lock lock(mutex_);
    const auto id = find({held->key(), held->hash()});
    if (id == no_slot) return;
    auto& n = t_.nodes[id];
    if (n.response != held || with->charge() != held->charge()) return;
    with->meta().held_against.set(generation);
    n.response.swap(with); // the caller has the other reference
}

std::uint32_t shard::sweep(std::uint32_t from, std::size_t max) {
    dropped out;
    const scoped_lock lock(mutex_);
    const std::uint32_t end = t_.nodes.end();
    std::uint32_t id = from;
    for (std::size_t steps = 0; id < end && steps < max && out.size() < out.capacity(); ++id, ++steps) {
        const auto& n = t_.nodes[id];
        std::optional<soft_purge> soft; // shown when somebody asks for it
        if (n.response && n.response->meta().held_against.get() != groups_.generation())
            (void)hold_against_purges(id, soft, out);
    }
    return id < end ? id : no_slot;
}

std::size_t shard::take_purged() {
    const scoped_lock lock(mutex_);
    return std::exchange(purged_, 0);
}

/// Takes out a node that is linked in its queue.
void shard::remove(std::uint32_t id, dropped& out) {
    t_.order.unlink(t_.nodes, id);
    t_.index.remove(t_.nodes, id);
    out.push_back(std::move(t_.nodes[id].response));
    t_.nodes.give(id);
}

/// Evicts until `need` more bytes fit, the ghosts of what had to leave included. False if they never will.
bool shard::make_room(std::size_t need, dropped& out) {
    boost::container::small_vector<std::uint32_t, 8> leaving;
    while (bytes() + need + t_.recent.growth(leaving.size()) > limit_) {
        const auto victim = t_.order.evict(t_.nodes, limit_ - fixed_ - t_.bytes());
        if (victim == no_slot) return false;
        auto& response = t_.nodes[victim].response;
        // What nobody asked for here would only push out of the ghosts what somebody did.
        if (!t_.nodes[victim].stock) leaving.push_back(print_of(response->hash()));
        t_.index.remove(t_.nodes, victim);
        out.push_back(std::move(response));
        t_.nodes.give(victim);
        ++evicted_;
    }
    for (const auto print : leaving) t_.recent.push(print, t_.order.ghost_capacity());
    return true;
}

/// The variant that is to leave for a new one of the same primary key: one that can no longer be used, else
/// the least used, else the oldest. no_slot while there are fewer than max_variants_. All stand in one chain.
std::uint32_t shard::variant_to_displace(const stored_response& newcomer) {
    if (!http::is_variant_key(newcomer.key())) return no_slot;
    const auto tag = node_slab::tag_of(newcomer.hash());
    const auto now = newcomer.meta().life.response_time;
    const auto rank = [&](const node_slab::node& n) {
        const auto& meta = n.response->meta();
        const bool usable =
            now < std::max({meta.life.fresh_until, meta.life.stale_until, meta.life.error_until});
        return std::tuple(usable, std::uint32_t{n.uses}, meta.version);
    };
    std::size_t variants = 0;
    std::uint32_t least = no_slot;
    (void)t_.index.find(t_.nodes, tag, [&](std::uint32_t id) {
        const auto& n = t_.nodes[id];
        if (n.tag != tag || !http::is_variant_key(n.response->key()) ||
            !http::same_primary(n.response->key(), newcomer.key()))
            return false;
        ++variants;
        if (least == no_slot || rank(n) < rank(t_.nodes[least])) least = id;
        return false;
    });
    return variants >= max_variants_ ? least : no_slot;
}

// What comes for stock enters the small queue whatever the ghosts say, and takes part in eviction as any
// newcomer: however much comes, the main queue keeps its share, and what is used in the small queue moves on
// to there.
insert_outcome shard::insert(response_ptr response, std::uint64_t primary, const version& begun,
                             insert_for why) {
    using enum insert_result;
    dropped out;
    const http::key_view key{response->key(), response->hash()};
    const version v = response->meta().version;
    const std::size_t charge = response->charge();
    const bool fits = response->content().size() <= max_object_ && charge <= bound_ / 2;

    const scoped_lock lock(mutex_);
    auto id = find(key);
    if constexpr (planted != mutant::insert_ignores_versions)
        if (id != no_slot && t_.nodes[id].response->meta().version >= v) return {older};
    const auto generation = groups_.generation();
    const auto verdict = groups_.judge(group_floors::of(*response), begun);
    // Whoever asked for it is given it all the same, and then nothing older.
    const auto refuse = [&](bool something_older_may_come) MESHCACHE_REQUIRES(mutex_) {
        if (something_older_may_come && !is_vary_note(*response)) {
            floors_.supersede(key.hash, v);
            if (id != no_slot) remove(id, out);
        }
        return insert_outcome{invalidated};
    };
    if constexpr (planted != mutant::insert_ignores_floors) {
        const auto floor = floors_.of(key.hash);
        if (begun < floors_.base()) return refuse(true);
        if (v < floor.newer) return {invalidated};
        if (floor.floor.covers(oldest_admitted(*response))) return refuse(floor.floor.spares_older_than(v));
        if (primary != key.hash) {
            const floor_bound of_all = floors_.of(primary).floor;
            if (of_all.covers(v)) return refuse(of_all.spares_older_than(v));
        }
    }
    if constexpr (planted != mutant::insert_ignores_groups)
        if (verdict.invalid) return refuse(verdict.spares_older);
    // What is to be shown as stale is looked at again when it is asked for.
    response->meta().held_against.set(verdict.stale_since ? generation - 1 : generation);
    if (!fits) {
        // What it would have replaced is out of date all the same.
        if (id != no_slot) remove(id, out);
        return {too_large};
    }

    const auto before_eviction = evicted_;
    const bool for_stock = why == insert_for::stock;
    if (id != no_slot) {
        if (!for_stock) t_.nodes[id].stock = false;
        auto& held = t_.nodes[id].response;
        const std::size_t before = held->charge();
        if (bytes() - before + charge <= limit_) {
            std::swap(held, response); // the old one is destroyed with the argument, after the lock
            t_.order.recharge(t_.nodes, id, before);
            out.push_back(std::move(response));
            return {replaced};
        }
        // Out of the queues while others make room, so that it is not evicted itself.
        t_.order.unlink(t_.nodes, id);
        out.push_back(std::move(held));
        if (!make_room(charge, out)) {
            t_.index.remove(t_.nodes, id);
            t_.nodes.give(id);
            return {too_large, static_cast<std::size_t>(evicted_ - before_eviction)};
        }
        held = std::move(response);
        t_.order.link(t_.nodes, id);
        return {replaced, static_cast<std::size_t>(evicted_ - before_eviction)};
    }

    const auto crowded_out = variant_to_displace(*response);
    const bool displaced = crowded_out != no_slot;
    if (displaced) remove(crowded_out, out);
    const bool seen_lately = !for_stock && t_.recent.take(print_of(key.hash));
    if (!make_room(charge + t_.nodes.growth() + t_.index.growth(1), out) || !t_.nodes.available())
        return {too_large, static_cast<std::size_t>(evicted_ - before_eviction), displaced};
    id = t_.nodes.take();
    auto& n = t_.nodes[id];
    n.response = std::move(response);
    n.tag = node_slab::tag_of(key.hash);
    n.stock = for_stock;
    t_.index.insert(t_.nodes, id);
    t_.order.push(t_.nodes, id, seen_lately);
    return {stored, static_cast<std::size_t>(evicted_ - before_eviction), displaced};
}

bool shard::raise_floor(http::key_view key, const floor_bound& floor) {
    dropped out;
    const scoped_lock lock(mutex_);
    floors_.raise(key.hash, floor);
    if constexpr (planted == mutant::floor_keeps_response) return false;
    bool any = false;
    if (const auto id = find(key); id != no_slot) any = remove_below(id, floor, out);
    if (http::is_variant_key(key.bytes)) return any;
    // Not left to the epoch of the next note: that has no room for clocks that run ahead.
    const auto tag = node_slab::tag_of(key.hash);
    boost::container::small_vector<std::uint32_t, 16> variants;
    (void)t_.index.find(t_.nodes, tag, [&](std::uint32_t id) {
        const auto& n = t_.nodes[id];
        if (n.tag == tag && n.response->hash() != key.hash && http::is_variant_key(n.response->key()) &&
            http::same_primary(n.response->key(), key.bytes))
            variants.push_back(id);
        return false;
    });
    for (const auto id : variants) any = remove_below(id, floor, out) || any;
    return any;
}

bool shard::remove_below(std::uint32_t id, const floor_bound& floor, dropped& out) {
    const stored_response& r = *t_.nodes[id].response;
    if (!floor.covers(oldest_admitted(r))) return false;
    // What was served is not followed by something older.
    if (floor.spares_older_than(r.meta().version)) floors_.supersede(r.hash(), r.meta().version);
    remove(id, out);
    return true;
}

bool shard::supersede(http::key_view key, const version& newer) {
    dropped out;
    const scoped_lock lock(mutex_);
    floors_.supersede(key.hash, newer);
    const auto id = find(key);
    if (id == no_slot || t_.nodes[id].response->meta().version >= newer) return false;
    remove(id, out);
    return true;
}

void shard::raise_base(const version& begun) {
    const scoped_lock lock(mutex_);
    floors_.raise_base(begun);
}

bool shard::admits(std::uint64_t hash, const version& v) const noexcept {
    const scoped_lock lock(mutex_);
    const auto floor = floors_.of(hash);
    return !(v < floors_.base()) && !floor.floor.covers(v) && !(v < floor.newer);
}

bool shard::erase(http::key_view key, const version& v) {
    dropped out;
    const scoped_lock lock(mutex_);
    const auto id = find(key);
    if (id == no_slot || t_.nodes[id].response->meta().version != v) return false;
    remove(id, out);
    return true;
}

void shard::clear() {
    tables fresh(max_nodes_);
    const scoped_lock lock(mutex_);
    std::swap(t_, fresh); // what was held is destroyed after the lock
}

void shard::hold_back(std::size_t bytes) {
    constexpr std::size_t slice = 64u << 10; // as much is evicted at once under the mutex
    const std::size_t target = bound_ - std::min(bytes, bound_ / 4);
    for (bool done = false; !done;) {
        dropped out;
        const scoped_lock lock(mutex_);
        const std::size_t held = this->bytes();
        done = held <= target + slice;
        limit_ = done ? target : held - slice;
        // The tables alone may take more than is left of a very small shard.
        done = !make_room(0, out) || done;
    }
}

std::uint32_t shard::scan(std::uint32_t from, std::size_t max, std::vector<response_ptr>& out) const {
    const scoped_lock lock(mutex_);
    const std::uint32_t end = t_.nodes.end();
    const std::size_t wanted = out.size() + max;
    std::uint32_t id = from;
    for (std::size_t steps = 0; id < end && out.size() < wanted && steps < 4 * max + 64; ++id, ++steps)
        if (const auto& r = t_.nodes[id].response) out.push_back(r);
    return id < end ? id : no_slot;
}

void shard::add_stats(cache_stats& sum) const {
    const scoped_lock lock(mutex_);
    sum.bytes += bytes();
    sum.bytes_limit += limit_;
    sum.objects += t_.order.count();
    sum.evicted += evicted_;
}

} // namespace meshcache::store
