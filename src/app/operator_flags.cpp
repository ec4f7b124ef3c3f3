#include "operator_flags.hpp"

#include <meshcache/base/units.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

namespace meshcache::app {
namespace {

constexpr std::array<operator_entry, 4> commands{{
    {operator_verb::purge, "purge", " WHAT", "take away what is stored, on every replica"},
    {operator_verb::stats, "stats", "", "print what this replica counts and holds"},
    {operator_verb::replicas, "replicas", "",
     "list the replicas that share the cache, and how far behind each is"},
    {operator_verb::inspect, "inspect", " URL", "print what is stored of a URL, here and in Redis"},
}};

template <bool operator_command::*Member>
std::string take_switch(operator_command& c, const std::string& value) {
    const auto on = parse_switch(value);
    if (on) c.*Member = *on;
    return on.error;
}

template <std::vector<std::string> operator_command::*Member>
std::string take_one_more(operator_command& c, const std::string& value) {
    if (value.empty()) return "'' names nothing";
    (c.*Member).push_back(value);
    return {};
}

std::string take_wait(operator_command& c, const std::string& value) {
    if (value != "replicas") return in_quotes(value) + " is not one of replicas";
    c.wait_replicas = true;
    return {};
}

std::string take_timeout(operator_command& c, const std::string& value) {
    const auto time = parse_duration(value);
    if (!time) return time.error;
    if (*time < milliseconds{1} || *time > std::chrono::minutes{1})
        return in_quotes(value) + " is not between 1ms and 1m";
    c.timeout = *time;
    return {};
}

constexpr auto purge_only = operator_verb::purge;

/// `admin`, `admin-token` and `config` have no `take`: their values go through the settings.
constexpr std::array<command_flag, 12> flags{{
    {"url", flag_kind::value, "URL", "the response of this URL, in all its variants", purge_only,
     &take_one_more<&operator_command::urls>},
    {"tag", flag_kind::value, "TAG", "responses with this tag in Surrogate-Key or Cache-Tag", purge_only,
     &take_one_more<&operator_command::tags>},
    {"prefix", flag_kind::value, "PREFIX", "URLs that begin so: http://HOST/PATH, or /PATH on every host",
     purge_only, &take_one_more<&operator_command::prefixes>},
    {"host", flag_kind::value, "HOST[:PORT]", "all of this host; HOST alone is its port 80", purge_only,
     &take_one_more<&operator_command::hosts>},
    {"all", flag_kind::toggle, "", "everything", purge_only, &take_switch<&operator_command::all>},
    {"soft", flag_kind::toggle, "",
     "make it stale, so that it is validated, and may still stand in for errors", purge_only,
     &take_switch<&operator_command::soft>},
    {"wait", flag_kind::value, "replicas", "until every live replica has applied it, or --timeout has passed",
     purge_only, &take_wait},
    {"admin", flag_kind::value, "ADDR:PORT", "the admin port to talk to; unix:/path too", std::nullopt},
    {"admin-token", flag_kind::value, "TOKEN",
     "its bearer token; better given in the environment than as a flag", std::nullopt},
    {"config", flag_kind::value, "FILE", "the server's TOML file, for the two above", std::nullopt},
    {"timeout", flag_kind::value, "TIME", "longest wait for the answer [5s]", std::nullopt, &take_timeout},
    {"json", flag_kind::toggle, "", "print what the admin port answers, for machines", std::nullopt,
     &take_switch<&operator_command::json>},
}};

} // namespace

std::span<const operator_entry> operator_commands() noexcept { return commands; }

std::span<const command_flag> operator_flags() noexcept { return flags; }

const operator_entry& entry_of(operator_verb verb) noexcept {
    return *std::find_if(commands.begin(), commands.end(), [verb](const auto& c) { return c.verb == verb; });
}

const command_flag* find_flag(std::string_view name) noexcept {
    const auto it =
        std::find_if(flags.begin(), flags.end(), [name](const auto& f) { return f.name == name; });
    return it == flags.end() ? nullptr : &*it;
}

} // namespace meshcache::app
