#pragma once
// What the environment and the configuration file say, for whoever reads settings: the server and the
// operator's commands.
#include "options.hpp"
#include "options_layers.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::app {

/// A variable that is set and not empty. Deployment templates write empty ones for "not set".
std::optional<std::string> set_variable(const environment& env, std::string_view name);

/// Applies the settings of the file at `path` that are `wanted`, all of them without that, and complains of
/// what is wrong with it. `named_by` is the flag or the variable that named the file.
void apply_file(layered& layers, const environment& env, const std::string& path, std::string_view named_by,
                const std::function<bool(std::size_t setting)>& wanted = {});

} // namespace meshcache::app
