// The part of the exchange that judges what the upstream answered.
#include <meshcache/flow/exchange.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/range.hpp>
#include <meshcache/http/reuse.hpp>
#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/surrogate.hpp>

#include <utility>

namespace meshcache::flow {
namespace {

using http::store_refusal;

/// Refusals that the request caused: they say nothing about the answers that others will get.
bool says_nothing_of_others(store_refusal refusal, int status) noexcept {
    return refusal == store_refusal::request_authorization || refusal == store_refusal::request_no_store ||
           refusal == store_refusal::request_cookie || refusal == store_refusal::request_range ||
           refusal == store_refusal::partial || status == 304 || status == 412 || status == 416 ||
           status == 417 || status >= 500;
}

/// Whether an answer that may not be stored shows that what is stored is out of date. Errors that a request
/// can provoke show nothing. A good response that may still be used (`good`) is worth more than a redirect to
/// a login, an error, or what one visitor alone may see.
bool replaces_stored(store_refusal refusal, int status, bool good) noexcept {
    if (says_nothing_of_others(refusal, status)) return false;
    if (good)
        return status / 100 == 2 && refusal != store_refusal::is_private &&
               refusal != store_refusal::set_cookie;
    return (status >= 200 && status < 400) || status == 404 || status == 410;
}

/// Whether the upstream could not be reached, or went away before it had answered. What it answered wrongly
/// is another matter.
bool is_disconnected(const error_code& error) noexcept {
    return error.category() == meshcache_category() && error != errc::client_gone &&
           error != errc::upstream_malformed && error != errc::upstream_error;
}

/// The answers that a stale response may stand in for (RFC 5861, section 4).
bool is_error(int status) noexcept {
    return status == 500 || status == 502 || status == 503 || status == 504;
}

/// A response that is not fresh on arrival, nor may be used stale, is for the one who asked: everybody else
/// has to have it validated first (RFC 9111, section 5.2.2.4).
bool may_be_shared(const http::lifetime& life, wall_time now) noexcept {
    return now < life.fresh_until || now < life.stale_until;
}

} // namespace

const http::upstream_conditions& exchange::conditions(wall_time now) {
    asked_ = {};
    if (behind_ || !as_client_asks_ || basis_) asked_.drop_conditionals = true;
    if (!basis_ || !validates_) return asked_;
    if (!basis_head_) basis_head_ = std::make_unique<http::response_head>();
    if (!http::read_stored_head(basis_->head(), *basis_head_)) {
        validates_ = false;
        return asked_;
    }
    asked_ = http::validating_conditions(*basis_head_, now);
    return asked_;
}

bool exchange::asked_for(int status) const noexcept {
    if (!asked_.drop_conditionals) return http::was_asked_for(status, head_->fields);
    if (status == 304) return !asked_.if_none_match.empty() || !asked_.if_modified_since.empty();
    return status != 206;
}

void exchange::keep_to_ourselves(steady_time steady) noexcept {
    if (fill_) collapse_.remember_unshareable(hash_, steady + settings_.unshareable_for);
    release_fill(store::lease_end::unshareable);
}

void exchange::start_head(const store::response_meta& meta, std::string names, std::string text,
                          std::optional<std::uint64_t> content_length) {
    auto head = std::make_shared<store::streamed_head>();
    head->meta = meta;
    head->text = std::move(text);
    http::add_tags(settings_.cache.tags, head->text);
    head->content_length = content_length;
    head->key.assign(key_, 0, primary_size_);
    if (!names.empty()) {
        head->primary_key = head->key;
        http::append_variant(names, head_->fields, head->key, settings_.vary);
        head->vary_names = std::move(names);
    }
    head->supplants = supplanted_by(*head);
    if (!fill_) fill_ = std::make_shared<store::fill>(key_, hash_, settings_.max_object, fill_budget_);
    stream_head_ = std::move(head);
}

action exchange::on_response(const http::response_head& response, const http::body_framing& framing,
                             const store::version& version, wall_time request_time, wall_time now,
                             steady_time steady) {
    outcome_.fwd_status = response.status;
    // Nobody can say what an answer to a condition means that nobody had set.
    if (!asked_for(response.status)) {
        release_fill();
        return on_failure(errc::upstream_malformed, now);
    }
    if (response.status == 304 && asked_.drop_conditionals)
        return on_not_modified(response, version, request_time, now, steady);
    if (stores_post_) return on_post_answer(response, framing, version, request_time, now);
    if (outcome_.fwd == forward::method || outcome_.fwd == forward::bypass) return action::relay_response;
    if (is_head_) {
        if (stale_for(response.status, now)) return action::answer;
        on_head_answer(response, version, request_time, now);
        return action::relay_response;
    }

    const auto cc = http::read_response_directives(response.fields);
    const auto life = http::compute_lifetime(response, cc, request_time, now, settings_.cache);
    auto refusal = http::may_store(*head_, directives_, response, cc, life, now, settings_.cache);
    std::string names;
    if (refusal == store_refusal::none) refusal = beyond_bounds(response, framing, names);
    // Not even an error that may be stored takes the place of a good response that may still be used.
    const bool good =
        basis_ && basis_->meta().status < 400 && http::usable_on_error(basis_->meta().life, {}, now);
    if (good && response.status >= 400 && refusal == store_refusal::none) refusal = store_refusal::status;
    if (refusal != store_refusal::none) {
        outcome_.detail = http::describe(refusal);
        if (stale_for(response.status, now)) {
            // Those who wait have a stale response, too; sending them all to a failing upstream helps nobody.
            let_go(errc::upstream_error);
            return action::answer;
        }
        outdates_stored_ = (basis_ || may_be_elsewhere()) && replaces_stored(refusal, response.status, good);
        fetch_behind_ = response.status == 206 && wants_whole_of(response, request_time, now);
        if (says_nothing_of_others(refusal, response.status)) {
            release_fill();
        } else {
            keep_to_ourselves(steady);
        }
        return action::relay_response;
    }

    if (may_be_shared(life, now)) {
        collapse_.forget_unshareable(hash_);
    } else {
        keep_to_ourselves(steady);
    }
    return share(response, framing, version, life, std::move(names), now);
}

/// Whether the content is too large, or the selecting fields, which go to `names`, are none.
store_refusal exchange::beyond_bounds(const http::response_head& response, const http::body_framing& framing,
                                      std::string& names) const {
    if (framing.kind == http::body_kind::length && framing.length > settings_.max_object)
        return store_refusal::too_large;
    return http::parse_vary(response.fields, names) ? store_refusal::none : store_refusal::vary_star;
}

action exchange::share(const http::response_head& response, const http::body_framing& framing,
                       const store::version& version, const http::lifetime& life, std::string names,
                       wall_time now) {
    std::string text;
    char date[http::date_size];
    http::write_date(now, date);
    text.reserve(response.size + 128); // and what is added: Via, Date, tags
    http::write_client_head(response, {date, sizeof date}, true, text);
    std::optional<std::uint64_t> length;
    if (framing.kind == http::body_kind::length) length = framing.length;
    if (framing.kind == http::body_kind::none) length = 0;
    start_head({.version = version, .life = life, .status = static_cast<std::uint16_t>(response.status)},
               std::move(names), std::move(text), length);
    fill_->start_stream(stream_head_);
    // How long an answer is that does not say it, and so whether it is stored, is known when it has ended.
    outcome_.stored = length.has_value();
    outcome_.ttl = http::freshness_left(life, now).count();
    return action::share;
}

bool exchange::outlives_own_floor(const store::version& asked, bool whole_request) noexcept {
    stores_post_ = settings_.cache.store_post && head_->verb == http::method::post && whole_request &&
                   cache_.admits(key(), asked);
    return stores_post_;
}

/// RFC 9110, section 9.3.3. The answer is passed on alike, whether it is stored or not.
action exchange::on_post_answer(const http::response_head& response, const http::body_framing& framing,
                                const store::version& version, wall_time request_time, wall_time now) {
    const auto cc = http::read_response_directives(response.fields);
    const auto life = http::compute_lifetime(response, cc, request_time, now, settings_.cache);
    auto refusal = http::may_store_post(*head_, *uri_, directives_, response, cc, life, now, settings_.cache);
    std::string names;
    if (refusal == store_refusal::none) refusal = beyond_bounds(response, framing, names);
    if (refusal != store_refusal::none) return action::relay_response;
    return share(response, framing, version, life, std::move(names), now);
}

/// The stored response that a 304 or the answer to HEAD updated, as it would be stored: its lifetime, and
/// whether it may be.
struct exchange::updated {
    http::response_head head; ///< views into the text that it was read from
    http::response_directives directives;
    http::lifetime life;
    store_refusal refusal = store_refusal::none;
    std::string names; ///< of the selecting fields

    updated(const exchange& of, std::string_view text, const http::response_head& answer,
            wall_time request_time, wall_time now) {
        if (!http::read_stored_head(text, head)) {
            refusal = store_refusal::status;
            return;
        }
        const auto& policy = of.settings_.cache;
        directives = http::read_response_directives(head.fields);
        life = http::updated_lifetime(head, answer, request_time, now, policy);
        // What HEAD updates is the response to a GET.
        http::request_head request = *of.head_;
        request.verb = http::method::get;
        refusal = http::may_store(request, of.directives_, head, directives, life, now, policy);
        if (refusal == store_refusal::none && !http::parse_vary(head.fields, names))
            refusal = store_refusal::vary_star;
    }

    /// As streamed_head wants it: whoever stores it adds Content-Length.
    std::string text_without_length() const {
        std::string out;
        out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ").append(head.reason);
        out += "\r\n";
        for (const auto& f : head.fields) {
            if (f.id == http::field_id::content_length) continue;
            out.append(f.name).append(": ").append(f.value).append("\r\n");
        }
        return out;
    }

    store::response_meta meta(const store::version& version) const noexcept {
        return {.version = version, .life = life, .status = static_cast<std::uint16_t>(head.status)};
    }
};

action exchange::on_not_modified(const http::response_head& response, const store::version& version,
                                 wall_time request_time, wall_time now, steady_time steady) {
    std::string text;
    const auto refused = http::freshen(*basis_head_, response, asked_, update_settings(now), text);
    if (refused != http::update_refusal::none) {
        // It is about something else than what we hold, so that only the whole answer will do.
        outcome_.detail = http::describe(refused);
        validates_ = false;
        return action::fetch;
    }
    const updated fresh(*this, text, response, request_time, now);
    outcome_.ttl = http::freshness_left(fresh.life, now).count();
    if (fresh.refusal != store_refusal::none) {
        // It is valid, and answers this client; but it is not to be kept any longer.
        outcome_.detail = http::describe(fresh.refusal);
        outdates_stored_ = replaces_stored(fresh.refusal, basis_->meta().status, false);
        if (says_nothing_of_others(fresh.refusal, basis_->meta().status)) {
            release_fill();
        } else {
            keep_to_ourselves(steady);
        }
        const auto content = basis_->content();
        response_ = store::stored_response::make(fresh.meta(version), key_, hash_, text, {&content, 1});
        return action::answer;
    }
    if (may_be_shared(fresh.life, now)) {
        collapse_.forget_unshareable(hash_);
    } else {
        keep_to_ourselves(steady);
    }
    start_head(fresh.meta(version), fresh.names, fresh.text_without_length(), basis_->content().size());
    outcome_.stored = true;
    updates_ = true;
    return action::update;
}

/// RFC 9111, section 4.3.5.
void exchange::on_head_answer(const http::response_head& response, const store::version& version,
                              wall_time request_time, wall_time now) {
    if (!basis_) return;
    if (!basis_head_) basis_head_ = std::make_unique<http::response_head>();
    if (!http::read_stored_head(basis_->head(), *basis_head_)) return;
    switch (http::head_freshens(*basis_head_, response, now)) {
    case http::head_effect::same:
        return;
    case http::head_effect::invalidate:
        outdates_stored_ = true;
        return;
    case http::head_effect::update:
        break;
    }
    std::string text;
    if (http::update_from_head(*basis_head_, response, update_settings(now), text) !=
        http::update_refusal::none) {
        outdates_stored_ = true;
        return;
    }
    const updated fresh(*this, text, response, request_time, now);
    if (fresh.refusal == store_refusal::none) {
        start_head(fresh.meta(version), fresh.names, fresh.text_without_length(), basis_->content().size());
        updates_ = true;
    } else {
        outdates_stored_ = replaces_stored(fresh.refusal, basis_->meta().status, false);
    }
}

http::update_settings exchange::update_settings(wall_time now) const noexcept {
    return {.now = now,
            .limits = settings_.head_limits,
            .keep_set_cookie = settings_.cache.store_set_cookie,
            .trust_304 = settings_.cache.trust_not_modified};
}

/// Whether the part that a client got is reason enough to fetch the whole behind it, so that the next part is
/// a hit: the whole may be stored, and is not so much larger that small requests could make the upstream work
/// for nothing.
bool exchange::wants_whole_of(const http::response_head& part, wall_time request_time, wall_time now) const {
    constexpr std::uint64_t most_beyond = 8;
    if (asked_.drop_conditionals || directives_.no_store) return false;
    const auto range = http::parse_content_range(part.fields);
    if (!range || range->complete_length > settings_.max_object) return false;
    if (range->span.size() < range->complete_length / most_beyond) return false;

    http::response_head whole;
    whole.status = 200;
    for (const auto& f : part.fields)
        if (f.id != http::field_id::content_range) whole.fields.add(f);
    const auto cc = http::read_response_directives(whole.fields);
    const auto life = http::compute_lifetime(whole, cc, request_time, now, settings_.cache);
    return may_be_shared(life, now) &&
           http::may_store(*head_, directives_, whole, cc, life, now, settings_.cache) == store_refusal::none;
}

bool exchange::stale_for(int status, wall_time now) {
    if (unconfirmed_ && settings_.when_unconfirmed != unconfirmed::stale) return false;
    if (!is_error(status) || !basis_ || !http::usable_on_error(basis_->meta().life, directives_, now))
        return false;
    answer_stale(now);
    outcome_.detail = "stale-if-error";
    return true;
}

void exchange::answer_stale(wall_time now) {
    response_ = basis_;
    outcome_.fwd = forward::stale;
    outcome_.ttl = http::freshness_left(response_->meta().life, now).count();
}

/// Instead of an error.
bool exchange::may_serve_stale(error_code error, wall_time now) const noexcept {
    if (!basis_ || behind_) return false;
    if (unconfirmed_ && settings_.when_unconfirmed != unconfirmed::stale) return false;
    const auto& life = basis_->meta().life;
    return http::usable_on_error(life, directives_, now) ||
           (is_disconnected(error) &&
            http::usable_when_disconnected(life, directives_, settings_.cache.stale_if_disconnected, now));
}

action exchange::on_failure(error_code error, wall_time now) {
    let_go(error);
    reader_ = {};
    error_ = error;
    if (error.category() == meshcache_category())
        outcome_.detail = describe(static_cast<errc>(error.value()));
    if (!may_serve_stale(error, now)) return action::fail;
    answer_stale(now);
    return action::answer;
}

bool exchange::invalidates(int upstream_status) const noexcept {
    return unsafe_ && upstream_status >= 200 && upstream_status < 400;
}

} // namespace meshcache::flow
