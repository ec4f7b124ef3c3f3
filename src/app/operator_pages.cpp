#include "operator_pages.hpp"
#include "text_layout.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace meshcache::app {
namespace {

using json = nlohmann::json;

const json& member(const json& of, const char* name) {
    static const json nothing;
    if (!of.is_object()) return nothing;
    const auto it = of.find(name);
    return it == of.end() ? nothing : *it;
}

std::string text(const json& of, const char* name) {
    const json& value = member(of, name);
    if (value.is_string()) {
        const auto& s = value.get_ref<const std::string&>();
        return s.empty() ? "-" : visible(s);
    }
    return value.is_number_integer() ? value.dump() : "-";
}

std::optional<double> number(const json& of, const char* name) {
    const json& value = member(of, name);
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

bool is_true(const json& of, const char* name) {
    const json& value = member(of, name);
    return value.is_boolean() && value.get<bool>();
}

/// Up to one decimal, and none that is 0.
std::string short_number(double value) {
    std::array<char, 64> out{};
    std::snprintf(out.data(), out.size(), "%.1f", value);
    std::string shown(out.data());
    if (shown.ends_with(".0")) shown.resize(shown.size() - 2);
    return shown;
}

std::string bytes(std::optional<double> n) {
    if (!n) return "-";
    constexpr std::array<const char*, 5> units{" B", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    double value = *n;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
    return short_number(value) + units[unit];
}

/// A time in its two largest units.
std::string duration(std::optional<double> seconds) {
    if (!seconds) return "-";
    if (*seconds < 1) return short_number(*seconds * 1000) + " ms";
    if (*seconds < 60) return short_number(*seconds) + " s";
    const auto whole = static_cast<std::uint64_t>(std::min(*seconds, 1e15));
    const std::pair<std::uint64_t, const char*> units[] = {
        {86'400, " d"}, {3'600, " h"}, {60, " min"}, {1, " s"}};
    for (std::size_t i = 0; i + 1 < std::size(units); ++i) {
        const auto [size, name] = units[i];
        if (whole < size) continue;
        std::string out = std::to_string(whole / size) + name;
        const auto rest = whole % size / units[i + 1].first;
        if (rest != 0) out += ' ' + std::to_string(rest) + units[i + 1].second;
        return out;
    }
    return std::to_string(whole) + " s";
}

std::string ms(const json& of, const char* name) {
    const auto n = number(of, name);
    return duration(n ? std::optional(*n / 1000) : n);
}

std::string counted(const json& of, const char* name, const char* one, const char* many) {
    return text(of, name) + (number(of, name) == 1.0 ? one : many);
}

std::string joined(const json& list) {
    std::string out;
    if (!list.is_array()) return out;
    for (const json& one : list) {
        if (!one.is_string()) continue;
        if (!out.empty()) out += ", ";
        out += visible(one.get_ref<const std::string&>());
    }
    return out;
}

using rows = std::vector<std::vector<std::string>>;

std::string freshness(const json& r) {
    const auto left = number(r, "fresh_for_s");
    if (!left) return "-";
    if (*left > 0) return "for " + duration(left) + " more";
    std::string out = "stale since " + duration(-*left);
    const auto behind = number(r, "stale_for_s").value_or(0), error = number(r, "error_for_s").value_or(0);
    if (behind > 0) out += ", served while it is fetched anew for " + duration(behind) + " more";
    if (error > 0) out += ", served in the place of errors for " + duration(error) + " more";
    return out;
}

void add_response(std::string& out, const json& r) {
    rows lines;
    const auto add = [&lines](const char* name, std::string value) {
        lines.push_back({"", name, std::move(value)});
    };
    add("key", text(r, "key"));
    if (text(r, "problem") != "-") {
        add("problem", text(r, "problem"));
    }
    if (member(r, "version").is_string())
        add("version", text(r, "version") + (is_true(r, "made_here") ? " (made by this replica)" : ""));
    if (member(r, "vary").is_array()) {
        add("note", "the responses of this URL vary by " + joined(member(r, "vary")));
    } else if (member(r, "status").is_number()) {
        std::string what = text(r, "status") + ", " + bytes(number(r, "content_bytes"));
        if (text(r, "content_type") != "-") what += " of " + text(r, "content_type");
        add("status", what);
        add("age", duration(number(r, "age_s")));
        add("fresh", freshness(r));
        for (const char* name : {"etag", "last_modified"})
            if (text(r, name) != "-")
                add(name == std::string_view("etag") ? "ETag" : "Last-Modified", text(r, name));
        if (const auto tags = joined(member(r, "tags")); !tags.empty()) add("tags", tags);
    }
    if (number(r, "memory_bytes")) add("memory", bytes(number(r, "memory_bytes")));
    if (number(r, "record_bytes")) add("record", bytes(number(r, "record_bytes")));
    out += table(lines);
}

void add_place(std::string& out, const char* where, const json& list) {
    if (list.empty()) {
        out += std::string(where) + ": not stored\n";
        return;
    }
    bool first = true;
    for (const json& r : list) {
        out += first ? std::string(where) + ":\n" : std::string("\n");
        add_response(out, r);
        first = false;
    }
}

/// What one waits for: a warm start and a reconciliation, while they run.
void add_progress(rows& lines, const json& s) {
    const json& warm = member(s, "warm_start");
    if (text(warm, "state") == "waiting") lines.push_back({"warming", "waits for Redis"});
    if (text(warm, "state") == "running")
        lines.push_back({"warming", counted(warm, "loaded", " record", " records") + " loaded, " +
                                        bytes(number(warm, "bytes"))});
    const json& comparison = member(s, "reconciliation");
    if (is_true(comparison, "running"))
        lines.push_back({"comparing", text(comparison, "done") + " of " +
                                          counted(comparison, "total", " response", " responses") +
                                          " with Redis"});
}

} // namespace

std::string purge_page(const json& answer) {
    std::string out;
    const bool acknowledged = is_true(answer, "acknowledged"), shared = is_true(answer, "shared");
    const json& replicas = member(answer, "replicas");
    if (!shared) {
        out = "purged here; there is no Redis, and no other replica\n";
    } else if (!acknowledged) {
        out =
            "purged here, and queued: Redis has not acknowledged it yet, so the other replicas do not know\n";
    } else if (replicas.is_object()) {
        out = "purged on " + text(replicas, "applied") + " of " + text(replicas, "live") + " replicas";
        out += number(replicas, "applied") == number(replicas, "live")
                   ? "\n"
                   : "; Redis has it for the others, who were not ready in time\n";
    } else if (answer.contains("replicas")) {
        out = "purged here and in Redis; which replicas there are, Redis did not say\n";
    } else {
        out = "purged: Redis has it, and the other replicas learn of it from there\n";
    }
    out += "version " + text(answer, "version");
    if (text(answer, "position") != "-") out += ", in the change log at " + text(answer, "position");
    return out + '\n';
}

std::string stats_page(const json& s) {
    const auto hits = number(s, "hits").value_or(0), misses = number(s, "misses").value_or(0);
    const std::string ratio =
        hits + misses > 0 ? " (" + short_number(100 * hits / (hits + misses)) + " %)" : "";
    rows lines{
        {"meshcache", text(s, "version") + ", replica " + text(s, "replica_id") + ", up " +
                          duration(number(s, "uptime_s"))},
        {"requests", text(s, "hits") + " hits" + ratio + ", " + text(s, "misses") + " misses, " +
                         text(s, "collapsed") + " collapsed"},
        {"now", counted(s, "connections", " connection", " connections") + ", " +
                    counted(s, "fills", " fetch under way", " fetches under way")},
        {"memory", counted(s, "objects", " response", " responses") + ", " + bytes(number(s, "bytes")) +
                       " of " + bytes(number(s, "bytes_limit")) + "; " + text(s, "stored") + " stored, " +
                       text(s, "evicted") + " evicted"},
        {"redis", text(s, "redis_state")},
    };
    if (text(s, "redis_state") != "off") {
        lines.back()[1] += ", change log at " + text(s, "log_position");
        lines.push_back({"queue", counted(s, "queue_depth", " change waits, ", " changes wait, ") +
                                      bytes(number(s, "queue_bytes")) + "; " + text(s, "batches") +
                                      " batches sent"});
        const json& delay = member(s, "propagation_ms");
        if (number(delay, "count").value_or(0) > 0)
            lines.push_back({"delay", "median " + ms(delay, "p50") + ", 99th percentile " + ms(delay, "p99") +
                                          ", longest " + ms(delay, "max") + " of " + text(delay, "count") +
                                          " changes made elsewhere"});
        add_progress(lines, s);
        const json& replicas = member(s, "replicas");
        lines.push_back({"replicas", replicas.is_array() ? std::to_string(replicas.size()) +
                                                               "; 'meshcache replicas' lists them"
                                                         : no_replicas(s)});
    }
    return table(lines);
}

std::string replicas_page(const json& list) {
    rows lines{{"REPLICA", "HOST", "ADDRESS", "VERSION", "STATE", "LAG", "SEEN", ""}};
    for (const json& r : list)
        lines.push_back({text(r, "id"), text(r, "host"), text(r, "address"), text(r, "version"),
                         text(r, "state"), ms(r, "lag_ms"), ms(r, "seen_ms") + " ago",
                         is_true(r, "own") ? "(asked)" : ""});
    return table(lines);
}

std::string no_replicas(const json& answer) {
    const std::string state = text(answer, "redis_state");
    if (state == "off") return "this replica has no Redis, and so shares with no other";
    return "Redis did not say which replicas there are; the link to it is in state '" + state + "'";
}

std::string inspection_page(const json& answer) {
    std::string out = text(answer, "url") + "\n\n";
    add_place(out, "here", member(answer, "local"));
    const json& redis = member(answer, "redis");
    if (!redis.is_object()) return out;
    out += '\n';
    const json& records = member(redis, "records");
    if (records.is_array())
        add_place(out, "in Redis", records);
    else
        out += "in Redis: unknown, it did not answer; the link to it is in state '" + text(redis, "state") +
               "'\n";
    return out;
}

} // namespace meshcache::app
