#include <meshcache/flow/exchange.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/reuse.hpp>
#include <meshcache/store/vary.hpp>

#include <utility>

namespace meshcache::flow {
namespace {

bool usable_variant(const store::stored_response& r, const store::version& epoch) noexcept {
    return !store::is_vary_note(r) && !(r.meta().version < epoch);
}

/// In the form of http::parse_vary.
constexpr std::string_view forwarded_names =
    "x-forwarded-host,x-forwarded-port,x-forwarded-prefix,x-forwarded-proto";

/// Refusals that the request caused: they say nothing about the answers that others will get.
bool says_nothing_of_others(http::store_refusal refusal, int status) noexcept {
    return refusal == http::store_refusal::request_authorization ||
           refusal == http::store_refusal::request_no_store || status == 304 || status == 412 ||
           status == 416 || status == 417 || status >= 500;
}

} // namespace

exchange::exchange(const exchange_settings& settings, store::cache& cache, store::collapse& collapse,
                   store::byte_budget* fill_budget)
    : settings_(settings), cache_(cache), collapse_(collapse), fill_budget_(fill_budget) {}

exchange::~exchange() { reset(); }

void exchange::reset() noexcept {
    release_fill();
    reader_ = {};
    stream_head_.reset();
    response_.reset();
    stale_.reset();
    waker_ = nullptr;
    outcome_ = {};
    error_ = {};
    status_ = 0;
    is_head_ = unsafe_ = false;
    at_variant_ = false;
    epoch_ = {};
    head_ = nullptr;
    uri_ = nullptr;
}

void exchange::let_go(error_code error) noexcept {
    if (auto f = take_fill()) {
        collapse_.leave(*f);
        f->fail(error);
    }
}

std::shared_ptr<store::fill> exchange::take_fill() noexcept { return std::exchange(fill_, nullptr); }

action exchange::begin(const http::request_head& head, const http::request_uri& uri,
                       const http::body_framing& framing, wall_time now, steady_time steady,
                       const std::shared_ptr<store::fill_waiter>& waker) {
    reset();
    head_ = &head;
    uri_ = &uri;
    steady_ = steady;
    waker_ = &waker;
    is_head_ = head.verb == http::method::head;
    unsafe_ = !http::is_safe(head.verb);

    const bool cacheable_method = head.verb == http::method::get || is_head_;
    if (cacheable_method || unsafe_) http::build_key(uri, "GET", key_);
    // What a trusted client says of the original request can change the answer, so it is part of the key.
    if (settings_.trust_forwarded && (cacheable_method || unsafe_))
        http::append_variant(forwarded_names, head.fields, key_);
    primary_size_ = key_.size();
    if (!cacheable_method) {
        outcome_.fwd = forward::method;
        return action::relay;
    }
    if (const auto refusal = http::request_may_use_cache(head, framing);
        refusal != http::store_refusal::none) {
        outcome_.fwd = forward::bypass;
        outcome_.detail = http::describe(refusal);
        return action::relay;
    }
    if (head.fields.has(http::field_id::if_match) || head.fields.has(http::field_id::if_unmodified_since)) {
        // These are the origin's to evaluate (RFC 9111, section 4.3.2).
        outcome_.fwd = forward::bypass;
        outcome_.detail = "precondition";
        return action::relay;
    }
    if (head.fields.has(http::field_id::cache_control) || head.fields.has(http::field_id::pragma)) {
        directives_ = http::read_request_directives(head.fields);
    } else {
        directives_ = {};
    }
    hash_ = cache_.hash(key_);
    if (auto response = look_up(true)) return found(std::move(response), now, false);
    return miss(now);
}

store::response_ptr exchange::look_up(bool count_use) {
    auto get = [&] { return count_use ? cache_.lookup(key()) : cache_.peek(key()); };
    auto response = get();
    if (response && store::is_vary_note(*response)) {
        if (!go_to_variant(*response)) return nullptr;
        response = get();
    }
    if (response && at_variant_ && !usable_variant(*response, epoch_)) response.reset();
    return response;
}

bool exchange::go_to_variant(const store::stored_response& note) {
    if (at_variant_) return false;
    epoch_ = store::vary_epoch(note);
    http::append_variant(store::vary_names(note), head_->fields, key_);
    hash_ = cache_.hash(key_);
    at_variant_ = true;
    return true;
}

action exchange::found(store::response_ptr response, wall_time now, bool from_redis) {
    const auto& life = response->meta().life;
    switch (http::decide_reuse(life, directives_, now)) {
    case http::reuse::fresh:
        outcome_.hit = true;
        outcome_.fwd = forward::none;
        outcome_.from_redis = from_redis;
        outcome_.ttl = http::freshness_left(life, now).count();
        response_ = std::move(response);
        if (settings_.reject_hits) {
            outcome_.rejected = true;
            status_ = settings_.reject_status;
            return action::refuse;
        }
        return action::answer;
    case http::reuse::request_refuses:
        outcome_.fwd = forward::request;
        if (http::usable_on_error(life, now)) stale_ = std::move(response);
        break;
    case http::reuse::stale_revalidate:
    case http::reuse::stale:
        outcome_.fwd = forward::stale;
        if (http::usable_on_error(life, now)) stale_ = std::move(response);
        break;
    }
    return from_redis ? action::fetch : miss(now);
}

action exchange::miss(wall_time now) {
    if (directives_.only_if_cached) {
        outcome_.fwd = forward::none;
        outcome_.detail = "only-if-cached";
        status_ = 504;
        return action::refuse;
    }
    if (outcome_.fwd == forward::none) outcome_.fwd = at_variant_ ? forward::vary_miss : forward::uri_miss;
    if (is_head_) return action::relay;
    // A request that insists on a newer answer must not be given one that was asked for before it came.
    if (outcome_.fwd == forward::request || collapse_.is_unshareable(hash_, steady_)) return fetch_alone();

    auto joined = collapse_.join(key());
    if (!joined.fetcher && is_outdated(*joined.f)) {
        collapse_.leave(*joined.f);
        joined = collapse_.join(key());
    }
    if (!joined.fetcher) {
        reader_ = store::fill_reader(std::move(joined.f), *waker_);
        return on_fill(now, false);
    }
    fill_ = std::move(joined.f);
    // The fill before ours may have ended between our look-up and our joining.
    if (auto response = look_up(false); response && is_fresh(*response, now)) {
        auto f = take_fill();
        collapse_.leave(*f);
        f->complete(response);
        return found(std::move(response), now, false);
    }
    // An answer that this very request keeps from being stored is no answer for others, who must neither wait
    // for it nor take it for a sign that answers for this key cannot be shared.
    if (directives_.no_store || head_->fields.has(http::field_id::range)) release_fill();
    return settings_.remote ? action::ask_remote : action::fetch;
}

/// Whether a purge has come since the fill's request was sent: its answer is not for those who ask after the
/// purge.
bool exchange::is_outdated(const store::fill& f) const {
    const auto asked = f.asked();
    return asked && !cache_.admits(cache_.view(primary_key()), *asked);
}

void exchange::release_fill() noexcept {
    const auto f = take_fill();
    if (!f) return;
    collapse_.leave(*f);
    f->release();
}

bool exchange::is_fresh(const store::stored_response& response, wall_time now) const noexcept {
    return http::decide_reuse(response.meta().life, directives_, now) == http::reuse::fresh;
}

action exchange::fetch_alone() {
    reader_ = {};
    outcome_.collapsed = false;
    return action::fetch;
}

bool exchange::note_stands() const {
    const auto note = cache_.peek(cache_.view(primary_key()));
    return note && store::is_vary_note(*note) && !(epoch_ < store::vary_epoch(*note));
}

action exchange::on_remote(store::response_ptr response, const store::version& begun, wall_time now) {
    if (!response) return action::fetch;
    // A floor that came meanwhile, or a newer response, has the last word. The floor of a variant is the one
    // of its primary key, where it has taken the note away.
    if (at_variant_ && !(usable_variant(*response, epoch_) && note_stands())) return action::fetch;
    const auto outcome = cache_.insert(response, begun);
    if (outcome.what == store::insert_result::invalidated) return action::fetch;
    const bool is_note = store::is_vary_note(*response);
    if (is_note || outcome.what == store::insert_result::older) {
        const bool was_at_variant = at_variant_;
        auto local = look_up(false);
        if (is_note && !local && !at_variant_) (void)go_to_variant(*response);
        if (at_variant_ != was_at_variant && !(local && is_fresh(*local, now))) return action::ask_remote;
        if (local) response = std::move(local);
    }
    const auto next = found(response, now, true);
    if (next == action::answer || next == action::refuse) {
        if (auto f = take_fill()) {
            collapse_.leave(*f);
            f->complete(std::move(response));
        }
    }
    return next;
}

bool exchange::is_ours(const store::streamed_head& head) {
    if (at_variant_ && head.meta.version < epoch_) return false; // asked for before its epoch began
    if (head.vary_names.empty()) return true;
    scratch_.assign(key_, 0, primary_size_);
    http::append_variant(head.vary_names, head_->fields, scratch_);
    return scratch_ == head.key;
}

bool exchange::is_ours(const store::stored_response& response) {
    if (response.key() != key_) {
        // Another variant, or ours under a key that we did not know of when we began to wait.
        if (at_variant_) return false;
        const auto note = cache_.peek(key());
        if (!note || !store::is_vary_note(*note) || !go_to_variant(*note) || response.key() != key_)
            return false;
    }
    return !at_variant_ || usable_variant(response, epoch_);
}

action exchange::on_fill(wall_time now, bool timed_out) {
    const auto view = reader_.look();
    switch (view.state) {
    case store::fill_state::waiting:
        if (!timed_out) return action::wait;
        // Those who come after must not sit out the same fill.
        collapse_.leave(*reader_.of());
        outcome_.detail = "collapse-timeout";
        return fetch_alone();
    case store::fill_state::released:
        return fetch_alone();
    case store::fill_state::failed:
        if (!view.head) {
            outcome_.collapsed = true;
            return on_failure(view.error, now);
        }
        // Content had begun to come, so there is a part of an answer that may be shared; nothing of it
        // was sent to this client yet.
        return fetch_alone();
    case store::fill_state::streaming:
    case store::fill_state::complete:
        return from_fill(view, now);
    }
    return fetch_alone();
}

action exchange::from_fill(const store::fill_view& view, wall_time now) {
    const bool ours = view.head ? is_ours(*view.head) : view.response && is_ours(*view.response);
    if (!ours) {
        outcome_.fwd = forward::vary_miss;
        return fetch_alone();
    }
    outcome_.collapsed = true;
    const auto& life = view.head ? view.head->meta.life : view.response->meta().life;
    outcome_.ttl = http::freshness_left(life, now).count();
    if (settings_.reject_hits) {
        // Whoever waited was not the first.
        reader_ = {};
        outcome_.rejected = true;
        status_ = settings_.reject_status;
        return action::refuse;
    }
    if (view.response) {
        response_ = view.response;
        reader_ = {};
        return action::answer;
    }
    stream_head_ = view.head;
    return action::follow;
}

action exchange::on_response(const http::response_head& response, const http::body_framing& framing,
                             const store::version& version, wall_time request_time, wall_time now,
                             steady_time steady) {
    outcome_.fwd_status = response.status;
    const bool may_be_stored =
        !is_head_ && (outcome_.fwd != forward::method && outcome_.fwd != forward::bypass);
    if (!may_be_stored) {
        return stale_for(response.status, now) ? action::answer : action::relay_response;
    }

    const auto cc = http::read_response_directives(response.fields);
    const auto life = http::compute_lifetime(response, cc, request_time, now, settings_.cache);
    auto refusal = http::may_store(*head_, directives_, response, cc, life, now, settings_.cache);
    if (refusal == http::store_refusal::none && framing.kind == http::body_kind::length &&
        framing.length > settings_.max_object) {
        refusal = http::store_refusal::too_large;
    }
    std::string names;
    if (refusal == http::store_refusal::none && !http::parse_vary(response.fields, names)) {
        refusal = http::store_refusal::vary_star;
    }
    // Not even an error that may be stored takes the place of a good response that may still be used.
    if (response.status >= 500 && stale_ && refusal == http::store_refusal::none)
        refusal = http::store_refusal::status;
    if (refusal != http::store_refusal::none) {
        outcome_.detail = http::describe(refusal);
        if (stale_for(response.status, now)) {
            // Those who wait have a stale response, too; sending them all to a failing upstream helps nobody.
            let_go(errc::upstream_error);
            return action::answer;
        }
        if (fill_ && !says_nothing_of_others(refusal, response.status)) {
            collapse_.remember_unshareable(hash_, steady + settings_.unshareable_for);
        }
        release_fill();
        return action::relay_response;
    }

    collapse_.forget_unshareable(hash_);
    auto head = std::make_shared<store::streamed_head>();
    head->meta.version = version;
    head->meta.life = life;
    head->meta.status = static_cast<std::uint16_t>(response.status);
    char date[http::date_size];
    http::write_date(now, date);
    http::write_client_head(response, {date, sizeof date}, true, head->text);
    if (framing.kind == http::body_kind::length) head->content_length = framing.length;
    if (framing.kind == http::body_kind::none) head->content_length = 0;
    head->key.assign(key_, 0, primary_size_);
    if (!names.empty()) {
        head->primary_key = head->key;
        http::append_variant(names, head_->fields, head->key);
        head->vary_names = std::move(names);
    }
    if (!fill_) fill_ = std::make_shared<store::fill>(key_, hash_, settings_.max_object, fill_budget_);
    stream_head_ = std::move(head);
    fill_->start_stream(stream_head_);
    outcome_.stored = true;
    outcome_.ttl = http::freshness_left(life, now).count();
    return action::share;
}

bool exchange::stale_for(int status, wall_time now) {
    if (status < 500 || !stale_ || !http::usable_on_error(stale_->meta().life, now)) return false;
    response_ = std::move(stale_);
    outcome_.fwd = forward::stale;
    outcome_.detail = "stale-if-error";
    outcome_.ttl = http::freshness_left(response_->meta().life, now).count();
    return true;
}

action exchange::on_failure(error_code error, wall_time now) {
    let_go(error);
    reader_ = {};
    error_ = error;
    if (error.category() == meshcache_category())
        outcome_.detail = describe(static_cast<errc>(error.value()));
    if (stale_ && http::usable_on_error(stale_->meta().life, now)) {
        response_ = std::move(stale_);
        outcome_.fwd = forward::stale;
        outcome_.ttl = http::freshness_left(response_->meta().life, now).count();
        return action::answer;
    }
    return action::fail;
}

bool exchange::invalidates(int upstream_status) const noexcept {
    return unsafe_ && upstream_status >= 200 && upstream_status < 400;
}

} // namespace meshcache::flow
