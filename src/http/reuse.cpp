#include <meshcache/base/test_hooks.hpp>
#include <meshcache/http/reuse.hpp>

#include <algorithm>

namespace meshcache::http {
namespace {

/// `now`, or the response's arrival if a clock that was set back says that this is yet to come: nothing is
/// younger, or has longer to live, than it was then.
wall_time since_arrival(const lifetime& life, wall_time now) noexcept {
    return std::max(now, life.response_time);
}

milliseconds exact_age(const lifetime& life, wall_time now) noexcept {
    return life.initial_age + (since_arrival(life, now) - life.response_time);
}

/// Whether max-stale of the request covers a response that has been stale for `staleness`.
bool max_stale_covers(const request_directives& request, milliseconds staleness) noexcept {
    if (!request.max_stale) return false;
    return *request.max_stale == seconds::max() || staleness <= *request.max_stale;
}

/// Whether others than the response itself may say that it is served stale in place of an error.
bool may_have_window(const lifetime& life) noexcept {
    const bool was_fresh = life.fresh_until > life.response_time - life.initial_age;
    return was_fresh && !life.must_revalidate;
}

} // namespace

reuse decide_reuse(const lifetime& life, const request_directives& request, wall_time now) noexcept {
    if (request.no_cache) return reuse::request_refuses;
    // max-age=0 asks for a validation, even in the millisecond in which the response came.
    if (request.max_age && (*request.max_age == seconds{0} || exact_age(life, now) > *request.max_age))
        return reuse::request_refuses;
    now = since_arrival(life, now);
    const milliseconds left = life.fresh_until - now;
    if (request.min_fresh && left < *request.min_fresh) return reuse::request_refuses;
    if (left > milliseconds{0} || planted == mutant::stale_is_fresh) return reuse::fresh;

    if (!life.must_revalidate && max_stale_covers(request, -left)) return reuse::stale_revalidate;
    // With max-age a client wants nothing stale, unless it says max-stale too (RFC 9111, section 5.2.1.1).
    if (!request.max_age && now < life.stale_until) return reuse::stale_revalidate;
    return reuse::stale;
}

bool usable_on_error(const lifetime& life, const request_directives& request, wall_time now) noexcept {
    now = since_arrival(life, now);
    if (now < life.fresh_until) return true;
    const bool has_window = life.error_until > life.fresh_until;
    if (!request.stale_if_error) return has_window && now < life.error_until;
    const bool permitted = has_window ? now < life.error_until : may_have_window(life);
    return permitted && now < life.fresh_until + *request.stale_if_error;
}

bool usable_when_disconnected(const lifetime& life, const request_directives& request, seconds window,
                              wall_time now) noexcept {
    if (request.stale_if_error) window = std::min(window, *request.stale_if_error);
    return may_have_window(life) && now < life.fresh_until + window;
}

seconds current_age(const lifetime& life, wall_time now) noexcept {
    return std::chrono::floor<seconds>(exact_age(life, now));
}

seconds freshness_left(const lifetime& life, wall_time now) noexcept {
    const auto left = life.fresh_until - since_arrival(life, now);
    // Age is rounded down, so what is left is rounded up: together they are the lifetime.
    return left > milliseconds::zero() ? std::chrono::ceil<seconds>(left) : std::chrono::floor<seconds>(left);
}

} // namespace meshcache::http
