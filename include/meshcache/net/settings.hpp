#pragma once
// What the proxy's event loops need to know, and what they share. Filled in by the server.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/metrics.hpp>
#include <meshcache/flow/exchange.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/head.hpp>
#include <meshcache/replica/link.hpp>
#include <meshcache/store/cache.hpp>
#include <meshcache/store/collapse.hpp>

#include <atomic>
#include <cstddef>
#include <memory>

namespace spdlog {
class logger;
}

namespace meshcache::net {

enum class access_log : std::uint8_t { off, misses, all };

/// Bounds and time-outs; zero means no limit where that is said.
struct settings {
    endpoint upstream;
    http::head_limits head_limits;
    std::size_t max_connections = 10'000;        ///< in all loops together
    std::size_t max_connections_per_client = 0;  ///< of one address (client_limit.hpp); 0: no limit
    std::size_t max_requests_per_connection = 0; ///< 0: no limit
    milliseconds header_timeout{
        10'000}; ///< for a head, from its first byte; for a connection's first byte, too
    milliseconds body_timeout{30'000};      ///< between two pieces of a request body
    milliseconds keepalive_timeout{60'000}; ///< between two requests
    milliseconds write_timeout{60'000};     ///< for a client to take a piece of the answer
    milliseconds tunnel_timeout{3'600'000}; ///< for an upgraded connection on which nothing moves
    milliseconds collapse_timeout{5'000};   ///< for a head from another request's fetch
    milliseconds max_unsynced{
        30'000}; ///< cut off from the change log, before the store is trusted no more; 0: for ever
    milliseconds upstream_connect_timeout{2'000};
    milliseconds upstream_response_timeout{60'000}; ///< from the request's end to the answer's head
    milliseconds upstream_idle_timeout{60'000};     ///< between two pieces of the answer's body
    milliseconds upstream_keepalive{4'000};         ///< life of an idle pooled connection
    milliseconds upstream_resolve_interval{30'000};
    std::size_t upstream_connections = 1024; ///< for each loop
    bool trust_forwarded = false;
    bool store_surplus = false; ///< answers behind whose end more came
    http::unknown_coding unknown_coding = http::unknown_coding::refuse; ///< of the upstream's answers
    access_log access = access_log::misses;
    bool access_json = false;
    flow::consistency consistency = flow::consistency::eventual;
    milliseconds settle_timeout{1000}; ///< for Redis to acknowledge what a strong request wrote
    flow::exchange_settings exchange;
};

class client_limit;

/// Shared by all loops; each outlives them. `link` is null without Redis.
struct shared_state {
    store::cache& cache;
    store::collapse& collapse;
    store::byte_budget& fill_budget;
    store::hybrid_clock& versions;
    const clock_source& clock;
    replica::link* link;
    metrics& counters;
    std::shared_ptr<spdlog::logger> log;
    std::shared_ptr<spdlog::logger> access; ///< for access lines alone
    std::atomic<std::size_t>& connections;  ///< open client connections
    std::uint64_t (*random)();              ///< numbers that nobody can foresee; any thread
    client_limit& clients;                  ///< the same for each address
};

} // namespace meshcache::net
