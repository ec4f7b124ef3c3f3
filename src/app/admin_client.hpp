#pragma once
// One request to the admin port of a meshcache, and its answer: what the operators' commands are made of.
// Blocks the calling thread, for `timeout` at the most. A
// name that is still being resolved then keeps a thread: the process is expected to end.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/parsed.hpp>

#include <string>

namespace meshcache::app {

struct admin_request {
    bool post = false; ///< else GET
    std::string target;
    std::string json; ///< the content; empty: none
};

struct admin_answer {
    int status = 0;
    std::string content_type;
    std::string body;
};

/// Longest answer that is read, in bytes.
inline constexpr std::size_t max_admin_answer = 16u << 20;

/// Sends `request` to `at`, with `token` as bearer token unless it is empty. A failure is a sentence that
/// begins with the address. After a time-out a POST may have been carried out all the same.
parsed<admin_answer> ask_admin(const endpoint& at, const admin_request& request, const std::string& token,
                               milliseconds timeout);

} // namespace meshcache::app
