#include "server_settings.hpp"

#include <chrono>

namespace meshcache::app {

net::settings proxy_settings(const configuration& cfg) {
    net::settings s;
    s.upstream = cfg.upstream;
    s.head_limits = {
        .max_bytes = cfg.max_header_size, .max_fields = cfg.max_header_count, .max_target = cfg.max_target};
    s.max_connections = cfg.max_connections;
    s.max_connections_per_client = cfg.max_connections_per_client;
    s.max_requests_per_connection = cfg.max_requests_per_connection;
    s.header_timeout = cfg.header_timeout;
    s.body_timeout = cfg.body_timeout;
    s.keepalive_timeout = cfg.keepalive_timeout;
    s.write_timeout = cfg.write_timeout;
    s.tunnel_timeout = cfg.tunnel_timeout;
    s.collapse_timeout = cfg.collapse_timeout;
    s.upstream_connect_timeout = cfg.upstream_connect_timeout;
    s.upstream_response_timeout = cfg.upstream_response_timeout;
    s.upstream_idle_timeout = cfg.upstream_idle_timeout;
    s.store_surplus = cfg.upstream_surplus;
    s.upstream_keepalive = cfg.upstream_keepalive;
    s.upstream_resolve_interval = cfg.upstream_resolve_interval;
    s.upstream_connections = cfg.upstream_connections;
    s.max_unsynced = cfg.max_unsynced;
    s.trust_forwarded = cfg.trust_forwarded;
    s.unknown_coding =
        cfg.upstream_any_coding ? http::unknown_coding::until_close : http::unknown_coding::refuse;
    s.access = cfg.access_log == access_log_mode::all      ? net::access_log::all
               : cfg.access_log == access_log_mode::misses ? net::access_log::misses
                                                           : net::access_log::off;
    if (cfg.consistency == consistency_mode::strong) s.consistency = flow::consistency::strong;
    s.settle_timeout = cfg.redis_command_timeout;
    s.access_json = cfg.format == log_format::json;
    auto& x = s.exchange;
    x.cache.heuristic_percent = cfg.heuristic_percent;
    x.cache.heuristic_max = std::chrono::duration_cast<seconds>(cfg.heuristic_max);
    x.cache.heuristic_errors = cfg.heuristic_errors;
    x.cache.error_max = std::chrono::duration_cast<seconds>(cfg.error_max);
    x.cache.store_post = cfg.store_post;
    x.cache.strict_age = cfg.strict_age;
    x.cache.default_stale_while_revalidate = std::chrono::duration_cast<seconds>(cfg.stale_while_revalidate);
    x.cache.stale_if_disconnected = std::chrono::duration_cast<seconds>(cfg.stale_if_disconnected);
    x.cache.default_stale_if_error = std::chrono::duration_cast<seconds>(cfg.stale_if_error);
    x.cache.store_set_cookie = cfg.store_set_cookie;
    x.head_limits = s.head_limits;
    x.cache.trust_not_modified = cfg.trust_not_modified;
    x.vary.ignore_order = cfg.vary_ignore_order;
    x.max_object = cfg.max_object;
    x.reject_hits = !cfg.on_hit.serves();
    x.reject_status = cfg.on_hit.reject_status;
    x.trust_forwarded = cfg.trust_forwarded;
    x.max_clock_skew = cfg.max_clock_skew;
    x.remote = cfg.consistency != consistency_mode::local;
    x.when_unconfirmed = cfg.when_unconfirmed == unconfirmed_mode::stale    ? flow::unconfirmed::stale
                         : cfg.when_unconfirmed == unconfirmed_mode::refuse ? flow::unconfirmed::refuse
                                                                            : flow::unconfirmed::upstream;
    x.collapse_globally = x.remote && cfg.collapse == collapse_mode::global;
    return s;
}

replica::link_settings link_settings(const configuration& cfg) {
    replica::link_settings s;
    s.address = cfg.redis->address;
    s.user = cfg.redis->user;
    s.password = cfg.redis->password;
    s.database = static_cast<int>(cfg.redis->database);
    s.tls = cfg.redis->tls;
    s.name_space = cfg.name_space;
    s.lookup_timeout = cfg.redis_timeout;
    s.command_timeout = cfg.redis_command_timeout;
    s.backoff_max = cfg.redis_backoff_max;
    s.queue_bytes = cfg.queue_memory;
    s.log_length = cfg.log_length;
    s.max_clock_skew = cfg.max_clock_skew;
    s.refresh = cfg.on_change == change_policy::refresh;
    s.replicate_all = cfg.replicate == replication::all;
    s.warm_start = cfg.warm_start;
    s.warm_timeout = cfg.warm_timeout;
    s.warm_percent = cfg.warm_percent;
    return s;
}

} // namespace meshcache::app
