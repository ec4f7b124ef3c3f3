#pragma once
// What waits for Redis: stored responses, coalesced by key, and floors. Bounded in bytes. Under pressure the
// oldest responses go first, and are counted; floors never go, but merge into one floor for everything (soft
// ones into a soft one).
//
// Order between keys, and between a key's response and its floor, does not matter: Redis keeps the newest
// version and nothing below a floor, whatever comes first. Floors are sent first, because they are small and
// urgent.
//
// What it gives up it marks: see store::reach. Whoever finds that a response does not wait finds its mark.
//
// write_queue is pure and not thread-safe; shared_write_queue puts it under a mutex.
#include "floor_memory.hpp"

#include <meshcache/http/cache_key.hpp>
#include <meshcache/store/selector.hpp>
#include <meshcache/store/stored_response.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace meshcache::replica {

struct queue_limits {
    std::size_t bytes = 64u << 20; ///< of everything that waits or is in flight
    std::size_t floors = 100'000;  ///< waiting floors; more merge into one. A quarter of `bytes`, too
    std::size_t batch_records = 64;
    std::size_t tags_as_record = 16;      ///< so many tags of records take Redis as long as another record
    std::size_t batch_bytes = 256u << 10; ///< a single larger record makes a batch of its own
};

/// A floor on its way to Redis.
struct floor_item {
    std::string name;       ///< of its selector
    std::uint64_t hash = 0; ///< of a key floor the store's hash of the key, of others of the name
    store::version floor;
    steady_time since; ///< when it was queued

    bool is_key() const noexcept { return name.front() == static_cast<char>(store::selector_kind::key); }
    bool is_soft() const noexcept { return name.front() == 's'; }
    bool is_everything() const noexcept { return name == "a"; }
    /// Of a key floor.
    std::string_view key() const noexcept { return std::string_view(name).substr(1); }
};

/// What is sent by one script call: either responses or floors. Immutable once taken.
struct write_batch {
    std::uint64_t id = 0;
    std::vector<store::response_ptr> puts;
    std::vector<steady_time> puts_since; ///< when each of them was queued
    std::vector<floor_item> floors;
};
using batch_ptr = std::shared_ptr<const write_batch>;

enum class put_result : std::uint8_t {
    queued,
    replaced,    ///< an older version of the key, which was still waiting, made way
    older,       ///< refused: the same or a newer version waits or is in flight
    invalidated, ///< refused: a floor that is known here lies above it
    dropped,     ///< refused: no room
};

/// Counts since the last take_counts().
struct queue_counts {
    std::uint64_t coalesced =
        0;                  ///< responses that a newer version of their key took the place of, or kept out
    std::uint64_t full = 0; ///< responses dropped for want of room
    std::uint64_t too_large = 0; ///< responses that are larger than the whole queue
    std::uint64_t below = 0;     ///< responses given up or refused because of a floor above them
    std::uint64_t merged = 0;    ///< times that too many floors became one
    bool overflowed = false;     ///< responses were dropped: Redis lacks what the local store may hold
};

class write_queue {
  public:
    explicit write_queue(const queue_limits& limits) : limits_(limits) {}

    /// `now`, here and below, tells how long something has waited, and nothing else.
    put_result put(store::response_ptr response, steady_time now);
    /// Queues a floor for a key, and gives up what waits below it.
    void invalidate(http::key_view key, const store::version& floor, steady_time now);
    /// Queues any other floor. `hash`: the store's, of `name`.
    void purge(std::string_view name, std::uint64_t hash, const store::version& floor, steady_time now);
    /// Another replica raised a floor: gives up what waits below it, and sends nothing.
    void forget_below(http::key_view key, const store::version& floor);
    /// Gives up all waiting responses. Returns how many.
    std::size_t forget_puts();

    /// The next batch, floors first, or null when nothing waits. It counts as in flight until acknowledge()
    /// or put_back().
    batch_ptr take();
    /// Redis answered: nothing of the batch is needed any more.
    void acknowledge(std::uint64_t id);
    /// The batch failed: it waits again, before everything else, except what has been overtaken meanwhile.
    void put_back(std::uint64_t id);

    /// The highest floor for that key or for everything that waits or is in flight.
    std::optional<store::version> floor_of(http::key_view key) const;

    /// Whether a response of that key waits or is in flight.
    bool holds(http::key_view key) const { return version_of(key).has_value(); }
    /// Whether that very version of its key waits or is in flight.
    bool holds(const store::stored_response& response) const;
    /// The version of that key that waits, else that which is in flight: Redis may have an older one still.
    std::optional<store::version> version_of(http::key_view key) const;

    /// Records and floors that wait or are in flight.
    std::size_t depth() const noexcept;
    std::size_t bytes() const noexcept { return put_bytes_ + floor_bytes_; }
    bool empty() const noexcept { return depth() == 0; }
    /// Whether something waits, in flight aside.
    bool has_work() const noexcept { return !puts_.empty() || !floors_.empty(); }
    queue_counts take_counts();

  private:
    struct queued_put {
        store::response_ptr response;
        steady_time since;
    };
    using put_list = std::list<queued_put>;
    using floor_list = std::list<floor_item>;
    template <class Position>
    using index = boost::unordered_flat_map<http::key_view, Position, key_view_hash, key_view_equal>;

    static std::size_t cost(const store::stored_response& r) noexcept { return r.charge() + 96; }
    static std::size_t cost(const floor_item& f) noexcept { return f.name.size() + 160; }
    static http::key_view view(const store::stored_response& r) noexcept { return {r.key(), r.hash()}; }
    static http::key_view view(const floor_item& f) noexcept { return {f.name, f.hash}; }

    void add_floor(floor_item item, bool first);
    void erase_put(put_list::iterator at, store::reach why);
    void make_room();
    void merge_floors_if_too_many();

    const queue_limits limits_;
    put_list puts_;
    floor_list floors_;
    index<put_list::iterator> put_index_;
    index<floor_list::iterator> floor_index_;
    std::vector<batch_ptr> in_flight_;            ///< two at the most, so a vector is searched
    std::size_t put_bytes_ = 0, floor_bytes_ = 0; ///< in flight included
    std::uint64_t last_id_ = 0;
    queue_counts counts_;
};

/// The queue between all threads and the link's. Says when the link's thread must be woken: only when it
/// found nothing to take since it was last woken, so that a burst costs one wake-up.
class shared_write_queue {
  public:
    explicit shared_write_queue(const queue_limits& limits) : queue_(limits) {}

    struct put_outcome {
        put_result what = put_result::queued;
        bool wake = false;
    };
    put_outcome put(store::response_ptr response, steady_time now);
    /// Returns whether the link's thread must be woken.
    bool invalidate(http::key_view key, const store::version& floor, steady_time now);
    /// As write_queue::take(); null makes the next put() or invalidate() ask for a wake-up.
    batch_ptr take();

    /// Anything else, under the mutex. `f` is short and calls nothing back.
    template <class F>
    decltype(auto) with(F&& f) {
        const std::lock_guard lock(mutex_);
        return f(queue_);
    }
    template <class F>
    decltype(auto) with(F&& f) const {
        const std::lock_guard lock(mutex_);
        return f(queue_);
    }

  private:
    mutable std::mutex mutex_;
    write_queue queue_;
    bool consumer_waits_ = false;
};

} // namespace meshcache::replica
