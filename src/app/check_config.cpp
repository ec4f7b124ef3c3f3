#include "check_config.hpp"
#include "version.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace meshcache::app {
namespace {

/// Whether a setting was given a value that does nothing as long as there is no Redis.
bool is_idle(std::string_view name, const configuration& c) noexcept {
    if (c.redis) return false;
    return (name == "collapse" && c.collapse == collapse_mode::global) ||
           (name == "replicate" && c.replicate == replication::all) ||
           (name == "ready-after-warm" && c.ready_after_warm);
}

} // namespace

std::string effective_configuration(const layered& effective) {
    constexpr std::size_t comment_column = 40;
    std::string out = "# meshcache " + std::string(version()) + ": the effective configuration\n";
    if (!effective.values().config_file.empty()) out += "# file: " + effective.values().config_file + '\n';
    const setting* last = nullptr;
    for (std::size_t i = 0; i < settings().size(); ++i) {
        const setting& s = settings()[i];
        if (last == nullptr || last->group != s.group) out += "\n# " + std::string(title(s.group)) + '\n';
        last = &s;
        const auto text = s.show(effective.values());
        std::string line = text ? std::string(s.name) + " = " + s.as_toml(*text)
                                : "# " + std::string(s.name) + " is not set";
        line.resize(std::max(comment_column, line.size() + 2), ' ');
        out += line + "# " + effective.label(i);
        if (is_idle(s.name, effective.values())) out += "; does nothing without --redis";
        out += '\n';
    }
    return out;
}

} // namespace meshcache::app
