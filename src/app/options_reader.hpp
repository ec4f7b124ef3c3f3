#pragma once
// Reading small files through a function that tests replace: the configuration file and the kernel's
// pages about this process.
#include <meshcache/base/parsed.hpp>

#include <functional>
#include <string>

namespace meshcache::app {

/// Gives a file's whole content, or why it cannot be read, in the system's words.
using file_reader = std::function<parsed<std::string>(const std::string& path)>;

/// Reads the real file. At most 1 MiB; no more is ever meant, and /dev/zero would be endless. Any thread.
parsed<std::string> read_small_file(const std::string& path);

} // namespace meshcache::app
