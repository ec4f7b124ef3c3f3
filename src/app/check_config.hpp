#pragma once
// The answer to `meshcache check-config`.
#include "options_layers.hpp"

#include <string>

namespace meshcache::app {

/// The effective configuration as TOML, each value followed by its origin as a comment. Secrets are
/// shown as `***`; a setting that is not set is a comment alone. What does
/// nothing without Redis, where there is none, is said to do nothing. Pure.
std::string effective_configuration(const layered& effective);

} // namespace meshcache::app
