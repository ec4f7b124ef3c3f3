#pragma once
// What the table of settings looks like to readers: --help, the example file, the manual's table. Pure.
#include <string>

namespace meshcache::app {

/// The whole answer to --help.
std::string help_text();

/// config/meshcache.toml: every setting, commented out, with its default.
std::string example_file();

/// The settings as Markdown tables, one for each group.
std::string settings_markdown();

} // namespace meshcache::app
