#pragma once
// May a response be stored by a shared cache (RFC 9111, section 3)? Yes, or the reason why not. Pure.
#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/freshness.hpp>
#include <meshcache/http/head.hpp>

#include <cstdint>
#include <string_view>

namespace meshcache::http {

enum class store_refusal : std::uint8_t {
    none,   ///< it may be stored
    method, ///< only GET is stored, and POST where the policy and the answer permit it
    request_no_store,
    request_range, ///< the request had Range, and the response may be about that
    request_authorization,
    request_cookie, ///< the request had Cookie, and the response has no explicit freshness
    request_body,   ///< a GET with content: its meaning is not in the key
    status,         ///< not a final status that may be stored
    partial,        ///< 206, or Content-Range
    no_store,
    is_private,
    set_cookie,
    vary_star,
    too_many_tags, ///< beyond the bounds of surrogate.hpp
    no_lifetime,   ///< not a word about freshness
    already_stale, ///< stale on arrival, with no validator
    too_large,
    upgrade,
};

/// One or two words for logs and for the `detail` parameter of Cache-Status, such as "no-store".
std::string_view describe(store_refusal r) noexcept;

/// Looks at the request alone, before it is sent: a request that can neither be answered from the
/// cache nor have its answer stored goes past the cache altogether.
store_refusal request_may_use_cache(const request_head& head, const body_framing& framing) noexcept;

/// The whole question. `life` is what compute_lifetime said at `now`.
store_refusal may_store(const request_head& request, const request_directives& request_cc,
                        const response_head& response, const response_directives& cc, const lifetime& life,
                        wall_time now, const cache_policy& policy) noexcept;

/// The same for the answer to a POST for `target`, which may then answer GET and HEAD (RFC 9110, section
/// 9.3.3): where the policy permits it, if it is a 200 that is explicitly fresh and whose one
/// Content-Location is the target, and so is what a GET would get.
store_refusal may_store_post(const request_head& request, const request_uri& target,
                             const request_directives& request_cc, const response_head& response,
                             const response_directives& cc, const lifetime& life, wall_time now,
                             const cache_policy& policy);

} // namespace meshcache::http
