#pragma once
// May a stored response answer this request now (RFC 9111, section 4)? Pure: the request's directives, the
// stored response's times, and now. A `now` before the response's arrival counts as its arrival: wall clocks
// may be set back.
#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/freshness.hpp>

#include <cstdint>

namespace meshcache::http {

enum class reuse : std::uint8_t {
    fresh,            ///< answer with it
    stale_revalidate, ///< answer with it, and revalidate behind the answer (stale-while-revalidate)
    stale,            ///< too old: forward; usable only if the upstream fails (stale-if-error)
    request_refuses,  ///< the request's own directives want a newer one: forward
};

reuse decide_reuse(const lifetime& life, const request_directives& request, wall_time now) noexcept;

/// Whether it may answer in place of an error of the upstream (RFC 5861, section 4). stale-if-error of the
/// request shortens the window that the response, or the operator, has given; where there is none it gives
/// one, except to what must be validated and to what was never fresh.
bool usable_on_error(const lifetime& life, const request_directives& request, wall_time now) noexcept;

/// Whether it may answer, up to `window` beyond its freshness, while the upstream cannot be reached (RFC
/// 9111, section 4.2.4). Never what must be validated, and what was never fresh: nobody has said that others
/// may have it. Nor beyond the request's stale-if-error.
bool usable_when_disconnected(const lifetime& life, const request_directives& request, seconds window,
                              wall_time now) noexcept;

/// current_age (RFC 9111, section 4.2.3), never below the initial age.
seconds current_age(const lifetime& life, wall_time now) noexcept;

/// Seconds of freshness left; negative when stale. What `ttl` of Cache-Status shows.
seconds freshness_left(const lifetime& life, wall_time now) noexcept;

} // namespace meshcache::http
