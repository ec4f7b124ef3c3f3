#include <meshcache/base/test_hooks.hpp>
#include <meshcache/flow/exchange.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/reuse.hpp>
#include <meshcache/store/vary.hpp>

#include <utility>

namespace meshcache::flow {
namespace {

/// How often a request may wait anew because purges have overtaken the fill that it waited for.
constexpr int most_overtaken = 3;

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
    basis_.reset();
    basis_head_.reset();
    asked_ = {};
    waker_ = nullptr;
    outcome_ = {};
    error_ = {};
    status_ = overtaken_ = 0;
    is_head_ = unsafe_ = false;
    asked_stale_ = false;
    wanted_ = consistency::eventual;
    unconfirmed_ = asked_remote_ = absent_ = false;
    at_variant_ = joined_late_ = behind_ = as_client_asks_ = updates_ = fetch_behind_ = outdates_stored_ =
        stores_post_ = false;
    remote_insert_.reset();
    validates_ = in_sync_ = true;
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

void exchange::adopt(const http::request_head& head, const http::request_uri& uri, steady_time steady) {
    reset();
    head_ = &head;
    uri_ = &uri;
    steady_ = steady;
    directives_ = {};
}

void exchange::key_of_path(std::string_view path_query, std::string& out) const {
    http::build_key({uri_->scheme, uri_->host, path_query}, "GET", out);
    // What a trusted client says of the original request can change the answer, so it is part of the key.
    if (settings_.trust_forwarded) http::append_trusted_claims(head_->fields, out);
}

action exchange::begin(const http::request_head& head, const http::request_uri& uri,
                       const http::body_framing& framing, wall_time now, steady_time steady,
                       const std::shared_ptr<store::fill_waiter>& waker, bool in_sync, consistency wanted) {
    adopt(head, uri, steady);
    in_sync_ = in_sync;
    wanted_ = wanted;
    waker_ = &waker;
    is_head_ = head.verb == http::method::head;
    unsafe_ = !http::is_safe(head.verb);

    const bool cacheable_method = head.verb == http::method::get || is_head_;
    key_.clear();
    if (cacheable_method || unsafe_) key_of_path(uri.path_query, key_);
    primary_size_ = key_.size();
    if (http::ends_here(head)) {
        outcome_.detail = "max-forwards";
        status_ = 200;
        return action::refuse;
    }
    if (!cacheable_method) {
        outcome_.fwd = forward::method;
        if (settings_.cache.store_post && head.verb == http::method::post) {
            directives_ = http::read_request_directives(head.fields);
            hash_ = cache_.hash(key_);
        }
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
    if (head.fields.has(http::field_id::cache_control) || head.fields.has(http::field_id::pragma))
        directives_ = http::read_request_directives(head.fields);
    hash_ = cache_.hash(key_);
    return is_strong() ? action::sync : answer_or_miss(now);
}

action exchange::answer_or_miss(wall_time now) {
    if (auto response = look_up(true)) return found(std::move(response), now, false);
    return miss(now);
}

action exchange::refuse_unconfirmed() noexcept {
    outcome_ = {};
    outcome_.detail = "unconfirmed";
    status_ = 503;
    return action::refuse;
}

action exchange::on_synced(bool synced, wall_time now) {
    if (synced) {
        in_sync_ = true; // as of a moment ago
        return answer_or_miss(now);
    }
    unconfirmed_ = true;
    if (settings_.when_unconfirmed == unconfirmed::refuse) return refuse_unconfirmed();
    if (settings_.when_unconfirmed == unconfirmed::stale) {
        const auto next = answer_or_miss(now);
        if (next == action::answer) outcome_.detail = "unconfirmed";
        return next;
    }
    // Neither what is stored nor what is being fetched for others may answer: they may be older.
    basis_ = look_up(true);
    if (directives_.only_if_cached) return miss(now);
    outcome_.fwd = basis_ ? forward::stale : at_variant_ ? forward::vary_miss : forward::uri_miss;
    outcome_.detail = "unconfirmed";
    return is_head_ ? action::relay : fetch_alone();
}

action exchange::begin_behind(const http::request_head& head, const http::request_uri& uri, wall_time now,
                              steady_time steady) {
    adopt(head, uri, steady);
    behind_ = true;
    outcome_.fwd = forward::stale;
    key_of_path(uri.path_query, key_);
    primary_size_ = key_.size();
    hash_ = cache_.hash(key_);
    basis_ = look_up(false);
    if ((basis_ && is_fresh(*basis_, now)) || collapse_.is_unshareable(hash_, steady)) return action::answer;
    auto joined = collapse_.join(key());
    if (!joined.fetcher) return action::answer; // it is being fetched already
    fill_ = std::move(joined.f);
    return settings_.collapse_globally ? action::ask_remote : action::fetch;
}

store::response_ptr exchange::look_up(bool count_use) {
    auto get = [&] { return count_use ? cache_.lookup(key()) : cache_.peek(key()); };
    auto response = get();
    if (response && store::is_vary_note(*response)) {
        if (!go_to_variant(*response)) return nullptr;
        response = get();
    }
    if (response && at_variant_ && !usable_variant(*response)) response.reset();
    return response;
}

bool exchange::go_to_variant(const store::stored_response& note) {
    if (at_variant_) return false;
    epoch_ = store::vary_epoch(note);
    http::append_variant(store::vary_names(note), head_->fields, key_, settings_.vary);
    hash_ = cache_.hash(key_);
    at_variant_ = true;
    return true;
}

action exchange::found(store::response_ptr response, wall_time now, bool from_redis) {
    const auto& life = response->meta().life;
    auto use = http::decide_reuse(life, directives_, now);
    // Redis was asked just now.
    if (!in_sync_ && !from_redis && use != http::reuse::request_refuses) {
        use = http::reuse::stale;
        outcome_.detail = "unsynced";
    }
    switch (use) {
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
    case http::reuse::stale_revalidate:
        // The original element's refusal is for what is fresh: what is not goes to the upstream.
        if (!settings_.reject_hits) {
            outcome_.hit = true;
            outcome_.fwd = forward::none;
            outcome_.from_redis = from_redis;
            outcome_.ttl = http::freshness_left(life, now).count();
            fetch_behind_ = !directives_.no_store; // whose answer would be stored (RFC 9111, section 5.2.1.5)
            response_ = std::move(response);
            return action::answer;
        }
        [[fallthrough]];
    case http::reuse::stale:
        outcome_.fwd = forward::stale;
        break;
    case http::reuse::request_refuses:
        outcome_.fwd = forward::request;
        break;
    }
    basis_ = std::move(response);
    if (!from_redis) return miss(now);
    // Once more, for the lease to fetch what is newer; unless it was for that already.
    if (!settings_.collapse_globally || !fill_ || asked_stale_) return action::fetch;
    asked_stale_ = true;
    return action::ask_remote;
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
    if (outcome_.fwd == forward::request) return fetch_alone();
    if (collapse_.is_unshareable(hash_, steady_)) {
        as_client_asks_ = true;
        return fetch_alone();
    }
    if (!basis_ && head_->fields.has(http::field_id::range)) return fetch_part(now);

    auto joined = collapse_.join(key());
    if (!joined.fetcher && is_outdated(*joined.f)) {
        collapse_.leave(*joined.f);
        joined = collapse_.join(key());
    }
    if (!joined.fetcher) {
        // A request that insists on a newer answer gets none that was asked for before it came.
        const bool insists = directives_.no_cache || directives_.max_age == seconds{0};
        return insists && joined.f->asked() ? fetch_alone() : join(std::move(joined.f), now);
    }
    fill_ = std::move(joined.f);
    // The fill before ours may have ended between our look-up and our joining.
    if (auto response = look_up(false); response && in_sync_ && is_fresh(*response, now)) {
        auto f = take_fill();
        collapse_.leave(*f);
        f->complete(response);
        return found(std::move(response), now, false);
    }
    // An answer that this very request keeps from being stored is no answer for others, who must neither wait
    // for it nor take it for a sign that answers for this key cannot be shared.
    if (directives_.no_store) release_fill();
    return settings_.remote ? action::ask_remote : action::fetch;
}

action exchange::join(std::shared_ptr<store::fill> f, wall_time now) {
    joined_late_ = f->asked().has_value();
    reader_ = store::fill_reader(std::move(f), *waker_);
    return on_fill(now, false);
}

/// Whether a purge has come since the fill's request was sent: its answer is not for those who ask after the
/// purge.
bool exchange::is_outdated(const store::fill& f) const {
    if constexpr (planted == mutant::purge_spares_fills) return false;
    const auto asked = f.asked();
    return asked && !cache_.admits(cache_.view(primary_key()), *asked);
}

/// Whether what has come out of a fill is not for those who ask now. An answer without a head of its own,
/// from Redis or the store, is in the store unless something has come between.
bool exchange::is_purged(const store::fill_view& view) const {
    if constexpr (planted == mutant::purge_spares_fills) return false;
    if (view.head) return cache_.purged(view.head->key, view.head->meta.version, view.head->text);
    if (at_variant_ && !note_stands()) return true;
    const auto& made = view.response->meta();
    const auto held = cache_.peek(cache_.view(view.response->key()));
    return !held || held->meta().version < made.version ||
           held->meta().life.fresh_until < made.life.fresh_until;
}

void exchange::release_fill(store::lease_end others) noexcept {
    const auto f = take_fill();
    if (!f) return;
    collapse_.leave(*f);
    f->release(others);
}

std::optional<store::version> exchange::remote_known() const noexcept {
    if (!basis_ || basis_->key() != key_) return std::nullopt;
    return basis_->meta().version;
}

void exchange::remember_unshareable(steady_time steady) noexcept {
    keep_to_ourselves(steady);
    as_client_asks_ = true;
}

bool exchange::is_fresh(const store::stored_response& response, wall_time now) const noexcept {
    return http::decide_reuse(response.meta().life, directives_, now) == http::reuse::fresh;
}

bool exchange::may_answer(const http::lifetime& life, wall_time now) const noexcept {
    const auto use = http::decide_reuse(life, directives_, now);
    return use == http::reuse::fresh || use == http::reuse::stale_revalidate;
}

/// A strong request asks Redis first: what it gets from the upstream may not be for others, who would go on
/// with what Redis has.
action exchange::fetch_alone() {
    reader_ = {};
    outcome_.collapsed = false;
    const bool asks = is_strong() && settings_.remote && !unconfirmed_ && !asked_remote_ && !basis_;
    return asks ? action::ask_remote : action::fetch;
}

/// Whether Redis or other replicas may have a response to this request, as far as a strong one knows.
bool exchange::may_be_elsewhere() const noexcept { return is_strong() && !unconfirmed_ && !absent_; }

/// streamed_head::supplants. What stands alone here was given to a client when nobody else had anything
/// older, and whatever came since has been heard of: it would have taken its place.
std::string exchange::supplanted_by(const store::streamed_head& head) const {
    if (!is_strong() || unconfirmed_) return {};
    const bool varies = !head.vary_names.empty();
    bool as_before = varies == at_variant_;
    if (as_before && varies) {
        const auto note = cache_.peek(cache_.view(primary_key()));
        as_before = note && store::is_vary_note(*note) && store::vary_names(*note) == head.vary_names;
    }
    // Where the selecting fields have changed, what was selected by others is out of date as well.
    if (absent_ && (as_before || !at_variant_)) return {};
    const std::string& key = as_before || !varies ? head.key : head.primary_key;
    const auto held = cache_.peek(cache_.view(key));
    if (held && held->meta().reached.get() == store::reach::alone) return {};
    return key;
}

/// A part of what is not stored. If it is being fetched, the part is taken from there. If not, the request
/// goes to the upstream as it is: fetching the whole for a few bytes of it would let a small request cause a
/// large transfer, and others would have to wait for that.
action exchange::fetch_part(wall_time now) {
    as_client_asks_ = true;
    if (auto f = collapse_.find(key()); f && !is_outdated(*f)) {
        return join(std::move(f), now);
    }
    return settings_.remote ? action::ask_remote : action::fetch;
}

/// The purge of a URI leaves the records of its variants in Redis. A clock that runs ahead may have given one
/// of them a version above the epoch that began after the purge. Who has heard of the purge refuses it by
/// that; here it may have been missed, if the epoch is not younger than what this replica has heard of all
/// along. Who made the epoch knew of the purge, and so does this replica of all that came after its base.
bool exchange::usable_variant(const store::stored_response& response) const noexcept {
    const store::version& v = response.meta().version;
    if (store::is_vary_note(response) || v < epoch_) return false;
    if (v.replica == epoch_.replica || v.time() > epoch_.time() + settings_.max_clock_skew) return true;
    const store::version base = cache_.base();
    if (base.stamp == 0 || epoch_.time() > base.time() + settings_.max_clock_skew) return true;
    return v.replica == base.replica && !(v < base);
}

bool exchange::note_stands() const {
    const auto note = cache_.peek(cache_.view(primary_key()));
    return note && store::is_vary_note(*note) && !(epoch_ < store::vary_epoch(*note));
}

action exchange::on_remote(store::response_ptr response, const store::version& begun, wall_time now) {
    asked_remote_ = true;
    if (!response) return action::fetch;
    // A floor that came meanwhile, or a newer response, has the last word. The floor of a variant is the one
    // of its primary key, where it has taken the note away.
    if (at_variant_ && !(usable_variant(*response) && note_stands())) return action::fetch;
    const auto outcome = cache_.insert(response, begun);
    remote_insert_ = outcome;
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
    if (next != action::answer && next != action::refuse) return next;
    // What is stale, and only this request's max-stale makes an answer, is none for those who wait.
    if (http::decide_reuse(response->meta().life, {}, now) == http::reuse::stale) {
        release_fill();
    } else if (auto f = take_fill()) {
        collapse_.leave(*f);
        f->complete(std::move(response));
    }
    return next;
}

bool exchange::is_ours(const store::streamed_head& head) {
    if (at_variant_ && head.meta.version < epoch_) return false; // asked for before its epoch began
    if (head.vary_names.empty()) return true;
    scratch_.assign(key_, 0, primary_size_);
    http::append_variant(head.vary_names, head_->fields, scratch_, settings_.vary);
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
    return !at_variant_ || usable_variant(response);
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
        as_client_asks_ = true;
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
    if (is_purged(view)) {
        // Since it was asked for, and perhaps by a tag that only the answer tells of: it is not for those who
        // ask after the purge. Who meets this again and again must come to an end.
        collapse_.leave(*reader_.of());
        reader_ = {};
        return ++overtaken_ < most_overtaken ? miss(now) : fetch_alone();
    }
    if (!view.head && !reader_.of()->asked()) {
        // It was stored already, here or in Redis, and nothing was forwarded: for this request, too, it is
        // found.
        auto response = view.response;
        reader_ = {};
        const bool from_redis = settings_.remote && may_answer(response->meta().life, now);
        return found(std::move(response), now, from_redis);
    }
    const auto& life = view.head ? view.head->meta.life : view.response->meta().life;
    if (joined_late_ && !may_answer(life, now)) {
        // Collapsing is reuse, and bound by the same rules (RFC 9111, section 4). What is stale for everybody
        // is nobody's to join any more.
        if (http::decide_reuse(life, {}, now) != http::reuse::stale) return fetch_alone();
        collapse_.leave(*reader_.of());
        reader_ = {};
        return miss(now);
    }
    outcome_.collapsed = true;
    outcome_.ttl = http::freshness_left(life, now).count();
    if (settings_.reject_hits) {
        // Whoever waited was not the first.
        reader_ = {};
        outcome_.rejected = true;
        status_ = settings_.reject_status;
        return action::refuse;
    }
    stream_head_ = view.head;
    if (view.response) {
        response_ = view.response;
        reader_ = {};
        return action::answer;
    }
    return action::follow;
}

} // namespace meshcache::flow
