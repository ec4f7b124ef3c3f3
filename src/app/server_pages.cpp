#include "server_pages.hpp"
#include "version.hpp"

#include <meshcache/admin/exposition.hpp>

#include <chrono>
#include <utility>
#include <vector>

namespace meshcache::app {

std::string stats_page(const page_sources& from, operator_desk::replica_list replicas) {
    const auto count = [&from](counter c) { return from.counters.total(c); };
    admin::stats s;
    s.replicas = std::move(replicas);
    const auto store = from.cache.stats();
    s.version = version();
    s.replica_id = from.replica_id;
    s.uptime_s = std::chrono::duration<double>(from.uptime).count();
    s.connections = from.connections;
    s.hits = count(counter::requests_hit) + count(counter::requests_hit_stale) +
             count(counter::requests_hit_redis);
    s.misses = count(counter::requests_uri_miss) + count(counter::requests_vary_miss) +
               count(counter::requests_stale) + count(counter::requests_request);
    s.collapsed = count(counter::requests_collapsed);
    s.fills = from.collapse.fills();
    s.objects = store.objects;
    s.bytes = store.bytes + from.fill_budget.used();
    s.bytes_limit = from.cfg.memory;
    s.stored = count(counter::stored);
    s.evicted = store.evicted;
    s.batches = count(counter::redis_batches);
    if (from.link) {
        const auto& l = *from.link;
        s.redis_state = to_string(l.state);
        s.log_position = l.log_position;
        s.queue_depth = l.queue_depth;
        s.queue_bytes = l.queue_bytes;
        s.warm_start = {std::string(to_string(l.warm)), l.warm_loaded, l.warm_bytes, std::string(l.warm_end)};
        s.reconciliation = {l.reconciling, l.reconcile_done, l.reconcile_total};
        s.propagation_ms = {l.propagation.count, l.propagation.p50_ms, l.propagation.p99_ms,
                            l.propagation.max_ms, l.propagation.last_ms};
    } else {
        s.redis_state = "off";
        s.warm_start.state = "off";
    }
    return admin::stats_json(s);
}

std::string metrics_page(const page_sources& from) {
    const auto store = from.cache.stats();
    std::vector<admin::gauge_value> gauges{
        {"meshcache_connections",
         "Client connections that are open.",
         {},
         static_cast<double>(from.connections)},
        {"meshcache_store_bytes",
         "Memory that the local store holds, overhead included.",
         {},
         static_cast<double>(store.bytes)},
        {"meshcache_store_limit_bytes",
         "Bound on the local store's memory.",
         {},
         static_cast<double>(store.bytes_limit)},
        {"meshcache_store_objects", "Responses in the local store.", {}, static_cast<double>(store.objects)},
        {"meshcache_fills",
         "Fetches under way that several requests may share.",
         {},
         static_cast<double>(from.collapse.fills())},
        {"meshcache_fill_bytes",
         "Memory that fetches under way hold.",
         {},
         static_cast<double>(from.fill_budget.used())},
    };
    if (from.link) {
        const auto& l = *from.link;
        gauges.push_back(
            {"meshcache_redis_up",
             "Whether Redis is reachable, the change log followed, and nothing left to reconcile.",
             {},
             l.state == replica::link_state::ready ? 1.0 : 0.0});
        gauges.push_back({"meshcache_redis_breaker_open",
                          "Whether look-ups in Redis are skipped because it is unwell.",
                          {},
                          l.breaker_open ? 1.0 : 0.0});
        gauges.push_back({"meshcache_queue_depth",
                          "Changes that wait for Redis or are on their way.",
                          {},
                          static_cast<double>(l.queue_depth)});
        gauges.push_back({"meshcache_queue_bytes",
                          "Memory that these changes hold.",
                          {},
                          static_cast<double>(l.queue_bytes)});
    }
    return admin::prometheus_page(from.counters, gauges);
}

} // namespace meshcache::app
