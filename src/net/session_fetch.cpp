// The part of a session that asks the upstream, and decides with the exchange what becomes of its answer.
#include "fill_pump.hpp"
#include "upload.hpp"
#include "upstream_head.hpp"

#include <meshcache/base/test_hooks.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/trailers.hpp>
#include <meshcache/http/upgrade.hpp>

#include <array>
#include <optional>

namespace meshcache::net {
namespace {

/// What a socket that is writable takes at once, whatever its kind.
constexpr std::size_t largest_shared_informational = 8 * 1024;

/// Whether there is content that the upstream may answer without having read it, and then take for the next
/// request: content of methods that have none by custom, and content that it was to ask for by 100. Such a
/// connection serves no other client.
bool may_not_be_read(const http::request_head& head, const http::body_framing& framing) noexcept {
    if (framing.kind != http::body_kind::chunked && framing.length == 0) return false;
    switch (head.verb) {
    case http::method::get:
    case http::method::head:
    case http::method::options:
    case http::method::delete_:
        return true;
    default:
        return head.minor >= 1 && head.fields.has(http::field_id::expect);
    }
}

} // namespace

int session::failure_status(error_code ec) noexcept {
    return ec == errc::upstream_silent || ec == errc::upstream_stalled ||
                   ec == errc::upstream_connect_timeout || ec == errc::upstream_busy
               ? 504
               : 502;
}

void session::note_upstream_failure(error_code ec) {
    loop_.counters.add(counter::upstream_errors);
    loop_.failures.note(loop_.sweep.now(), uri_.host, uri_.path_query,
                        describe(static_cast<errc>(ec.value())));
}

flow::action session::upstream_failed(error_code ec) {
    note_upstream_failure(ec);
    if (ec == errc::upstream_silent) loop_.counters.add(counter::timeout_upstream_first_byte);
    return exchange_.on_failure(ec, loop_.shared.clock.wall());
}

task<flow::action> session::fetch(bool for_store) {
    auto& shared = loop_.shared;
    upgrade_ = http::offers_upgrade(head_) && framing_.kind == http::body_kind::none;

    auto conditions = for_store ? exchange_.conditions(shared.clock.wall()) : http::upstream_conditions{};
    // TE is not in the key, and a stored response has no trailers.
    conditions.ask_trailers = !for_store && http::accepts_trailers(head_);
    up_text_.clear();
    http::write_upstream_head(
        head_, uri_, framing_,
        {.address = client_, .local_port = local_port_, .trust_forwarded = loop_.cfg.trust_forwarded},
        upgrade_, conditions, up_text_);

    // A body that is whole in the buffer goes with the head, and can be sent again.
    const bool has_body = framing_.kind != http::body_kind::none;
    const bool whole_body = framing_.kind == http::body_kind::length && framing_.length <= in_.size();
    const std::string_view body =
        whole_body ? in_.view().substr(0, static_cast<std::size_t>(framing_.length)) : std::string_view{};
    const bool may_retry = http::is_idempotent(head_.verb) && (!has_body || whole_body);

    for (bool again = false;; again = true) {
        error_code ec;
        // Most often neither this nor the writing of the head has to wait, and needs a coroutine.
        auto lease = again ? upstream_lease{} : loop_.pool.acquire_idle();
        if (!lease) lease = co_await loop_.pool.acquire(again, ec);
        const bool shared_fetch = exchange_.fill() != nullptr;
        if (client_gone_ && !shared_fetch) co_return abandon();
        if (ec) co_return upstream_failed(ec);

        // Whatever the upstream answers reflects nothing that happened before this moment.
        const auto request_time = shared.clock.wall();
        const auto version = shared.versions.next(request_time);
        if (const auto& f = exchange_.fill()) f->set_asked(version);
        loop_.counters.add(counter::upstream_requests);

        std::array<asio::const_buffer, 2> message{asio::buffer(up_text_),
                                                  asio::const_buffer(body.data(), body.size())};
        std::span<asio::const_buffer> unsent(message.data(), body.empty() ? 1u : 2u);
        const auto sent = lease->io.write_at_once(unsent);
        if (sent) {
            ec = *sent;
        } else {
            ec = co_await lease->io.write(unsent, loop_.cfg.upstream_idle_timeout);
        }

        std::unique_ptr<upload> up;
        std::optional<must_outlast> up_stands;
        const bool written = !ec;
        if (has_body && !whole_body) {
            up = std::make_unique<upload>(loop_.ex, *lease);
            up_stands.emplace(up->ended);
            if (written) {
                loop_.spawn(upload_body(*up));
            } else {
                up->ended.set(); // nothing of the body was read, and nothing will be
            }
        }
        // An upstream that stopped reading may have said why, so a failed write does not decide anything.
        // While a body is on its way, the deadline begins with its end.
        if (!up || !written) lease->io.read_deadline().arm(loop_.cfg.upstream_response_timeout);
        lease->spent = may_not_be_read(head_, framing_);
        asked_ = shared_fetch ? nullptr : &*lease;
        if (client_gone_ && asked_ != nullptr) asked_->io.abort(); // while the head was being written
        ec = co_await read_response_head(*lease, up.get());
        asked_ = nullptr;
        lease->io.read_deadline().clear();
        if (up) up->answered = true;
        if (!ec) {
            if (whole_body) {
                in_.consume(body.size());
                unread_ = false;
            }
            lease->spent = lease->spent || !written;
            const auto next = co_await on_answer(std::move(lease), version, request_time, up.get());
            co_return next;
        }

        const bool silent_death = lease->reused && lease->in.empty() && ec != errc::upstream_silent &&
                                  ec != errc::upstream_malformed;
        if (up) {
            co_await stop_upload(*up);
            if (up->client_error) {
                lease.discard();
                exchange_.on_failure(up->client_error, shared.clock.wall());
                close_ = true;
                if (up->client_error == errc::client_malformed) {
                    exchange_.outcome().detail = describe(errc::client_malformed);
                    co_await answer_generated(400, "the request's chunked coding is malformed");
                } else if (up->client_error == errc::client_timeout) {
                    loop_.counters.add(counter::timeout_body);
                    exchange_.outcome().detail = describe(errc::client_timeout);
                    io_.forget_timeout();
                    co_await answer_generated(408, "the request's content took too long");
                } else {
                    co_return abandon();
                }
                co_return flow::action::relay_response;
            }
        }
        lease.discard();
        if (client_gone_ && !shared_fetch) co_return abandon();
        if (silent_death && may_retry && !again) {
            loop_.counters.add(counter::upstream_retries);
            continue;
        }
        if (ec.category() != meshcache_category()) ec = errc::upstream_reset;
        co_return upstream_failed(ec);
    }
}

task<error_code> session::read_response_head(upstream_connection& upstream, upload* up) {
    for (int informational = 0;;) {
        if (const auto ec = co_await read_one_head(loop_, upstream)) co_return ec;
        const auto& head = upstream.head;
        if (is_final(head.status)) co_return error_code{};
        if (++informational > most_informational) co_return errc::upstream_malformed;
        if (head.status == 100) upstream.spent = false; // it reads the content
        // 1xx pass as they come (RFC 9110, section 15.2); HTTP/1.0 does not know them. One for which there is
        // no room is left out where others wait for the fetch, which may not hang on how fast this client
        // reads.
        const bool fits =
            exchange_.fill() == nullptr || (head.size <= largest_shared_informational && io_.is_writable());
        if (head_.minor == 1 && fits) {
            char date[http::date_size];
            http::write_date(loop_.shared.clock.wall(), date);
            text_.clear();
            http::write_client_head(head, {date, sizeof date}, false, text_);
            text_ += "\r\n";
            count_status(head.status);
            const auto ec = co_await io_.write(text_, loop_.cfg.write_timeout);
            if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_write);
            if (ec) close_ = true;
        }
        upstream.in.consume(head.size);
        if (up == nullptr) upstream.io.read_deadline().arm(loop_.cfg.upstream_response_timeout);
    }
}

task<flow::action> session::on_answer(upstream_lease lease, const store::version& asked,
                                      wall_time request_time, upload* up) {
    auto& shared = loop_.shared;
    const auto& head = lease->head;
    http::body_framing framing;
    const bool unasked = !exchange_.asked_for(head.status);
    const bool malformed = http::response_framing(head, head_.verb, framing, loop_.cfg.unknown_coding) !=
                               http::framing_error::none ||
                           (head.status == 101 && !(upgrade_ && http::accepts_upgrade(head_, head)));
    if (malformed || unasked) {
        if (unasked) exchange_.release_others();
        if (up != nullptr) co_await stop_upload(*up);
        lease.discard();
        co_return upstream_failed(errc::upstream_malformed);
    }
    if (head.status == 101) {
        exchange_.outcome().fwd_status = 101;
        co_await tunnel(lease);
        co_return flow::action::relay_response;
    }
    const bool above_floor = exchange_.invalidates(head.status) &&
                             exchange_.outlives_own_floor(asked, up == nullptr || up->complete);
    auto version = asked;
    if (exchange_.invalidates(head.status)) {
        const auto floor = co_await invalidate_target(head);
        if (above_floor) version = shared.versions.next(floor.time());
    }
    if (planted == mutant::version_of_answer) version = shared.versions.next(shared.clock.wall());
    auto next =
        exchange_.on_response(head, framing, version, request_time, shared.clock.wall(), loop_.sweep.now());
    if (exchange_.outdates_stored()) {
        invalidate(loop_, exchange_.primary_key(), version);
        if (exchange_.is_strong()) {
            const bool good = co_await floor_settled(exchange_.primary_key(), version);
            if (!good) {
                if (up != nullptr) co_await stop_upload(*up);
                lease.discard();
                co_return exchange_.refuse_unconfirmed();
            }
        }
    }
    switch (next) {
    case flow::action::fetch: // without conditions, since this answer was about something else
        give_back_after_head(lease);
        break;
    case flow::action::update:
        give_back_after_head(lease);
        {
            auto ended = end_update(loop_, exchange_);
            exchange_.answer_with(std::move(ended.answer));
            exchange_.note_stored(ended.stored);
        }
        next = flow::action::answer;
        break;
    case flow::action::share:
        unread_ = false; // what is shared has no content in its request, or all of it was sent
        co_await share_response(std::move(lease), framing);
        break;
    case flow::action::relay_response: {
        if (exchange_.updates()) (void)end_update(loop_, exchange_);
        const bool reusable = co_await relay_response(*lease, framing);
        if (up != nullptr) {
            co_await stop_upload(*up);
            // The upstream answered without reading it all: the rest of the request has nowhere to go.
            if (!up->complete) close_ = true;
            if (up->client_error == errc::client_timeout) loop_.counters.add(counter::timeout_body);
        }
        if (up == nullptr || up->complete) {
            unread_ = false;
            if (reusable) lease.give_back();
        }
        break;
    }
    default:
        // A stored response answers in the place of this one, which is dropped with its connection, unless it
        // has no content.
        if (next == flow::action::answer && framing.kind == http::body_kind::none)
            give_back_after_head(lease);
        break;
    }
    co_return next;
}

} // namespace meshcache::net
