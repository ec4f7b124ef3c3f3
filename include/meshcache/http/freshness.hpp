#pragma once
// How long a response is fresh and how old it is (RFC 9111, section 4.2), and how long it may be served
// stale (RFC 5861). Computed once, when a response is stored. Pure.
#include <meshcache/base/clock.hpp>
#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/head.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace meshcache::http {

/// Settings of the operator that the RFC leaves open, and what a rule may fill in.
struct cache_policy {
    int heuristic_percent = 10;          ///< of the time since Last-Modified; 0: no heuristics
    seconds heuristic_max{24 * 60 * 60}; ///< bound on a heuristic lifetime
    bool heuristic_errors = false;       ///< heuristics for 414 and 501, and for all errors with `public`
    seconds default_stale_while_revalidate{0}; ///< where the response says nothing
    seconds default_stale_if_error{0};
    seconds stale_if_disconnected{60}; ///< beyond freshness, while the upstream cannot be reached
    bool store_set_cookie = false;     ///< responses with Set-Cookie may be stored
    /// A 304 to a condition of ours is believed even if its ETag is another one, and so is its Content-Type.
    /// RFC 9111, section 4.3.4 forbids the first; origins that send such 304s never mean another version.
    bool trust_not_modified = false;
    /// Age that is no single number makes a response stale. Without it the first number of a list counts, and
    /// what is none is ignored, as RFC 9111, section 5.1 advises.
    bool strict_age = false;
    /// Of errors that name no lifetime, but not of those that a request can provoke; 0: these are not stored.
    seconds negative_lifetime{0};
    seconds error_max{5 * 60}; ///< errors are fresh for no longer after their arrival, whatever they say
    bool store_post = false;   ///< answers to POST may be stored; see may_store_post
    /// Tags that what is stored bears beside those that it has of itself; each one is_tag() (surrogate.hpp).
    std::vector<std::string> tags;
};

/// The times that a stored response lives by. `stale_until` is for stale-while-revalidate,
/// `error_until` for stale-if-error; both are at least `fresh_until`.
struct lifetime {
    /// Seconds in four bytes, since every stored response has them; what would be more is the most.
    using age = std::chrono::duration<std::uint32_t>;

    age initial_age{0};             ///< corrected_initial_age of section 4.2.3, at `response_time`
    bool explicit_lifetime = false; ///< s-maxage, max-age or Expires said so
    /// must-revalidate, proxy-revalidate, s-maxage or no-cache: never served stale on a client's or the
    /// operator's word. Only s-maxage leaves the windows that the response itself names.
    bool must_revalidate = false;
    wall_time response_time; ///< when the head was received
    wall_time fresh_until;   ///< exclusive
    wall_time stale_until;
    wall_time error_until;
};

/// A response without any lifetime has no stale windows either; no-cache makes it stale on arrival.
/// `request_time` is when the request was sent, `response_time` when the head had been received.
lifetime compute_lifetime(const response_head& head, const response_directives& cc, wall_time request_time,
                          wall_time response_time, const cache_policy& policy);

} // namespace meshcache::http
