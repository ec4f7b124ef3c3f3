#pragma once
// What this program is made of.
#include <string>
#include <string_view>

namespace meshcache::app {

/// meshcache's own version, such as "0.1.0".
std::string_view version() noexcept;

/// The answer to `meshcache version`: meshcache, the compiler, the build type, and each library, a line each.
std::string version_text();

} // namespace meshcache::app
