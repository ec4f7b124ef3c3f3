#pragma once
// What the operators' commands ask the admin port, and what they say of its answer. Pure; any thread.
#include "admin_client.hpp"
#include "operator_command.hpp"

#include <meshcache/base/parsed.hpp>

#include <string>

namespace meshcache::app {

/// The request for `c`. A failure says what cannot be asked.
parsed<admin_request> request_for(const operator_command& c);

/// How long to wait for its answer.
milliseconds patience_for(const operator_command& c) noexcept;

/// What a command prints, and its exit code: 0 done; 1 failure; 2 the request was not understood; 3 a purge
/// that is on its way.
struct command_result {
    int code = 0;
    std::string out; ///< for stdout
    std::string err; ///< for stderr
};

/// The result of `c`, given the answer of the admin port. With --json the answer itself is printed.
command_result conclude(const operator_command& c, const admin_answer& answer);

} // namespace meshcache::app
