#pragma once
// "Did you mean": the known word nearest to one that is not known. Pure.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace meshcache::app {

/// How many characters must be inserted, removed, replaced or swapped with their neighbour (optimal
/// string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known`, if it is near enough to be what was meant; else empty. First of equals.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

/// The name of the nearest setting, or empty.
std::string_view nearest_setting(std::string_view word);

} // namespace meshcache::app
