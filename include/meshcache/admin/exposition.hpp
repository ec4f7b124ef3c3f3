#pragma once
// What the admin port says in numbers: the metrics page for Prometheus and the statistics for people and
// scripts. Pure: values in, text out. Any thread.
#include <meshcache/base/metrics.hpp>
#include <meshcache/replica/replica_list.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace meshcache::admin {

/// Label names and values, unescaped.
using label_list = std::vector<std::pair<std::string, std::string>>;

/// One value that may go up and down. Values of one name form one family; its help is that of the first.
struct gauge_value {
    std::string name; ///< `meshcache_..._bytes` or `_seconds`: base units, and no `_total`
    std::string help;
    label_list labels;
    double value = 0;
};

/// The page in Prometheus' text format 0.0.4, served as `text/plain; version=0.0.4; charset=utf-8`: every
/// counter of base/metrics.hpp, zeros included, then gauges, then every histogram of base/histogram.hpp.
std::string prometheus_page(const metrics& counters, std::span<const gauge_value> gauges);

/// How long changes take to reach this replica, in milliseconds, over the recent ones.
struct propagation_delay {
    std::uint64_t count = 0;
    double p50 = 0;
    double p99 = 0;
    double max = 0;
    double last = 0;
};

/// How far a comparison of the local store with Redis is.
struct reconciliation_progress {
    bool running = false;
    std::uint64_t done = 0;  ///< stored responses that were compared; of the last one, when none runs
    std::uint64_t total = 0; ///< as it began; what is stored meanwhile may take `done` beyond it
};

/// How far the loading of what was stored before is.
struct warm_start_progress {
    std::string state;        ///< "off", "waiting" (for Redis), "running" or "done"
    std::uint64_t loaded = 0; ///< records
    std::uint64_t bytes = 0;  ///< that they took in the local store
    std::string end;          ///< why it ended: "complete", "time", "memory" or "refused" (by Redis)
};

/// What GET /stats shows. Counts are since the start.
struct stats {
    std::string version;
    std::string replica_id;
    double uptime_s = 0;
    // requests
    std::uint64_t connections = 0; ///< open now
    std::uint64_t hits = 0;        ///< fresh, stale and from Redis
    std::uint64_t misses = 0;
    std::uint64_t collapsed = 0;
    std::uint64_t fills = 0; ///< fetches under way now
    // the local store
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_limit = 0;
    std::uint64_t stored = 0;
    std::uint64_t evicted = 0;
    // Redis
    std::string
        redis_state; ///< "off", or of the link: "connecting", "loading", "ready", "draining", "stopped"
    std::string log_position;
    std::uint64_t queue_depth = 0; ///< records
    std::uint64_t queue_bytes = 0;
    std::uint64_t batches = 0;
    warm_start_progress warm_start;
    reconciliation_progress reconciliation;
    propagation_delay propagation_ms;
    /// Those that share the namespace, this one included; nullopt where Redis did not say.
    std::optional<std::vector<replica::listed_replica>> replicas;
};

/// `stats` as one JSON object, two blanks of indent, keys in the order of the struct, a line end after it.
/// Bytes that are not UTF-8 are shown as U+FFFD.
std::string stats_json(const stats& s);

} // namespace meshcache::admin
