#pragma once
// What the operator decided, as one plain value. Made once by parse_command_line (src/app/options.hpp),
// read by everybody afterwards, changed by nobody; shared freely between threads. The names are those of
// the flags, `--max-object` being `max_object`; every value lies in the range that the flag documents.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/redis_url.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace meshcache::app {

/// Who learns of a stored response: this replica alone, or all that share the Redis.
enum class consistency_mode : std::uint8_t { local, eventual, strong };

/// What answers a request that wants `strong` when Redis does not say in time what is new.
enum class unconfirmed_mode : std::uint8_t { upstream, stale, refuse };

/// Of which requests for one absent key only one fetches.
enum class collapse_mode : std::uint8_t { local, global };

/// Least severe message that is logged.
enum class log_threshold : std::uint8_t { trace, debug, info, warn, error, off };

/// Which exchanges get a line in the access log.
enum class access_log_mode : std::uint8_t { off, misses, all };

enum class log_format : std::uint8_t { text, json };

/// What to do with a request that the cache could answer.
struct hit_policy {
    int reject_status = 0; ///< 0: serve it; else refuse it with this status, 400 to 599
    bool serves() const noexcept { return reject_status == 0; }
    friend bool operator==(const hit_policy&, const hit_policy&) = default;
};

/// What becomes of a copy here of which another replica has stored a newer version.
enum class change_policy : std::uint8_t { refresh, drop };

/// What is taken up of what other replicas store: newer versions of what is held here, or everything.
enum class replication : std::uint8_t { recent, all };

struct configuration {
    // Addresses
    endpoint listen{"0.0.0.0", 8080, {}};  ///< where clients connect; port 0: the kernel chooses
    endpoint upstream;                     ///< the application; always set
    endpoint admin{"127.0.0.1", 9901, {}}; ///< health, metrics, statistics; port 0 as above
    std::string admin_token;               ///< bearer token of the admin port; empty: none needed
    std::optional<redis_url> redis;        ///< none: local only
    std::string name_space = "default";    ///< --namespace: replicas that share it share a cache
    std::string config_file;               ///< what was read; empty: none

    // Cache
    consistency_mode consistency = consistency_mode::local; ///< all but local imply `redis`
    unconfirmed_mode when_unconfirmed = unconfirmed_mode::upstream;
    hit_policy on_hit;
    std::size_t memory = std::size_t{64} << 20U; ///< bytes, the bound of the local store, overhead included
    std::size_t max_object = std::size_t{1} << 20U; ///< bytes, the largest stored response; at most `memory`
    std::size_t max_variants = 64;                  ///< stored responses of one URI that differ by Vary
    int heuristic_percent = 10;                     ///< of the time since Last-Modified; 0: no heuristics
    milliseconds heuristic_max{24LL * 3600 * 1000};
    bool heuristic_errors = false;              ///< for 414 and 501 as well, and for errors with `public`
    milliseconds error_max{300'000};            ///< freshness of a stored error, whatever it says
    milliseconds stale_while_revalidate{0};     ///< where the response says nothing (RFC 5861)
    milliseconds stale_if_error{0};             ///< where the response says nothing (RFC 5861)
    milliseconds stale_if_disconnected{60'000}; ///< where the response does not forbid it (RFC 9111, 4.2.4)
    bool store_set_cookie = false;              ///< responses with Set-Cookie may be stored
    bool store_post = false;                    ///< answers to POST may be stored (RFC 9110, section 9.3.3)
    bool strict_age = false;                    ///< Age that is no single number makes stale
    bool vary_ignore_order = false;             ///< of Accept-Encoding and Accept-Language
    bool trust_not_modified = false;            ///< whatever ETag and Content-Type a 304 has
    collapse_mode collapse = collapse_mode::local;
    milliseconds collapse_timeout{5'000};       ///< how long a collapsed request waits for its fetcher
    milliseconds max_unsynced{30'000};          ///< cut off from the change log; 0: for ever
    milliseconds max_clock_skew{250};           ///< between replicas' clocks, as purges allow for it

    // Redis
    milliseconds redis_timeout{20};                    ///< deadline of a look-up, seen by the client
    milliseconds redis_command_timeout{1'000};         ///< after it a connection counts as hung
    milliseconds redis_backoff_max{5'000};             ///< longest pause between two attempts to connect
    std::size_t queue_memory = std::size_t{64} << 20U; ///< bytes that may wait to be written
    std::uint64_t log_length = 10'000;                 ///< entries of the change log that are kept, about
    change_policy on_change = change_policy::refresh;
    replication replicate = replication::recent; ///< all goes with refresh only
    bool warm_start = true;                      ///< load what was stored before this replica was there
    milliseconds warm_timeout{30'000};           ///< for loading it, and for --ready-after-warm
    int warm_percent = 50;                       ///< of the local store that loading may fill
    bool ready_after_warm = false;               ///< /readyz waits for it

    // Limits
    unsigned threads = 1;                                 ///< event loops
    std::size_t max_connections = 10'000;                 ///< of clients, over all threads
    std::size_t max_connections_per_client = 0;           ///< of one address, over all threads; 0: no limit
    std::size_t max_header_size = std::size_t{32} << 10U; ///< bytes of a head
    std::size_t max_header_count = 128;                   ///< field lines of a head
    std::size_t max_target = std::size_t{8} << 10U;       ///< bytes of a request target
    std::uint64_t max_requests_per_connection = 0;        ///< 0: no limit
    milliseconds header_timeout{10'000};                  ///< for a whole request head
    milliseconds body_timeout{30'000};                    ///< between two pieces of a request body
    milliseconds keepalive_timeout{60'000};               ///< between two requests
    milliseconds write_timeout{60'000};                   ///< a client that takes nothing
    milliseconds tunnel_timeout{3'600'000};               ///< an upgraded connection on which nothing moves
    milliseconds drain_timeout{20'000};                   ///< from SIGTERM to the exit

    // Upstream
    milliseconds upstream_connect_timeout{2'000};
    milliseconds upstream_response_timeout{60'000}; ///< to the first byte of the answer
    milliseconds upstream_idle_timeout{60'000};     ///< between two pieces of the answer's body
    milliseconds upstream_keepalive{4'000};         ///< life of an idle pooled connection; 0: none are kept
    std::size_t upstream_connections = 1'024;       ///< a thread
    milliseconds upstream_resolve_interval{30'000};
    bool trust_forwarded = false;     ///< append to X-Forwarded-* and Forwarded instead of replacing them
    bool upstream_surplus = false;    ///< store answers behind whose end more came
    bool upstream_any_coding = false; ///< read unknown transfer codings until the connection closes

    // Log
    log_threshold log_level = log_threshold::info;
    access_log_mode access_log = access_log_mode::misses;
    log_format format = log_format::text; ///< --log-format
};

} // namespace meshcache::app
