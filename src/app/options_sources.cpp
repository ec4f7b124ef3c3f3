#include "options_file.hpp"
#include "options_sources.hpp"

#include <meshcache/base/units.hpp>

#include <utility>

namespace meshcache::app {

std::optional<std::string> set_variable(const environment& env, std::string_view name) {
    auto value = env.variable(name);
    if (value && value->empty()) value.reset();
    return value;
}

void apply_file(layered& layers, const environment& env, const std::string& path, std::string_view named_by,
                const std::function<bool(std::size_t)>& wanted) {
    const auto content = env.read_file(path);
    if (!content) {
        layers.complain(std::string(named_by) + ": cannot read " + in_quotes(path) + ": " + content.error);
        return;
    }
    layers.set_file(path);
    auto file = read_toml(*content, path);
    for (auto& line : file.errors) layers.complain(std::move(line));
    for (const auto& entry : file.entries)
        if (!wanted || wanted(entry.setting))
            layers.apply(entry.setting, entry.text, {value_origin::source::file, entry.line, {}});
}

} // namespace meshcache::app
