#pragma once
// From the command line, the environment and the file to one immutable configuration, or to a text for
// the operator. Flags go before the environment, the environment before the file, the file before
// the defaults.
#include "cgroup.hpp"
#include "operator_command.hpp"
#include "options_reader.hpp"

#include <meshcache/app/configuration.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace meshcache::app {

/// All that parse_command_line knows of the world; tests make their own.
struct environment {
    /// An environment variable's value, if it is set.
    std::function<std::optional<std::string>(std::string_view name)> variable;
    /// For the configuration file.
    file_reader read_file;
    /// What the machine and its control groups allow.
    machine_grant grant;
};

/// The real one. Reads /proc and the control groups at once, variables and files when asked. Call it
/// before other threads start: getenv races with setenv.
environment process_environment();

/// Start the server.
struct run_server {
    configuration settings;
};

/// Print `text` to stdout and exit with 0.
struct print_text {
    std::string text;
};

/// Print `text` to stderr and exit with 2. Complete, with a final line end.
struct usage_error {
    std::string text;
};

/// The last: ask a meshcache that runs.
using parse_outcome = std::variant<run_server, print_text, usage_error, operator_command>;

/// `argv` as main has it, the program's name first. Reads nothing but what `env` gives, changes nothing,
/// does not throw for anything that an operator may have written.
parse_outcome parse_command_line(int argc, const char* const* argv, const environment& env);

} // namespace meshcache::app
