#include "options_file.hpp"
#include "options_suggest.hpp"
#include "options_table.hpp"

#include <meshcache/base/units.hpp>

#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace meshcache::app {
namespace {

std::string at(const std::string& path, const toml::source_position& position) {
    return path + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
}

std::string_view type_name(const toml::node& value) noexcept {
    switch (value.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "an array";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "an integer";
    case toml::node_type::floating_point:
        return "a float";
    case toml::node_type::boolean:
        return "a boolean";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
        return "a date or time";
    case toml::node_type::none:
        break;
    }
    return "nothing";
}

/// The value in its textual spelling, if its type is one in which this kind is written. An integer for a
/// duration is let through, so that the parser of durations can say which unit is missing.
std::optional<std::string> spelled(value_kind kind, const toml::node& value) {
    const bool takes_string =
        kind == value_kind::text || kind == value_kind::size || kind == value_kind::duration;
    const bool takes_integer =
        kind == value_kind::count || kind == value_kind::size || kind == value_kind::duration;
    if (takes_string && value.is_string()) return value.as_string()->get();
    if (takes_integer && value.is_integer()) return std::to_string(value.as_integer()->get());
    if (kind == value_kind::toggle && value.is_boolean()) return value.as_boolean()->get() ? "true" : "false";
    return std::nullopt;
}

std::string_view wanted(value_kind kind) noexcept {
    switch (kind) {
    case value_kind::text:
        return "a string in quotes";
    case value_kind::count:
        return "a whole number without quotes";
    case value_kind::size:
        return "a size in quotes, such as \"64MiB\"";
    case value_kind::duration:
        return "a duration in quotes, such as \"10s\"";
    case value_kind::toggle:
        return "true or false, without quotes";
    }
    return "";
}

std::string unknown_key(std::string_view name, const toml::node& value) {
    if (name == "rule") return "rules ([[rule]]) are not available in this version; remove them";
    if (name == "config")
        return "'config' cannot stand in the file itself; give --config or MESHCACHE_CONFIG";
    const std::string word = in_quotes(name);
    const auto meant = nearest_setting(name);
    if (meant.empty() && (value.is_table() || value.is_array_of_tables()))
        return "unknown table " + word + "; the settings stand at the top of the file, outside any table";
    if (meant.empty()) return "unknown key " + word + "; 'meshcache --help' lists them, without the dashes";
    return "unknown key " + word + "; did you mean " + in_quotes(meant) + "?";
}

} // namespace

file_contents read_toml(std::string_view content, const std::string& path) {
    file_contents out;
    toml::table root;
    try {
        root = toml::parse(content, path);
    } catch (const toml::parse_error& e) {
        out.errors.push_back(at(path, e.source().begin) + "not valid TOML: " + std::string(e.description()));
        return out;
    }

    std::vector<std::pair<toml::source_position, std::string>> faults;
    for (const auto& [key, value] : root) {
        const auto index = find_setting(key.str());
        if (!index) {
            faults.emplace_back(key.source().begin, unknown_key(key.str(), value));
            continue;
        }
        const setting& s = settings()[*index];
        auto text = spelled(s.kind, value);
        if (text) {
            out.entries.push_back({*index, *std::move(text), key.source().begin.line});
        } else {
            faults.emplace_back(key.source().begin, std::string(s.name) + " must be " +
                                                        std::string(wanted(s.kind)) + ", not " +
                                                        std::string(type_name(value)));
        }
    }
    const auto by_line = [](const auto& a, const auto& b) { return a.first < b.first; };
    std::sort(faults.begin(), faults.end(), by_line);
    for (const auto& [position, words] : faults) out.errors.push_back(at(path, position) + words);
    std::sort(out.entries.begin(), out.entries.end(),
              [](const auto& a, const auto& b) { return a.line < b.line; });
    return out;
}

} // namespace meshcache::app
