#pragma once
// The TOML file: settings at the top level, under the names of the flags. The only place that knows the
// TOML library.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::app {

/// A value as the file has it, in the spelling in which flags and variables have it too.
struct file_entry {
    std::size_t setting = 0; ///< position in settings()
    std::string text;
    std::uint32_t line = 0;
};

struct file_contents {
    std::vector<file_entry> entries; ///< in the order of their lines
    std::vector<std::string> errors; ///< `path:line:column: what is wrong; what would be right`
};

/// Reads `content`; `path` is for the messages only. Checks syntax, keys and types; values are checked
/// where they are applied. Does not throw.
file_contents read_toml(std::string_view content, const std::string& path);

} // namespace meshcache::app
