#include <meshcache/http/freshness.hpp>
#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <cstdint>

namespace meshcache::http {
namespace {

/// The statuses that may be stored without explicit freshness (RFC 9110, section 15.1). Errors only if the
/// operator says so: many can be provoked by fields that are not in the key, and would then be everybody's.
bool is_heuristically_cacheable(int status, const cache_policy& policy) noexcept {
    switch (status) {
    case 200:
    case 203:
    case 204:
    case 206:
    case 300:
    case 301:
    case 308:
        return true;
    case 404:
    case 405:
    case 410:
    case 414:
    case 501:
        return policy.heuristic_errors;
    default:
        return false;
    }
}

/// The first member of Age; anything that is not delta-seconds does not count (RFC 9111, section 5.1), or, if
/// `strict`, is as old as can be said.
seconds age_value(const field_list& fields, bool strict) noexcept {
    if (!fields.has(field_id::age)) return seconds{0};
    const std::string_view text = fields.value(field_id::age);
    if (strict) {
        constexpr seconds oldest{std::int64_t{1} << 31};
        return fields.count(field_id::age) == 1 ? parse_delta_seconds(text).value_or(oldest) : oldest;
    }
    std::string_view first;
    list_cursor members(text);
    if (!members.next(first)) return seconds{0};
    return parse_delta_seconds(first).value_or(seconds{0});
}

/// Expires, where it is there. Unreadable or contradictory ones have expired already (RFC 9111, section 5.3).
std::optional<milliseconds> expires_lifetime(const field_list& fields, wall_time date,
                                             wall_time now) noexcept {
    const field* const first = fields.find(field_id::expires);
    if (first == nullptr) return std::nullopt;
    for (const field& f : fields)
        if (f.id == field_id::expires && f.value != first->value) return milliseconds{0};
    const auto expires = parse_date(first->value, now);
    return expires ? std::max(milliseconds{0}, *expires - date) : milliseconds{0};
}

/// A share of the time since the last modification (RFC 9111, section 4.2.2); nullopt where there is no
/// ground.
std::optional<milliseconds> heuristic_lifetime(const response_head& head, const response_directives& cc,
                                               wall_time date, wall_time now,
                                               const cache_policy& policy) noexcept {
    if (policy.heuristic_percent <= 0 || head.status < 200 || head.status == 304) return std::nullopt;
    const bool declared = cc.is_public && (head.status < 400 || policy.heuristic_errors);
    const bool allowed = is_heuristically_cacheable(head.status, policy) || declared;
    if (!allowed || head.fields.has(field_id::set_cookie)) return std::nullopt;
    if (head.fields.count(field_id::last_modified) != 1) return std::nullopt;
    const auto modified = parse_date(head.fields.value(field_id::last_modified), now);
    if (!modified || *modified >= date) return std::nullopt;
    const milliseconds share = (date - *modified) / 100 * policy.heuristic_percent;
    return std::min<milliseconds>(share, policy.heuristic_max);
}

} // namespace

lifetime compute_lifetime(const response_head& head, const response_directives& cc, wall_time request_time,
                          wall_time response_time, const cache_policy& policy) {
    lifetime life;
    life.response_time = response_time;

    // RFC 9111, section 4.2.3. A response without a readable Date is as old as its arrival.
    const wall_time date =
        parse_date(head.fields.value(field_id::date), response_time).value_or(response_time);
    const milliseconds apparent_age = std::max(milliseconds{0}, response_time - date);
    const milliseconds response_delay = std::max(milliseconds{0}, response_time - request_time);
    const milliseconds corrected_age = age_value(head.fields, policy.strict_age) + response_delay;
    life.initial_age = std::min<seconds>(std::chrono::floor<seconds>(std::max(apparent_age, corrected_age)),
                                         lifetime::age::max());

    // RFC 9111, section 4.2.1: the first that applies to a shared cache.
    std::optional<milliseconds> fresh_for;
    if (cc.s_maxage)
        fresh_for = *cc.s_maxage;
    else if (cc.max_age)
        fresh_for = *cc.max_age;
    else if (!cc.targeted)
        fresh_for = expires_lifetime(head.fields, date, response_time);
    life.explicit_lifetime = fresh_for.has_value();
    const bool is_error = head.status >= 400;
    if (!fresh_for && is_error && policy.negative_lifetime > seconds{0} &&
        !head.fields.has(field_id::set_cookie))
        fresh_for = policy.negative_lifetime;
    if (!fresh_for) fresh_for = heuristic_lifetime(head, cc, date, response_time, policy);
    const bool has_lifetime = fresh_for.has_value();

    // no-cache with field names permits reuse without them; we take it for no-cache.
    const bool no_cache = cc.no_cache || !cc.no_cache_fields.empty();
    if (no_cache) fresh_for = milliseconds{0};
    life.fresh_until = response_time + fresh_for.value_or(milliseconds{0}) - life.initial_age;
    if (is_error) life.fresh_until = std::min<wall_time>(life.fresh_until, response_time + policy.error_max);

    // s-maxage says proxy-revalidate as well (RFC 9111, section 5.2.2.10); a window in the same response is
    // the origin's own exception to that. The operator's defaults are no such exception.
    const bool forbidden = cc.must_revalidate || cc.proxy_revalidate || no_cache;
    life.must_revalidate = forbidden || cc.s_maxage.has_value();
    const auto window = [&](const std::optional<seconds>& said, seconds otherwise) noexcept {
        if (forbidden || !has_lifetime) return seconds{0};
        if (said) return *said;
        return life.must_revalidate ? seconds{0} : std::max(seconds{0}, otherwise);
    };
    life.stale_until =
        life.fresh_until + window(cc.stale_while_revalidate, policy.default_stale_while_revalidate);
    life.error_until = life.fresh_until + window(cc.stale_if_error, policy.default_stale_if_error);
    return life;
}

} // namespace meshcache::http
