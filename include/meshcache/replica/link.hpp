#pragma once
// The link to Redis: everything that the rest of meshcache asks of the global cache. One thread of its own
// (the write-behind strand) owns the connections: one for commands, one that follows the change log.
//
// put(), invalidate() and lookup() may be called from any thread and never block: they hand work over
// under a short lock. Callbacks are called on the link's thread and must only schedule work.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/error.hpp>
#include <meshcache/base/metrics.hpp>
#include <meshcache/replica/replica_list.hpp>
#include <meshcache/store/cache.hpp>
#include <meshcache/store/collapse.hpp>
#include <meshcache/store/selector.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace spdlog {
class logger;
}

namespace meshcache::replica {

struct link_settings {
    endpoint address;
    std::string user, password; ///< empty: no AUTH
    int database = 0;
    bool tls = false;
    std::string name_space = "default";
    milliseconds lookup_timeout{20};
    milliseconds command_timeout{1000};
    milliseconds backoff_max{5000};
    std::size_t queue_bytes = 64u << 20;
    std::size_t log_length = 10'000;
    milliseconds max_clock_skew{250}; ///< between replicas' clocks, as floors allow for it
    bool refresh = true;              ///< fetch the newer version of what is held; false: only drop the older
    bool replicate_all = false;       ///< fetch what others store although nothing of it is held here
    bool warm_start = false;          ///< load what was stored before this replica was there
    milliseconds warm_timeout{30'000}; ///< for loading it
    int warm_percent = 50;             ///< of the local store that loading may fill
};

/// How far the warm start is.
enum class warm_state : std::uint8_t {
    off,     ///< not wanted
    waiting, ///< for Redis
    running,
    done,
};
std::string_view to_string(warm_state s) noexcept;

enum class link_state : std::uint8_t {
    connecting, ///< no connection yet, or lost and backing off
    loading,    ///< authenticating, loading scripts, catching up with the log; or reconciling, when all else
                ///< works
    ready,      ///< commands flow, the log is followed, and the local store agrees with it
    draining,
    stopped,
};
std::string_view to_string(link_state s) noexcept;

struct latency_summary {
    std::uint64_t count = 0;
    double last_ms = 0, p50_ms = 0, p99_ms = 0, max_ms = 0;
};

/// What became of a response that waited for Redis.
enum class settlement : std::uint8_t {
    stored,  ///< Redis has it
    refused, ///< a newer one, or a floor, was in its way
    unknown, ///< Redis will not have it, or did not say within the command time-out
};

/// What /stats shows of the link.
struct link_stats {
    link_state state = link_state::connecting;
    bool following = false;      ///< the change log is being read
    bool breaker_open = false;   ///< look-ups are skipped
    std::string log_position;    ///< the last stream id seen, such as "1700000000000-3"
    std::size_t queue_depth = 0; ///< records and invalidations that wait or are in flight
    std::size_t queue_bytes = 0;
    bool reconciling = false;          ///< now
    std::uint64_t reconcile_done = 0;  ///< stored responses compared with Redis, by this or the last one
    std::uint64_t reconcile_total = 0; ///< how many were stored when it began
    warm_state warm = warm_state::off;
    std::uint64_t warm_loaded = 0; ///< records
    std::uint64_t warm_bytes = 0;  ///< that they took in the local store
    std::string_view warm_end;     ///< why the last one ended, such as "complete"; empty before
    latency_summary propagation;   ///< from a version's making elsewhere to its arrival here
    std::string last_error;
};

class link {
  public:
    /// `response` is null for a miss, whatever the reason; the record was decoded, is fresh or usable stale,
    /// and its key is the one asked for. `absent`: Redis has nothing of that name.
    using lookup_handler = std::function<void(store::response_ptr response, bool absent)>;

    /// All references outlive the link. It makes a slab of its own in `counters`, and counts there everything
    /// that concerns Redis, look-ups that were skipped included.
    link(link_settings settings, store::cache& local, store::hybrid_clock& versions,
         const clock_source& clock, metrics& counters, std::shared_ptr<spdlog::logger> log);
    ~link();
    link(const link&) = delete;
    link& operator=(const link&) = delete;

    /// What about `settings` cannot work with this build, for the operator; empty if nothing. Before start().
    static std::string check(const link_settings& settings);

    /// Starts the thread. Redis need not be there. `self` is what the other replicas get to know.
    void start(self_description self = {});

    /// Queues a stored response for Redis; a queued older version of the key is replaced. What does not get
    /// there is marked: see store::reach.
    void put(store::response_ptr response);

    /// Whether put() takes such a response at `now`: others could use it for some time yet.
    static bool carries(const store::stored_response& response, wall_time now) noexcept;

    /// Raises a floor for that key, in the local store and, by the queue, everywhere: nothing below `floor`
    /// is valid. Never dropped. Returns true when a stored response was dropped.
    bool invalidate(std::string_view key, const store::version& floor);

    /// Queues an operator's purge: a floor for each of the selectors, which were applied to the local store
    /// already. Never dropped. `handler` may be empty; it is called on the link's thread with the position
    /// of the entry in the change log once Redis has acknowledged everything, however late that is, and not
    /// at all if the link ends before.
    using purge_handler = std::function<void(std::string position)>;
    void purge(std::vector<store::selector> what, const store::version& floor, purge_handler handler);

    /// Asks Redis for a record; `handler` is called exactly once, on the link's thread, within
    /// lookup_timeout or so. Returns false, and does not call it, when the look-up would be
    /// useless: not connected, the log is not followed, or the circuit breaker is open.
    bool lookup(std::string_view key, lookup_handler handler);

    /// What acquire() came to.
    struct acquired {
        store::response_ptr response;             ///< as of lookup()
        std::shared_ptr<store::fill_lease> lease; ///< set: the caller fetches for all replicas
        bool elsewhere = false;   ///< another replica still fetched it when `wait_until` had come
        bool unshareable = false; ///< another replica found that answers for this key cannot be shared
        bool absent = false;      ///< Redis has nothing of that name
    };
    using acquire_handler = std::function<void(acquired)>;

    /// The same, for a request that is to fetch what Redis does not have: where there is no record, or one of
    /// the version `stale`, the caller gets the lease to fetch it, or waits, until `wait_until`, for the
    /// replica that has the lease. All of it empty: the caller fetches for himself.
    bool acquire(std::string_view key, const std::optional<store::version>& stale, steady_time wait_until,
                 acquire_handler handler);

    /// Calls `handler` with true once the local store has everything that the change log had when this was
    /// called, or with false when that cannot be said within lookup_timeout. On the link's thread, exactly
    /// once. Returns false, and does not call it, when the log is not followed or the breaker is open.
    using sync_handler = std::function<void(bool synced)>;
    bool sync(sync_handler handler);

    /// False when Redis has that response, as far as is known here. Else `handler` is called exactly once, on
    /// the link's thread, when Redis has said what becomes of it, or the command time-out has passed; or at
    /// once: with `unknown` while Redis is away, or if it never gets there (the queue was full, or the clock
    /// of this replica is far ahead); with `refused` if Redis would not have it.
    using settle_handler = std::function<void(settlement)>;
    bool settle(const store::response_ptr& response, settle_handler handler);

    /// Sends what is queued until nothing is left or `deadline` passes, then disconnects and joins the
    /// thread. Returns how many records and invalidations were left.
    std::size_t drain(steady_time deadline);

    link_stats stats() const;

    /// Asks Redis which replicas there are, this one included. `handler` is called once, on the link's
    /// thread, with nullopt when Redis cannot be asked or does not answer within command_timeout; not at all
    /// if the link ends before.
    using list_handler = std::function<void(std::optional<std::vector<listed_replica>>)>;
    void replicas(list_handler handler);

    /// Waits until every live replica has applied the change log up to `position` (of a purge, say, that this
    /// replica has applied before). `handler` is called once, on the link's thread: then, or at `deadline`,
    /// or soon after `given_up` is stopped, or up to command_timeout after that while Redis does not answer;
    /// not at all if the link ends before.
    using count_handler = std::function<void(replica_count)>;
    void await_replicas(std::string_view position, steady_time deadline, std::stop_token given_up,
                        count_handler handler);

    /// Reads what Redis has of these cache keys, for somebody who looks after it: nothing is kept or dropped.
    /// One record a key, in the order of `keys`. `handler` is called as that of replicas().
    using examine_handler = std::function<void(std::optional<std::vector<examined_record>>)>;
    void examine(std::vector<std::string> keys, examine_handler handler);

    /// The last moment, up to `now`, at which the local store is known to agree with the change log; before
    /// the first time, the link's start. A connection that hangs is noticed only by a command's deadline, so
    /// this may be some seconds too late. Any thread, at the cost of one load.
    steady_time in_sync_at(steady_time now) const noexcept;

  private:
    class impl;
    std::unique_ptr<impl> impl_;
};

} // namespace meshcache::replica
