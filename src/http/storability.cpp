#include "vary.hpp"

#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/storability.hpp>
#include <meshcache/http/surrogate.hpp>
#include <meshcache/http/upgrade.hpp>
#include <meshcache/http/uri_reference.hpp>
#include <meshcache/http/validation.hpp>

namespace meshcache::http {
namespace {

bool has_content(const field_list& fields) noexcept {
    if (fields.has(field_id::transfer_encoding)) return true;
    return fields.has(field_id::content_length) && fields.value(field_id::content_length) != "0";
}

/// Whether the response itself lifts the ban on storing answers to requests with Authorization
/// (RFC 9111, section 3.5). What permits has to be well-formed.
bool permits_authorization(const response_directives& cc) noexcept {
    return cc.is_public || cc.s_maxage_sound || cc.must_revalidate_sound;
}

/// Answers to conditions, expectations, credentials, sizes or the moment of one request (RFC 9110, section
/// 15.5; RFC 6585; RFC 8470): others would get them in place of the answer, since what provoked them is not
/// in the key.
bool is_provoked(int status) noexcept {
    switch (status) {
    case 401:
    case 406:
    case 407:
    case 408:
    case 411:
    case 412:
    case 413:
    case 415:
    case 416:
    case 417:
    case 421:
    case 425:
    case 426:
    case 428:
    case 429:
    case 431:
    case 511:
        return true;
    default:
        return false;
    }
}

store_refusal check_status(const response_head& response, const response_directives& cc) noexcept {
    const int status = response.status;
    if (status == 101) return store_refusal::upgrade;
    if (status == 206) return store_refusal::partial;
    if (status < 200 || status > 599 || status == 304) return store_refusal::status;
    if (is_provoked(status)) return store_refusal::status;
    // RFC 9111, section 5.2.2.3: only the statuses whose meaning for a cache we know.
    if (cc.must_understand && reason_phrase(status).empty()) return store_refusal::status;
    return store_refusal::none;
}

store_refusal check_directives(const response_head& response, const response_directives& cc,
                               bool authorization, const cache_policy& policy) noexcept {
    // must-understand takes the place of the no-store beside it, which is for caches that do not know it.
    if (cc.no_store && !cc.must_understand) return store_refusal::no_store;
    // private with field names permits storing the rest of the response; we do not take it apart.
    if (cc.is_private || !cc.private_fields.empty()) return store_refusal::is_private;
    if (authorization && !permits_authorization(cc)) return store_refusal::request_authorization;
    if (vary_matches_nothing(response.fields)) return store_refusal::vary_star;
    if (!tags_within_bounds(response.fields, policy.tags)) return store_refusal::too_many_tags;
    return store_refusal::none;
}

/// What is not fresh is of use if it can be validated, and if the origin has said how caches are to treat it:
/// without a word of that, an application may not know that its answers are shared.
store_refusal check_lifetime(const response_head& response, const response_directives& cc,
                             const lifetime& life, wall_time now) noexcept {
    if (now < life.fresh_until || now < life.stale_until || now < life.error_until)
        return store_refusal::none;
    const bool said = life.explicit_lifetime || cc.no_cache || !cc.no_cache_fields.empty();
    if (!said) return store_refusal::no_lifetime;
    const auto conditions = validating_conditions(response, now);
    const bool validates = !conditions.if_none_match.empty() || !conditions.if_modified_since.empty();
    return validates ? store_refusal::none : store_refusal::already_stale;
}

/// What holds whatever the method.
store_refusal check_answer(const request_head& request, const request_directives& request_cc,
                           const response_head& response, const response_directives& cc, const lifetime& life,
                           wall_time now, const cache_policy& policy) noexcept {
    if (offers_upgrade(request)) return store_refusal::upgrade;
    if (request_cc.no_store) return store_refusal::request_no_store;
    // A 200 is the whole, whatever part was asked for; anything else may be about that part, and so may what
    // some origins send with 200 and Content-Range.
    if (request.fields.has(field_id::range) &&
        (response.status != 200 || response.fields.has(field_id::content_range)))
        return store_refusal::request_range;
    store_refusal r = check_status(response, cc);
    if (r != store_refusal::none) return r;
    r = check_directives(response, cc, request.fields.has(field_id::authorization), policy);
    if (r != store_refusal::none) return r;
    if (response.fields.has(field_id::set_cookie) && !policy.store_set_cookie)
        return store_refusal::set_cookie;
    r = check_lifetime(response, cc, life, now);
    if (r != store_refusal::none) return r;
    // The application has not said how long, and may not think of caches where it tells visitors apart.
    const bool said = life.explicit_lifetime || cc.no_cache || !cc.no_cache_fields.empty();
    return !said && request.fields.has(field_id::cookie) ? store_refusal::request_cookie
                                                         : store_refusal::none;
}

} // namespace

std::string_view describe(store_refusal r) noexcept {
    switch (r) {
    case store_refusal::none:
        return "none";
    case store_refusal::method:
        return "method";
    case store_refusal::request_no_store:
        return "request-no-store";
    case store_refusal::request_range:
        return "request-range";
    case store_refusal::request_authorization:
        return "authorization";
    case store_refusal::request_cookie:
        return "cookie";
    case store_refusal::request_body:
        return "request-content";
    case store_refusal::status:
        return "status";
    case store_refusal::partial:
        return "partial";
    case store_refusal::no_store:
        return "no-store";
    case store_refusal::is_private:
        return "private";
    case store_refusal::set_cookie:
        return "set-cookie";
    case store_refusal::too_many_tags:
        return "too-many-tags";
    case store_refusal::vary_star:
        return "vary";
    case store_refusal::no_lifetime:
        return "no-lifetime";
    case store_refusal::already_stale:
        return "already-stale";
    case store_refusal::too_large:
        return "too-large";
    case store_refusal::upgrade:
        return "upgrade";
    }
    return "unknown";
}

store_refusal request_may_use_cache(const request_head& head, const body_framing& framing) noexcept {
    if (head.verb != method::get && head.verb != method::head) return store_refusal::method;
    if (framing.kind == body_kind::chunked || framing.length != 0) return store_refusal::request_body;
    if (offers_upgrade(head)) return store_refusal::upgrade;
    return store_refusal::none;
}

store_refusal may_store(const request_head& request, const request_directives& request_cc,
                        const response_head& response, const response_directives& cc, const lifetime& life,
                        wall_time now, const cache_policy& policy) noexcept {
    if (request.verb != method::get) return store_refusal::method;
    if (has_content(request.fields)) return store_refusal::request_body;
    return check_answer(request, request_cc, response, cc, life, now, policy);
}

store_refusal may_store_post(const request_head& request, const request_uri& target,
                             const request_directives& request_cc, const response_head& response,
                             const response_directives& cc, const lifetime& life, wall_time now,
                             const cache_policy& policy) {
    if (!policy.store_post || request.verb != method::post) return store_refusal::method;
    if (response.status != 200) return store_refusal::status;
    const auto& fields = response.fields;
    std::string location;
    if (fields.count(field_id::content_location) != 1 ||
        !resolve_same_origin(target, fields.value(field_id::content_location), location) ||
        location != target.path_query)
        return store_refusal::method;
    if (!life.explicit_lifetime) return store_refusal::no_lifetime;
    if (now >= life.fresh_until) return store_refusal::already_stale;
    return check_answer(request, request_cc, response, cc, life, now, policy);
}

} // namespace meshcache::http
