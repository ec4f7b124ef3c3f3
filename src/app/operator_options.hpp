#pragma once
// The commands for operators, which talk to the admin port of a meshcache that runs: what their command lines
// mean. One table has their names, flags and help. Pure, but for what `environment` gives.
#include "operator_command.hpp"
#include "options.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace meshcache::app {

/// A command as --help shows it.
struct operator_entry {
    operator_verb verb;
    std::string_view name;
    std::string_view operand; ///< what stands behind the name in the usage line, with a blank before it
    std::string_view help;    ///< a clause without a full stop
};
std::span<const operator_entry> operator_commands() noexcept;

/// Whether the command line is that of such a command: its name is the first argument but for flags that all
/// of these commands take.
std::optional<operator_verb> operator_verb_of(int argc, const char* const* argv) noexcept;

/// Reads the command line of `verb`. Where the admin port is and its token come from flag, environment and
/// file as for the server itself, so that both may share them. Does not throw.
parse_outcome parse_operator_command(operator_verb verb, int argc, const char* const* argv,
                                     const environment& env);

/// The page of `meshcache COMMAND --help`.
std::string operator_help(operator_verb verb);

} // namespace meshcache::app
