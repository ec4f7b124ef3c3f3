#pragma once
// The key floors that this replica has heard of of late: what it can tell a Redis that has lost them, and
// what it holds records read from Redis against. Bounded: the oldest are forgotten first. Not thread-safe.
#include <meshcache/http/cache_key.hpp>
#include <meshcache/store/floor_bound.hpp>
#include <meshcache/store/version.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::replica {

/// A key with the store's seeded hash, as an index: nobody outside can make keys collide.
struct key_view_hash {
    using is_avalanching = void;
    std::size_t operator()(const http::key_view& k) const noexcept {
        return static_cast<std::size_t>(k.hash);
    }
};
struct key_view_equal {
    bool operator()(const http::key_view& a, const http::key_view& b) const noexcept {
        return a.hash == b.hash && a.bytes == b.bytes;
    }
};

class floor_memory {
  public:
    struct item {
        std::string key;
        std::uint64_t hash = 0;
        store::version floor;     ///< the highest, as it was made; of replica 0 when several made it
        store::floor_bound bound; ///< what all of them cover here
        store::version heard;     ///< the highest that was read in the log: Redis had no other below it
    };

    explicit floor_memory(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    /// Remembers a floor of the key, and what it covers here.
    void raise(http::key_view key, const store::version& floor, const store::floor_bound& bound);
    /// The log has told of it. Nothing, unless a floor of the key is remembered.
    void hear(http::key_view key, const store::version& floor);
    /// The log was lost, or a part of it: what Redis has now may be others than were heard of.
    void forget_heard();
    /// Null if none is remembered; valid until the next call that changes something.
    const item* find(http::key_view key) const;
    /// Forgets floors made before `time`.
    void expire(wall_time time);
    std::vector<item> all() const { return {items_.begin(), items_.end()}; }
    std::size_t size() const noexcept { return items_.size(); }

  private:
    using position = std::list<item>::iterator;
    static std::size_t cost(const item& i) noexcept { return i.key.size() + 128; }
    void forget_oldest();

    const std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::list<item> items_; ///< least recently raised first; the index's keys point into it
    boost::unordered_flat_map<http::key_view, position, key_view_hash, key_view_equal> index_;
};

} // namespace meshcache::replica
