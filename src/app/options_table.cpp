#include "options_table.hpp"

#include <meshcache/base/units.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

namespace meshcache::app {
namespace {

constexpr std::uint64_t KiB = 1ULL << 10U;
constexpr std::uint64_t MiB = 1ULL << 20U;
constexpr std::uint64_t GiB = 1ULL << 30U;
constexpr std::uint64_t TiB = 1ULL << 40U;

constexpr milliseconds ms(std::int64_t n) { return milliseconds(n); }
constexpr milliseconds sec(std::int64_t n) { return milliseconds(n * 1'000); }
constexpr milliseconds minutes(std::int64_t n) { return milliseconds(n * 60'000); }
constexpr milliseconds hours(std::int64_t n) { return milliseconds(n * 3'600'000); }

/// What every row begins with.
struct row {
    std::string_view name;
    setting_group group;
    std::string_view placeholder;
    std::string_view help;
    std::string_view default_note{};
    std::string_view example{};
};

template <class Assign, class Show>
setting make(const row& r, value_kind kind, Assign assign, Show show) {
    return {r.name,    r.group,           kind,           r.placeholder, r.help, r.default_note,
            r.example, std::move(assign), std::move(show)};
}

std::string out_of_range(std::string_view text, const std::string& least, const std::string& most) {
    return in_quotes(text) + " is out of range; it must lie between " + least + " and " + most;
}

template <class T>
setting count(const row& r, T configuration::*member, T least, T most) {
    static_assert(std::is_integral_v<T>);
    return make(
        r, value_kind::count,
        [=](configuration& c, std::string_view text) -> std::string {
            const auto n = parse_count(text);
            if (!n) return n.error;
            if (*n < static_cast<std::uint64_t>(least) || *n > static_cast<std::uint64_t>(most))
                return out_of_range(text, std::to_string(least), std::to_string(most));
            c.*member = static_cast<T>(*n);
            return {};
        },
        [=](const configuration& c) -> std::optional<std::string> { return std::to_string(c.*member); });
}

setting size(const row& r, std::size_t configuration::*member, std::uint64_t least, std::uint64_t most) {
    return make(
        r, value_kind::size,
        [=](configuration& c, std::string_view text) -> std::string {
            const auto n = parse_size(text);
            if (!n) return n.error;
            if (*n < least || *n > most) return out_of_range(text, format_size(least), format_size(most));
            c.*member = *n;
            return {};
        },
        [=](const configuration& c) -> std::optional<std::string> { return format_size(c.*member); });
}

setting duration(const row& r, milliseconds configuration::*member, milliseconds least, milliseconds most) {
    return make(
        r, value_kind::duration,
        [=](configuration& c, std::string_view text) -> std::string {
            const auto d = parse_duration(text);
            if (!d) return d.error;
            if (*d < least || *d > most)
                return out_of_range(text, format_duration(least), format_duration(most));
            c.*member = *d;
            return {};
        },
        [=](const configuration& c) -> std::optional<std::string> { return format_duration(c.*member); });
}

setting toggle(const row& r, bool configuration::*member) {
    return make(
        r, value_kind::toggle,
        [=](configuration& c, std::string_view text) -> std::string {
            const auto on = parse_switch(text);
            if (!on) return on.error;
            c.*member = *on;
            return {};
        },
        [=](const configuration& c) -> std::optional<std::string> { return c.*member ? "true" : "false"; });
}

template <class Enum>
using word = std::pair<std::string_view, Enum>;

template <class Enum, std::size_t N>
setting choice(const row& r, Enum configuration::*member, const std::array<word<Enum>, N>& words) {
    return make(
        r, value_kind::text,
        [=](configuration& c, std::string_view text) -> std::string {
            std::string all;
            for (const auto& [name, value] : words) {
                if (name == text) {
                    c.*member = value;
                    return {};
                }
                all += all.empty() ? "" : ", ";
                all += name;
            }
            return in_quotes(text) + " is not one of " + all;
        },
        [=](const configuration& c) -> std::optional<std::string> {
            for (const auto& [name, value] : words)
                if (value == c.*member) return std::string(name);
            return std::nullopt;
        });
}

enum class endpoint_use : std::uint8_t { listen, connect };

setting address(const row& r, endpoint configuration::*member, endpoint_use use) {
    return make(
        r, value_kind::text,
        [=](configuration& c, std::string_view text) -> std::string {
            auto e = parse_endpoint(text);
            if (!e) return e.error;
            if (use == endpoint_use::connect && !e->is_unix() && e->port == 0)
                return in_quotes(text) + ": port 0 cannot be connected to; write the application's port";
            c.*member = *std::move(e);
            return {};
        },
        [=](const configuration& c) -> std::optional<std::string> {
            const endpoint& e = c.*member;
            if (!e.is_unix() && e.host.empty()) return std::nullopt;
            return e.to_string();
        });
}

// The settings whose form is their own.

std::string assign_admin_token(configuration& c, std::string_view text) {
    // b64token of RFC 6750, section 2.1: what can stand in `Authorization: Bearer`. The text is never
    // repeated.
    constexpr std::string_view marks = "-._~+/=";
    const bool sendable = std::all_of(text.begin(), text.end(), [=](char ch) {
        return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
               marks.find(ch) != std::string_view::npos;
    });
    if (!sendable || text.size() > 256)
        return "the token cannot be sent as a bearer token; use up to 256 letters, digits and -._~+/=";
    c.admin_token = text;
    return {};
}

std::string assign_redis(configuration& c, std::string_view text) {
    if (text.empty()) {
        c.redis.reset();
        return {};
    }
    auto url = parse_redis_url(text);
    if (!url) return url.error;
    c.redis = *std::move(url);
    return {};
}

std::string assign_name_space(configuration& c, std::string_view text) {
    const bool good =
        !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char ch) {
            return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                   ch == '_' || ch == '.' || ch == '-';
        });
    if (!good) return in_quotes(text) + " is not a namespace; use 1 to 64 letters, digits, '_', '.' and '-'";
    c.name_space = text;
    return {};
}

std::string assign_on_hit(configuration& c, std::string_view text) {
    if (text == "serve") {
        c.on_hit.reject_status = 0;
        return {};
    }
    if (text == "reject") {
        c.on_hit.reject_status = 403;
        return {};
    }
    if (!text.starts_with("reject:")) return in_quotes(text) + " is not one of serve, reject, reject:STATUS";
    const auto status = parse_count(text.substr(7));
    if (!status || *status < 400 || *status > 599)
        return in_quotes(text) + ": the status must lie between 400 and 599, as in reject:403";
    c.on_hit.reject_status = static_cast<int>(*status);
    return {};
}

std::optional<std::string> show_on_hit(const configuration& c) {
    if (c.on_hit.serves()) return "serve";
    return "reject:" + std::to_string(c.on_hit.reject_status);
}

std::vector<setting> build() {
    using g = setting_group;
    using c = configuration;
    std::vector<setting> t;

    t.push_back(
        address({"listen", g::addresses, "ADDR:PORT", "where clients connect; [::]:8080 and unix:/path too"},
                &c::listen, endpoint_use::listen));
    t.push_back(address({"upstream", g::addresses, "HOST:PORT", "the application; unix:/path too", "required",
                         "127.0.0.1:3000"},
                        &c::upstream, endpoint_use::connect));
    t.push_back(address({"admin", g::addresses, "ADDR:PORT",
                         "the port for health, metrics, statistics and operators' commands"},
                        &c::admin, endpoint_use::listen));
    t.push_back(
        make(row{"admin-token", g::addresses, "TOKEN",
                 "bearer token that the admin port asks for; required unless it listens on loopback or "
                 "a unix socket; better given in the environment than as a flag",
                 "none", "change-me"},
             value_kind::text, assign_admin_token, [](const c& conf) -> std::optional<std::string> {
                 if (conf.admin_token.empty()) return std::nullopt;
                 return "***";
             }));
    t.push_back(
        make(row{"redis", g::addresses, "URL",
                 "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, or unix:///PATH[?db=DB]",
                 "none: local only", "redis://redis:6379"},
             value_kind::text, assign_redis, [](const c& conf) -> std::optional<std::string> {
                 if (!conf.redis) return std::nullopt;
                 return conf.redis->redacted();
             }));
    t.push_back(make(row{"namespace", g::addresses, "NAME", "replicas that share a namespace share a cache"},
                     value_kind::text, assign_name_space,
                     [](const c& conf) -> std::optional<std::string> { return conf.name_space; }));

    t.push_back(choice(
        {"consistency", g::cache, "MODE",
         "local (this replica alone), eventual (all, through Redis) or strong (each request asks Redis)",
         "eventual with --redis, else local", "eventual"},
        &c::consistency,
        std::array<word<consistency_mode>, 3>{{{"local", consistency_mode::local},
                                               {"eventual", consistency_mode::eventual},
                                               {"strong", consistency_mode::strong}}}));
    t.push_back(choice({"on-unconfirmed", g::cache, "ANSWER",
                        "with strong, when Redis does not say in time what is new: upstream, stale or 503"},
                       &c::when_unconfirmed,
                       std::array<word<unconfirmed_mode>, 3>{{{"upstream", unconfirmed_mode::upstream},
                                                              {"stale", unconfirmed_mode::stale},
                                                              {"503", unconfirmed_mode::refuse}}}));
    t.push_back(make(row{"on-hit", g::cache, "serve|reject[:STATUS]",
                         "what to do with a request that the cache could answer; STATUS is 403 unless given"},
                     value_kind::text, assign_on_hit, show_on_hit));
    t.push_back(size({"memory", g::cache, "SIZE", "bound of the local store, all overhead included",
                      "a quarter of the memory granted, at least 64MiB", "256MiB"},
                     &c::memory, MiB, 16 * TiB));
    t.push_back(size({"max-object", g::cache, "SIZE", "a larger response passes through and is not stored"},
                     &c::max_object, KiB, GiB));
    t.push_back(
        count({"max-variants", g::cache, "N",
               "stored responses of one URI that differ by Vary; beyond it the least used one leaves"},
              &c::max_variants, std::size_t{1}, std::size_t{1024}));
    t.push_back(
        count({"heuristic-percent", g::cache, "PERCENT",
               "freshness of a response that names none, in percent of its age by Last-Modified; 0 for none"},
              &c::heuristic_percent, 0, 100));
    t.push_back(duration({"heuristic-max", g::cache, "TIME", "longest freshness found that way"},
                         &c::heuristic_max, ms(0), hours(8760)));
    t.push_back(toggle(
        {"heuristic-errors", g::cache, "",
         "let that be for errors, too: 404, 405, 410, 414, 501, and others that the response calls public"},
        &c::heuristic_errors));
    t.push_back(duration({"error-max", g::cache, "TIME",
                          "longest freshness of a stored error (4xx, 5xx), whatever it says; 0s stores none"},
                         &c::error_max, ms(0), hours(8760)));
    t.push_back(
        duration({"stale-while-revalidate", g::cache, "TIME",
                  "serve stale while fetching anew, where the response does not say how long (RFC 5861)"},
                 &c::stale_while_revalidate, ms(0), hours(8760)));
    t.push_back(duration(
        {"stale-if-error", g::cache, "TIME",
         "serve stale while the upstream fails, where the response does not say how long (RFC 5861)"},
        &c::stale_if_error, ms(0), hours(8760)));
    t.push_back(
        duration({"stale-if-disconnected", g::cache, "TIME",
                  "serve stale while the upstream cannot be reached, where the response does not forbid it"},
                 &c::stale_if_disconnected, ms(0), hours(8760)));
    t.push_back(toggle({"store-set-cookie", g::cache, "", "store responses that have Set-Cookie"},
                       &c::store_set_cookie));
    t.push_back(toggle({"store-post", g::cache, "",
                        "store an answer to POST that is explicitly fresh and whose Content-Location is its "
                        "target; it then answers GET (RFC 9110, section 9.3.3)"},
                       &c::store_post));
    t.push_back(toggle({"strict-age", g::cache, "",
                        "take a response for stale whose Age is no single number; otherwise the first number "
                        "counts, and what is none is ignored (RFC 9111, section 5.1)"},
                       &c::strict_age));
    t.push_back(
        toggle({"trust-not-modified", g::cache, "",
                "believe a 304 to our own condition even if its ETag is another one; and its Content-Type"},
               &c::trust_not_modified));
    t.push_back(toggle({"vary-ignore-order", g::cache, "",
                        "with Vary, take Accept-Encoding and Accept-Language in another order for the same"},
                       &c::vary_ignore_order));
    t.push_back(choice({"collapse", g::cache, "local|global",
                        "of requests that miss the same thing, one fetches: of this replica's, or of all's"},
                       &c::collapse,
                       std::array<word<collapse_mode>, 2>{
                           {{"local", collapse_mode::local}, {"global", collapse_mode::global}}}));
    t.push_back(duration({"collapse-timeout", g::cache, "TIME",
                          "longest wait for another request that already fetches the same thing"},
                         &c::collapse_timeout, ms(1), minutes(10)));
    t.push_back(duration({"max-unsynced", g::cache, "TIME",
                          "serve unvalidated while cut off from the other replicas; 0s for ever"},
                         &c::max_unsynced, ms(0), hours(8760)));
    t.push_back(
        duration({"max-clock-skew", g::cache, "TIME", "how far the clocks of two replicas may differ"},
                 &c::max_clock_skew, ms(0), minutes(1)));

    t.push_back(duration(
        {"redis-timeout", g::redis, "TIME", "longest that a client's request waits for a look-up in Redis"},
        &c::redis_timeout, ms(1), sec(10)));
    t.push_back(duration(
        {"redis-command-timeout", g::redis, "TIME", "a connection that is silent for longer is closed"},
        &c::redis_command_timeout, ms(10), minutes(1)));
    t.push_back(
        duration({"redis-backoff-max", g::redis, "TIME", "longest pause between two attempts to connect"},
                 &c::redis_backoff_max, ms(10), minutes(10)));
    t.push_back(
        size({"queue-memory", g::redis, "SIZE", "bound of the changes that wait to be written to Redis"},
             &c::queue_memory, MiB, TiB));
    t.push_back(count({"log-length", g::redis, "N", "entries kept in the change log, approximately"},
                      &c::log_length, std::uint64_t{1000}, std::uint64_t{100'000'000}));
    t.push_back(
        choice({"on-change", g::redis, "refresh|drop",
                "what to do with a copy of which another replica has stored a newer version: fetch that, "
                "or only drop the copy"},
               &c::on_change,
               std::array<word<change_policy>, 2>{
                   {{"refresh", change_policy::refresh}, {"drop", change_policy::drop}}}));
    t.push_back(choice(
        {"replicate", g::redis, "recent|all",
         "take up from other replicas newer versions of what is held here, or everything that they store"},
        &c::replicate,
        std::array<word<replication>, 2>{{{"recent", replication::recent}, {"all", replication::all}}}));
    t.push_back(choice({"warm-start", g::redis, "on|off",
                        "load from Redis, in the background, what was stored before this replica was there"},
                       &c::warm_start, std::array<word<bool>, 2>{{{"on", true}, {"off", false}}}));
    t.push_back(duration({"warm-timeout", g::redis, "TIME", "longest time for that"}, &c::warm_timeout, ms(0),
                         hours(24)));
    t.push_back(count(
        {"warm-percent", g::redis, "N", "how much of the local store may be filled by that, in percent"},
        &c::warm_percent, 1, 100));
    t.push_back(
        toggle({"ready-after-warm", g::redis, "",
                "let /readyz wait for that, --warm-timeout at the longest, whether Redis is there or not"},
               &c::ready_after_warm));

    t.push_back(
        count({"threads", g::limits, "N", "event loops", "the CPUs granted", "2"}, &c::threads, 1U, 256U));
    t.push_back(count({"max-connections", g::limits, "N", "client connections at a time"},
                      &c::max_connections, std::size_t{1}, std::size_t{1'000'000}));
    t.push_back(count(
        {"max-connections-per-client", g::limits, "N", "of one IPv4 address or one IPv6 /64; 0 for no limit"},
        &c::max_connections_per_client, std::size_t{0}, std::size_t{1'000'000}));
    t.push_back(size({"max-header-size", g::limits, "SIZE", "of a request's or a response's head"},
                     &c::max_header_size, KiB, MiB));
    t.push_back(count({"max-header-count", g::limits, "N", "field lines in a head"}, &c::max_header_count,
                      std::size_t{1}, std::size_t{4096}));
    t.push_back(size({"max-target", g::limits, "SIZE", "of a request target"}, &c::max_target, 64, MiB));
    t.push_back(count({"max-requests-per-connection", g::limits, "N", "0 for no limit"},
                      &c::max_requests_per_connection, std::uint64_t{0}, std::uint64_t{1'000'000'000}));
    t.push_back(duration({"header-timeout", g::limits, "TIME", "for a whole request head to arrive"},
                         &c::header_timeout, ms(10), hours(1)));
    t.push_back(duration({"body-timeout", g::limits, "TIME", "between two pieces of a request body"},
                         &c::body_timeout, ms(10), hours(1)));
    t.push_back(duration({"keepalive-timeout", g::limits, "TIME", "between two requests on a connection"},
                         &c::keepalive_timeout, ms(10), hours(24)));
    t.push_back(
        duration({"write-timeout", g::limits, "TIME", "for a client that takes nothing of its answer"},
                 &c::write_timeout, ms(10), hours(24)));
    t.push_back(
        duration({"tunnel-timeout", g::limits, "TIME", "for an upgraded connection on which nothing moves"},
                 &c::tunnel_timeout, ms(10), hours(8760)));
    t.push_back(duration({"drain-timeout", g::limits, "TIME", "from SIGTERM to the exit, at the longest"},
                         &c::drain_timeout, ms(0), hours(1)));

    t.push_back(
        duration({"upstream-connect-timeout", g::upstream, "TIME", "for a connection to the upstream"},
                 &c::upstream_connect_timeout, ms(10), minutes(10)));
    t.push_back(
        duration({"upstream-response-timeout", g::upstream, "TIME", "for the first byte of its answer"},
                 &c::upstream_response_timeout, ms(10), hours(24)));
    t.push_back(
        duration({"upstream-idle-timeout", g::upstream, "TIME", "between two pieces of its answer's body"},
                 &c::upstream_idle_timeout, ms(10), hours(24)));
    t.push_back(
        duration({"upstream-keepalive", g::upstream, "TIME", "life of an idle connection; 0s keeps none"},
                 &c::upstream_keepalive, ms(0), hours(24)));
    t.push_back(count({"upstream-connections", g::upstream, "N", "connections of one thread at a time"},
                      &c::upstream_connections, std::size_t{1}, std::size_t{65'535}));
    t.push_back(duration(
        {"upstream-resolve-interval", g::upstream, "TIME", "between two look-ups of the upstream's name"},
        &c::upstream_resolve_interval, ms(100), hours(24)));
    t.push_back(toggle({"trust-forwarded", g::upstream, "",
                        "append to the client's X-Forwarded-* and Forwarded instead of replacing them"},
                       &c::trust_forwarded));
    t.push_back(
        toggle({"upstream-any-coding", g::upstream, "",
                "take an answer in an unknown transfer coding as it comes, until the connection closes, "
                "instead of answering 502"},
               &c::upstream_any_coding));
    t.push_back(
        toggle({"upstream-surplus", g::upstream, "",
                "store an answer although more came than its Content-Length says; the rest is dropped"},
               &c::upstream_surplus));

    using level = log_threshold;
    t.push_back(choice({"log-level", g::log, "LEVEL", "trace, debug, info, warn, error or off"},
                       &c::log_level,
                       std::array<word<level>, 6>{{{"trace", level::trace},
                                                   {"debug", level::debug},
                                                   {"info", level::info},
                                                   {"warn", level::warn},
                                                   {"error", level::error},
                                                   {"off", level::off}}}));
    t.push_back(choice({"access-log", g::log, "off|misses|all", "which requests get a line"}, &c::access_log,
                       std::array<word<access_log_mode>, 3>{{{"off", access_log_mode::off},
                                                             {"misses", access_log_mode::misses},
                                                             {"all", access_log_mode::all}}}));
    t.push_back(
        choice({"log-format", g::log, "text|json", "of the log and of the access log"}, &c::format,
               std::array<word<log_format>, 2>{{{"text", log_format::text}, {"json", log_format::json}}}));
    return t;
}

const std::vector<setting>& table() {
    static const std::vector<setting> built = build();
    return built;
}

} // namespace

std::string_view title(setting_group group) noexcept {
    switch (group) {
    case setting_group::addresses:
        return "Addresses";
    case setting_group::cache:
        return "Cache";
    case setting_group::redis:
        return "Redis";
    case setting_group::limits:
        return "Limits";
    case setting_group::upstream:
        return "Upstream";
    case setting_group::log:
        return "Log";
    }
    return "";
}

std::string setting::flag() const { return "--" + std::string(name); }

std::string setting::variable() const {
    std::string out = "MESHCACHE_";
    for (const char c : name)
        out += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return out;
}

std::string setting::default_text() const {
    if (!default_note.empty()) return std::string(default_note);
    return show(configuration{}).value_or("none");
}

std::string setting::as_toml(std::string_view text) const {
    const bool bare = kind == value_kind::count || kind == value_kind::toggle;
    return bare ? std::string(text) : toml_string(text);
}

std::span<const setting> settings() { return table(); }

std::optional<std::size_t> find_setting(std::string_view name) {
    const auto& all = table();
    const auto it = std::find_if(all.begin(), all.end(), [&](const setting& s) { return s.name == name; });
    if (it == all.end()) return std::nullopt;
    return static_cast<std::size_t>(it - all.begin());
}

std::string toml_string(std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out += hex[byte >> 4U];
            out += hex[byte & 15U];
        } else {
            out += c;
        }
    }
    return out + '"';
}

} // namespace meshcache::app
