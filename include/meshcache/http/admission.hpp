#pragma once
// Whether a request is served at all. What is malformed, what another parser could read differently, and what
// a cache does not do is refused before anything is done for it. Pure functions over parsed heads.
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/head.hpp>

#include <string>
#include <string_view>

namespace meshcache::http {

/// Why a request is refused: the status of the answer, after which the connection is closed, and words for
/// people (static storage). Status 0: it is not refused.
struct refusal {
    int status = 0;
    std::string_view why;
    explicit operator bool() const noexcept { return status != 0; }
};

/// Examines Host, framing, target, method and Expect, and as much of chunked content as is in `behind`, the
/// bytes that came behind the head. Sets `framing` and `uri` of a request that is not refused; the views in
/// `uri` live as long as the head and `host_buffer`.
///
/// Refused beside what is ambiguous: CONNECT, which would make a cache an open proxy, and TRACE and TRACK,
/// which give away what the upstream is sent (501); any expectation but a single `100-continue`, since
/// upstreams do not agree on what the others change (417; RFC 9110, section 10.1.1).
refusal examine_request(const request_head& head, std::string_view behind, std::string& host_buffer,
                        request_uri& uri, body_framing& framing);

} // namespace meshcache::http
