#pragma once
// The local store: stored responses by key, in shards, bounded by bytes, evicted by S3-FIFO. The cache only
// routes by hash; a shard (src/store/shard.hpp) is a complete store under one mutex.
//
// Any thread may call anything. No I/O and no callback happens under a shard's mutex.
#include <meshcache/http/cache_key.hpp>
#include <meshcache/store/floor_bound.hpp>
#include <meshcache/store/selector.hpp>
#include <meshcache/store/stored_response.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace meshcache::store {

struct cache_settings {
    std::size_t bytes = 64u << 20;     ///< bound on all that is held: responses, tables; at least 64 KiB
    std::size_t max_object = 1u << 20; ///< of a response's content; at most half a shard's share
    std::size_t max_variants = 64;     ///< of one primary key, at least 1; a look-up may pass over as many
    std::size_t shards = 0;            ///< power of two; 0: each gets room for eight of max_object
    std::uint64_t seed = 0;            ///< of the key hash; random in production
};

enum class insert_result : std::uint8_t {
    stored,      ///< the key was absent
    replaced,    ///< an older response of the same key made way
    older,       ///< refused: the store has the same or a newer version
    invalidated, ///< refused: a floor lies above it
    too_large,   ///< refused; an older response of its key is out of date and has left
};

/// Why a response comes.
enum class insert_for : std::uint8_t {
    use,   ///< somebody here asked for it
    stock, ///< nobody did: it was stored elsewhere. What is used here does not make way for it, see shard.cpp
};

struct insert_outcome {
    insert_result what = insert_result::stored;
    std::size_t evicted = 0; ///< responses that had to leave for it
    bool displaced = false;  ///< another variant of its primary key made way: there were max_variants already
    bool took() const noexcept { return what == insert_result::stored || what == insert_result::replaced; }
};

struct cache_stats {
    std::size_t bytes = 0, bytes_limit = 0; ///< the limit is the bound less what is held back
    std::size_t objects = 0;
    std::uint64_t evicted = 0;
};

class shard;
class group_floors;

class cache {
  public:
    explicit cache(const cache_settings& settings);
    ~cache();
    cache(const cache&) = delete;
    cache& operator=(const cache&) = delete;

    std::uint64_t hash(std::string_view key) const noexcept { return http::hash_key(key, settings_.seed); }
    http::key_view view(std::string_view key) const noexcept { return {key, hash(key)}; }

    /// The response at that key, fresh or stale, or null. Counts as a use for eviction. The full key is
    /// compared, so colliding hashes do no harm. A response that a soft purge covers shows itself as stale.
    response_ptr lookup(http::key_view key) const { return find(key, true); }
    /// The same without counting as a use.
    response_ptr peek(http::key_view key) const { return find(key, false); }

    /// The response at a URI's key, or the note there, and all variants below it, as peek() gives them. For
    /// operators: it walks a chain of the index.
    std::vector<response_ptr> family(http::key_view key) const;

    /// Puts `response` in the place of an older one of its key. `begun` is the hybrid clock's version when
    /// what led to this insert began (for a fill the response's own version, for a record read from
    /// Redis the moment the read was sent): an insert that began before a floor for its key was raised
    /// here, and whose version lies below that floor, is refused.
    insert_outcome insert(response_ptr response, const version& begun, insert_for why = insert_for::use);

    /// Nothing of that key below `floor` is valid: drops an older stored response, and refuses later
    /// inserts below it. The hybrid clock has observed `floor` already. Returns true when a response was
    /// dropped. Floors are held in a bounded table per shard; the oldest merge into one floor for the
    /// whole shard, which refuses only inserts that began before it.
    /// A note (vary.hpp) is held against it by its epoch, and variants against the floor of their primary
    /// key.
    bool raise_floor(http::key_view key, const floor_bound& floor);
    bool raise_floor(http::key_view key, const version& floor) {
        return raise_floor(key, floor_bound::same(floor));
    }

    /// Others have that version of the key: drops an older stored response, and refuses later inserts below
    /// it. Returns true when a response was dropped.
    bool supersede(http::key_view key, const version& newer);

    /// Raises the floor of a group: nothing that `s` covers is valid below it, or, when soft, fresh. Takes
    /// the same short time whatever it covers; sweep() frees the memory. Floors of groups are held in a
    /// bounded table; what is forgotten of it holds for every response that had not been held against it, and
    /// for admit(). `s` is not of kind `key`.
    void raise_group(const selector& s, const floor_bound& floor);

    /// Whether no floor lies above a response of that key and version that came from the upstream, purges of
    /// tags aside: insert() would take it, and as it is.
    bool admits(http::key_view key, const version& v) const;

    /// Whether the floor of a group makes a response of that key, version and stored head invalid, or stale.
    bool purged(std::string_view key, const version& v, std::string_view head) const;

    /// What group floors make of a response from elsewhere: itself, as stale, or null.
    response_ptr admit(response_ptr response) const;

    /// Holds stored responses against the purges since they were last held, a bounded number in one step, and
    /// drops what is invalid. Returns the cursor for the next step, 0 at the end (start with 0).
    std::uint64_t sweep(std::uint64_t cursor, std::size_t max);
    /// Changes with every raise_group().
    std::uint32_t purge_generation() const noexcept;
    /// Responses that left because of raise_group() since the last call.
    std::size_t take_purged();

    /// Refuses inserts that began before `begun`, whatever their key: floors may have been missed until then.
    /// One thread at a time; `begun` is of this replica's clock.
    void raise_base(const version& begun);
    /// What raise_base() was given last, or nothing: floors of keys that lie below may never be heard of
    /// here.
    version base() const noexcept;

    /// Drops the response of that key if its version is exactly `v`. Returns whether it did.
    bool erase(http::key_view key, const version& v);

    /// Drops everything. Floors stay.
    void clear();

    /// Leaves so many bytes of the bound unused, a quarter of it at the most, for memory that is taken where
    /// the store does not count it; evicts what no longer fits, in short steps. For one thread at a time.
    void hold_back(std::size_t bytes);

    /// Walks the store in bounded steps without holding it still: appends up to about `max` responses to
    /// `out` and returns the cursor for the next step, 0 at the end (start with 0). Whatever is in
    /// the store during the whole walk is seen at least once.
    std::uint64_t scan(std::uint64_t cursor, std::size_t max, std::vector<response_ptr>& out) const;

    cache_stats stats() const;
    /// As they took effect: bounds and the number of shards are filled in.
    const cache_settings& settings() const noexcept { return settings_; }

  private:
    shard& shard_of(std::uint64_t hash) const noexcept;
    response_ptr find(http::key_view key, bool counts) const;
    std::uint64_t cursor_of(std::size_t at, std::uint32_t next) const noexcept;

    cache_settings settings_;
    std::unique_ptr<group_floors> groups_;
    std::vector<std::unique_ptr<shard>> shards_;
    std::atomic<std::uint64_t> base_stamp_{0}, base_replica_{0}; ///< the replica stays the same
};

} // namespace meshcache::store
