#pragma once
// Carries out an operator's command: asks the admin port, and says what came of it.
#include "operator_output.hpp"

namespace meshcache::app {

/// Blocks until there is an answer, or until the command's patience ends.
command_result run_command(const operator_command& command);

} // namespace meshcache::app
