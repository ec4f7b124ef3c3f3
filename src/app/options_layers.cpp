#include "options_layers.hpp"

#include <meshcache/base/units.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::app {
namespace {

constexpr std::uint64_t MiB = 1ULL << 20U;
constexpr std::uint64_t least_default_memory = 64 * MiB;
constexpr std::uint64_t most_default_memory = std::uint64_t{16} << 40U;
constexpr unsigned most_threads = 256;

/// Room that a queued record needs beyond its response: key, metadata, the queue's own entry.
constexpr std::uint64_t record_overhead = 64 * 1024;

/// Whether two listeners would want the same address, or a connection to `b` would come out at `a`.
bool meet(const endpoint& a, const endpoint& b) {
    if (a.is_unix() || b.is_unix()) return a.is_unix() && a == b;
    if (a.port == 0 || a.port != b.port) return false;
    return a.host == b.host || (a.is_wildcard() && (b.is_local() || b.is_wildcard())) ||
           (b.is_wildcard() && a.is_local());
}

} // namespace

layered::layered() : origins_(settings().size()) {}

std::string layered::place(std::size_t index, const value_origin& origin) const {
    const setting& s = settings()[index];
    switch (origin.from) {
    case value_origin::source::file:
        return values_.config_file + ":" + std::to_string(origin.line) + ": " + std::string(s.name);
    case value_origin::source::variable:
        return s.variable();
    case value_origin::source::flag:
    case value_origin::source::by_default:
        break;
    }
    return s.flag();
}

std::string layered::label(std::size_t index) const {
    const value_origin& origin = origins_[index];
    switch (origin.from) {
    case value_origin::source::file:
        return values_.config_file + ":" + std::to_string(origin.line);
    case value_origin::source::variable:
        return "env " + settings()[index].variable();
    case value_origin::source::flag:
        return "flag " + settings()[index].flag();
    case value_origin::source::by_default:
        break;
    }
    return origin.note.empty() ? "default" : "default: " + origin.note;
}

std::string layered::place(std::string_view name) const {
    const auto index = find_setting(name);
    return index ? place(*index, origins_[*index]) : std::string(name);
}

bool layered::is_default(std::string_view name) const {
    const auto index = find_setting(name);
    return index && origins_[*index].from == value_origin::source::by_default;
}

void layered::apply(std::size_t index, std::string_view text, value_origin origin) {
    const auto fault = settings()[index].assign(values_, text);
    if (!fault.empty()) {
        errors_.push_back(place(index, origin) + ": " + fault);
        return;
    }
    origins_[index] = std::move(origin);
}

void layered::complete(const machine_grant& grant) {
    fill_defaults(grant);
    // A value that was refused left its default behind; judging that would only confuse.
    if (!errors_.empty()) return;
    check_addresses();
    check_redis();
    check_sizes();
}

void layered::fill_defaults(const machine_grant& grant) {
    const auto note = [this](std::string_view name, std::string words) {
        if (const auto index = find_setting(name)) origins_[*index].note = std::move(words);
    };
    if (is_default("memory")) {
        const std::uint64_t quarter = grant.memory / 4 / MiB * MiB;
        values_.memory = std::clamp(quarter, least_default_memory, most_default_memory);
        if (grant.memory == 0)
            note("memory", "the least, since the memory granted is unknown");
        else if (quarter < least_default_memory)
            note("memory", "the least, since " + grant.memory_source + " grants " +
                               std::to_string(grant.memory / MiB) + "MiB");
        else
            note("memory", "a quarter of the " + std::to_string(grant.memory / MiB) + "MiB granted by " +
                               grant.memory_source);
    }
    if (is_default("threads")) {
        values_.threads = std::clamp(grant.cpus, 1U, most_threads);
        note("threads", "the CPUs granted by " + grant.cpu_source);
    }
    if (is_default("consistency")) {
        values_.consistency = values_.redis ? consistency_mode::eventual : consistency_mode::local;
        note("consistency", values_.redis ? "Redis is set" : "no Redis is set");
    }
}

void layered::check_addresses() {
    const configuration& c = values_;
    const bool has_upstream = c.upstream.is_unix() || !c.upstream.host.empty();
    if (!has_upstream)
        complain("--upstream is required: the application's address, such as --upstream 127.0.0.1:3000");
    if (!c.admin.is_local() && c.admin_token.empty())
        complain(place("admin") + ": " + in_quotes(c.admin.to_string()) +
                 " can be reached from outside; set MESHCACHE_ADMIN_TOKEN (--admin-token), or listen on "
                 "127.0.0.1");
    if (meet(c.listen, c.admin))
        complain(place("admin") + ": " + in_quotes(c.admin.to_string()) + " is taken by --listen " +
                 c.listen.to_string() + "; give them different ports");
    if (has_upstream && meet(c.listen, c.upstream))
        complain(place("upstream") + ": " + in_quotes(c.upstream.to_string()) +
                 " is where meshcache itself listens; give the application's address");
    if (has_upstream && meet(c.admin, c.upstream))
        complain(place("upstream") + ": " + in_quotes(c.upstream.to_string()) +
                 " is meshcache's admin port; give the application's address");
}

void layered::check_redis() {
    const configuration& c = values_;
    if (c.consistency != consistency_mode::local && !c.redis)
        complain(place("consistency") + ": " +
                 (c.consistency == consistency_mode::strong ? "strong" : "eventual") +
                 " needs Redis; add --redis redis://HOST:PORT, or use local");
    if (c.replicate == replication::all && c.on_change == change_policy::drop)
        complain(place("replicate") +
                 ": all takes up what other replicas store, and --on-change drop does not; "
                 "use one of them");
    if (c.redis && c.queue_memory < c.max_object + record_overhead)
        complain(place("queue-memory") + ": " + in_quotes(format_size(c.queue_memory)) +
                 " cannot hold one response of --max-object " + format_size(c.max_object) + " and its " +
                 format_size(record_overhead) + " of overhead; raise it, or lower --max-object");
}

void layered::check_sizes() {
    const configuration& c = values_;
    if (c.max_object > c.memory)
        complain(place("max-object") + ": " + in_quotes(format_size(c.max_object)) +
                 " is more than --memory, which is " + format_size(c.memory));
    if (c.max_target > c.max_header_size)
        complain(place("max-target") + ": " + in_quotes(format_size(c.max_target)) +
                 " is more than --max-header-size, which is " + format_size(c.max_header_size));
}

} // namespace meshcache::app
