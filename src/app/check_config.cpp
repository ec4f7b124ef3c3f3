#include "check_config.hpp"
#include "version.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace meshcache::app {

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
        out += line + "# " + effective.label(i) + '\n';
    }
    return out;
}

} // namespace meshcache::app
