#pragma once
// The running program: makes the parts, wires them, handles signals, and takes them down in order.
#include <meshcache/app/configuration.hpp>

namespace meshcache::app {

/// Serves until SIGTERM or SIGINT. Blocks. Returns the exit code: 0 after a clean stop, 1 if it could not
/// start. Errors go to stderr.
int run(const configuration& cfg);

} // namespace meshcache::app
