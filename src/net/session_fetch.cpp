// The part of a session that carries out what the exchange says: Redis, other requests' fills, the upstream.
#include "fill_pump.hpp"
#include "session.hpp"

#include <meshcache/http/chunked.hpp>
#include <meshcache/http/grammar.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <charconv>

namespace meshcache::net {
namespace {

constexpr int most_informational = 16;
constexpr std::size_t first_upstream_buffer = 8 * 1024;

} // namespace

int session::failure_status(error_code ec) noexcept {
    return ec == errc::upstream_silent || ec == errc::upstream_stalled ||
                   ec == errc::upstream_connect_timeout || ec == errc::upstream_busy
               ? 504
               : 502;
}

/// A request body on its way to the upstream, while the answer may already be coming.
struct session::upload {
    upload(const executor& ex, upstream_connection& to) : upstream(to), ended(ex) {}
    upstream_connection& upstream;
    event ended;
    error_code client_error; ///< the client failed, not the upstream
    bool complete = false;
    bool answered = false; ///< the head of the answer has come: nothing waits for it any more
};

task<void> session::perform(flow::action next) {
    // The views of a request with content must survive the reading of that content.
    const auto head_size = head_.size;
    if (framing_.kind != http::body_kind::none) {
        head_copy_.assign(in_.view().substr(0, head_size));
        in_.consume(head_size);
        (void)http::parse_request_head(head_copy_, loop_.cfg.head_limits, head_);
        (void)http::split_uri(head_, host_buffer_, uri_);
    }
    sent_before_ = io_.bytes_written();
    unread_ = framing_.kind == http::body_kind::chunked || framing_.length > 0;
    refuse_status_ = 0;
    client_gone_ = false;
    watch_.arm(client_watch::interval);

    for (bool over = false; !over;) {
        switch (next) {
        case flow::action::ask_remote:
            next = co_await ask_remote();
            break;
        case flow::action::wait:
            next = co_await wait_for_fill();
            break;
        case flow::action::relay:
            next = co_await fetch(false);
            break;
        case flow::action::fetch:
            next = co_await fetch(true);
            break;
        case flow::action::follow:
            co_await follow();
            over = true;
            break;
        case flow::action::answer:
            if (unread_) close_ = true;
            co_await answer_stored();
            over = true;
            break;
        case flow::action::refuse:
            if (unread_) close_ = true;
            co_await answer_generated(exchange_.status(), exchange_.outcome().rejected
                                                              ? "an answer to this request is already known"
                                                              : exchange_.outcome().detail);
            over = true;
            break;
        case flow::action::fail:
            if (unread_) close_ = true;
            co_await answer_generated(failure_status(exchange_.error()), exchange_.outcome().detail);
            over = true;
            break;
        case flow::action::relay_response:
        case flow::action::share:
            over = true;
            break; // fetch() has done it
        }
    }
    if (framing_.kind == http::body_kind::none) in_.consume(head_size);
    exchange_.reset();
    io_.read_deadline().clear();
    watch_.clear();
}

/// The exchange ends without an answer, because nobody waits for it any more.
flow::action session::abandon() {
    (void)exchange_.on_failure(errc::client_gone, loop_.shared.clock.wall());
    close_ = true;
    unread_ = false;
    log_access(499);
    return flow::action::relay_response;
}

task<flow::action> session::ask_remote() {
    struct answer {
        store::response_ptr response;
        bool came = false;
    };
    const auto begun = loop_.shared.versions.next(loop_.shared.clock.wall());
    const auto result = std::make_shared<answer>();
    news_.clear();
    const bool asked = loop_.shared.link->lookup(
        exchange_.remote_key(), [result, waker = waker_, ex = loop_.ex](store::response_ptr response) {
            asio::post(ex, [result, waker, response = std::move(response)]() mutable {
                result->response = std::move(response);
                result->came = true;
                waker->wake();
            });
        });
    // The link answers within --redis-timeout; the bound here is against the day that it does not.
    constexpr seconds patience{5};
    bool waiting = asked;
    while (waiting && !result->came) {
        waiting = co_await news_.wait(patience);
        news_.clear();
    }
    co_return exchange_.on_remote(std::move(result->response), begun, loop_.shared.clock.wall());
}

task<flow::action> session::wait_for_fill() {
    const auto patience = loop_.cfg.collapse_timeout;
    const auto until = loop_.shared.clock.steady() + patience;
    for (;;) {
        news_.clear();
        const auto next = exchange_.on_fill(loop_.shared.clock.wall(), false);
        if (next != flow::action::wait) co_return next;
        if (client_gone_) co_return abandon();
        const auto left = until - loop_.shared.clock.steady();
        const bool news = co_await news_.wait(std::max(left, steady_time::duration::zero()));
        if (!news) {
            loop_.counters.add(counter::timeout_collapse);
            co_return exchange_.on_fill(loop_.shared.clock.wall(), true);
        }
    }
}

flow::action session::upstream_failed(error_code ec) {
    loop_.counters.add(counter::upstream_errors);
    if (ec == errc::upstream_silent) loop_.counters.add(counter::timeout_upstream_first_byte);
    return exchange_.on_failure(ec, loop_.shared.clock.wall());
}

task<flow::action> session::fetch(bool for_store) {
    auto& shared = loop_.shared;
    const http::connection_options options(head_.fields);
    upgrade_ = options.upgrade() && head_.fields.has(http::field_id::upgrade) && head_.minor == 1 &&
               framing_.kind == http::body_kind::none;

    up_text_.clear();
    http::write_upstream_head(
        head_, uri_, framing_,
        {.address = client_, .local_port = local_port_, .trust_forwarded = loop_.cfg.trust_forwarded},
        upgrade_, {.if_none_match = {}, .if_modified_since = {}, .drop_conditionals = for_store}, up_text_);

    // A body that is whole in the buffer goes with the head, and can be sent again.
    const bool has_body = framing_.kind != http::body_kind::none;
    const bool whole_body = framing_.kind == http::body_kind::length && framing_.length <= in_.size();
    const std::string_view body =
        whole_body ? in_.view().substr(0, static_cast<std::size_t>(framing_.length)) : std::string_view{};
    const bool may_retry = http::is_idempotent(head_.verb) && (!has_body || whole_body);

    for (bool again = false;; again = true) {
        error_code ec;
        auto lease = co_await loop_.pool.acquire(again, ec);
        const bool shared_fetch = exchange_.fill() != nullptr;
        if (client_gone_ && !shared_fetch) co_return abandon();
        if (ec) co_return upstream_failed(ec);

        // Whatever the upstream answers reflects nothing that happened before this moment.
        const auto request_time = shared.clock.wall();
        const auto version = shared.versions.next(request_time);
        if (const auto& f = exchange_.fill()) f->set_asked(version);
        loop_.counters.add(counter::upstream_requests);

        const std::array<asio::const_buffer, 2> message{asio::buffer(up_text_),
                                                        asio::const_buffer(body.data(), body.size())};
        ec = co_await lease->io.write(std::span(message.data(), body.empty() ? 1u : 2u),
                                      loop_.cfg.upstream_idle_timeout);

        std::unique_ptr<upload> up;
        const bool written = !ec;
        if (has_body && !whole_body) {
            up = std::make_unique<upload>(loop_.ex, *lease);
            if (written) {
                loop_.spawn(upload_body(*up));
            } else {
                up->ended.set(); // nothing of the body was read, and nothing will be
            }
        }
        // An upstream that stopped reading may have said why, so a failed write does not decide anything.
        // While a body is on its way, the deadline begins with its end.
        if (!up || !written) lease->io.read_deadline().arm(loop_.cfg.upstream_response_timeout);
        asked_ = shared_fetch ? nullptr : &*lease;
        ec = co_await read_response_head(*lease, up.get());
        asked_ = nullptr;
        lease->io.read_deadline().clear();
        if (up) up->answered = true;
        if (!ec) {
            if (whole_body) {
                in_.consume(body.size());
                unread_ = false;
            }
            lease->spent = !written;
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
        const auto parsed =
            http::parse_response_head(upstream.in.view(), loop_.cfg.head_limits, upstream.head);
        if (parsed.state == http::parse_state::malformed) co_return errc::upstream_malformed;
        if (parsed.state == http::parse_state::incomplete) {
            const auto room = upstream.in.prepare(first_upstream_buffer, loop_.cfg.head_limits.max_bytes + 1);
            if (room.empty()) co_return errc::upstream_malformed;
            error_code ec;
            const auto n = co_await upstream.io.read_some(room, ec);
            if (ec == errc::client_timeout) co_return errc::upstream_silent;
            if (ec) co_return upstream.in.empty() ? errc::upstream_reset : errc::upstream_truncated;
            upstream.in.commit(n);
            continue;
        }
        const auto& head = upstream.head;
        if (head.status >= 200 || head.status == 101) co_return error_code{};
        if (++informational > most_informational) co_return errc::upstream_malformed;
        // 1xx pass as they come (RFC 9110, section 15.2); HTTP/1.0 does not know them.
        if (head_.minor == 1) {
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

task<flow::action> session::on_answer(upstream_lease lease, const store::version& version,
                                      wall_time request_time, upload* up) {
    auto& shared = loop_.shared;
    const auto& head = lease->head;
    http::body_framing framing;
    const bool malformed = http::response_framing(head, head_.verb, framing) != http::framing_error::none ||
                           (head.status == 101 && !(upgrade_ && head.fields.has(http::field_id::upgrade)));
    if (malformed) {
        if (up != nullptr) co_await stop_upload(*up);
        lease.discard();
        co_return upstream_failed(errc::upstream_malformed);
    }
    if (head.status == 101) {
        exchange_.outcome().fwd_status = 101;
        co_await tunnel(lease);
        co_return flow::action::relay_response;
    }
    invalidate_target(head.status);
    const auto next =
        exchange_.on_response(head, framing, version, request_time, shared.clock.wall(), loop_.sweep.now());
    switch (next) {
    case flow::action::share:
        co_await share_response(std::move(lease), framing);
        break;
    case flow::action::relay_response: {
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
        break; // a stale response answers in place of this one, which is dropped with its connection
    }
    co_return next;
}

void session::invalidate_target(int status) {
    if (!exchange_.invalidates(status)) return;
    auto& shared = loop_.shared;
    const auto floor = shared.versions.next(shared.clock.wall());
    const auto key = exchange_.primary_key();
    if (shared.cache.raise_floor(shared.cache.view(key), floor))
        loop_.counters.add(counter::removed_invalidated);
    if (shared.link != nullptr) shared.link->invalidate(key, floor);
}

task<void> session::share_response(upstream_lease lease, const http::body_framing& framing) {
    const bool reusable = http::keeps_alive(lease->head.minor, lease->head.fields) &&
                          framing.kind != http::body_kind::until_close && !lease->spent;
    lease->in.consume(lease->head.size);
    auto f = exchange_.take_fill();
    store::fetcher_guard guard(loop_.shared.collapse, f);
    const auto head = exchange_.stream_head();

    // The usual answer is small and came with its head: no pump, no stream, no copy but the one that is
    // stored.
    {
        body_source source(lease->io, lease->in, framing, loop_.cfg.upstream_idle_timeout);
        pieces_.clear();
        const bool may_be_whole =
            framing.kind != http::body_kind::until_close &&
            (framing.kind != http::body_kind::length || framing.length <= lease->in.size());
        if (may_be_whole) (void)source.take_buffered(pieces_);
        if (source.done()) {
            auto response = end_fill(loop_, *f, *head, pieces_);
            source.release_pieces();
            if (reusable) lease.give_back();
            exchange_.answer_with(std::move(response));
            co_return co_await answer_stored();
        }
    }
    exchange_.reader() = store::fill_reader(f, waker_);
    loop_.spawn(pump_fill(loop_, std::move(lease), framing, reusable, std::move(guard), head));
    co_await follow();
}

task<bool> session::relay_response(upstream_connection& upstream, const http::body_framing& framing) {
    const auto& head = upstream.head;
    const auto status = head.status;
    const bool known_length =
        framing.kind == http::body_kind::length || framing.kind == http::body_kind::none;
    const bool chunked = !known_length && head_.minor == 1;
    if (!known_length && !chunked) close_ = true;

    char date[http::date_size];
    http::write_date(loop_.shared.clock.wall(), date);
    text_.clear();
    http::write_client_head(head, {date, sizeof date}, false, text_);
    if (framing.kind == http::body_kind::length) {
        char digits[24];
        text_.append("Content-Length: ")
            .append(digits, std::to_chars(digits, digits + sizeof digits, framing.length).ptr)
            .append("\r\n");
    } else if (framing.kind == http::body_kind::none && (exchange_.is_head() || status == 304) &&
               head.fields.has(http::field_id::content_length)) {
        // What a GET would have had (RFC 9110, section 8.6).
        text_.append("Content-Length: ")
            .append(head.fields.value(http::field_id::content_length))
            .append("\r\n");
    } else if (chunked) {
        text_ += "Transfer-Encoding: chunked\r\n";
    }
    // From here on the head's views are not used: the buffer moves on.
    const bool reusable =
        http::keeps_alive(head.minor, head.fields) && framing.kind != http::body_kind::until_close;
    append_dynamic_fields(text_, nullptr);
    upstream.in.consume(head.size);

    body_source source(upstream.io, upstream.in, framing, loop_.cfg.upstream_idle_timeout);
    std::vector<asio::const_buffer> gather;
    gather.emplace_back(text_.data(), text_.size());
    char size_line[20];
    pieces_.clear();
    bool client_gone = false;
    bool sound = source.take_buffered(pieces_);
    if (!sound) {
        loop_.counters.add(counter::upstream_errors);
        exchange_.outcome().detail = describe(errc::upstream_malformed);
    }
    for (;;) {
        std::size_t total = 0;
        for (const auto piece : pieces_) total += piece.size();
        if (chunked && total > 0) gather.emplace_back(size_line, http::write_chunk_size(size_line, total));
        for (const auto piece : pieces_) gather.emplace_back(piece.data(), piece.size());
        if (chunked && total > 0) gather.emplace_back("\r\n", 2);
        if (chunked && sound && source.done()) {
            gather.emplace_back(http::last_chunk.data(), http::last_chunk.size());
        }
        if (const auto ec = co_await io_.write(gather, loop_.cfg.write_timeout)) {
            if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_write);
            close_ = client_gone = true;
            break;
        }
        if (!sound || source.done()) break;
        gather.clear();
        asked_ = &upstream;
        const auto ec = co_await source.next(pieces_);
        asked_ = nullptr;
        if (client_gone_) {
            close_ = client_gone = true;
            break;
        }
        if (ec) {
            loop_.counters.add(counter::upstream_errors);
            if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_upstream_idle);
            exchange_.outcome().detail = describe(static_cast<errc>(body_error(ec).value()));
            sound = false;
            break;
        }
    }
    source.release_pieces();
    if (!sound) {
        // The client must see that the answer is not whole: no last chunk, fewer bytes than announced, or,
        // where the end of the connection is the end of the answer, no clean end.
        if (known_length || chunked) {
            io_.abort();
        } else {
            io_.reset();
        }
        close_ = true;
        unread_ = false;
    }
    log_access(status);
    co_return sound&& reusable && !client_gone && !upstream.spent;
}

task<void> session::upload_body(upload& up) {
    const struct tell {
        upload& up;
        ~tell() { up.ended.set(); }
    } at_end{up};
    body_source source(io_, in_, framing_, loop_.cfg.body_timeout);
    const bool chunked = framing_.kind == http::body_kind::chunked;
    std::vector<std::string_view> pieces;
    std::vector<asio::const_buffer> gather;
    char size_line[20];
    error_code ec;
    while (!source.done()) {
        ec = co_await source.next(pieces);
        if (ec) {
            up.client_error = ec == asio::error::eof || ec.category() != meshcache_category()
                                  ? error_code(errc::client_gone)
                                  : ec;
            break;
        }
        std::size_t total = 0;
        for (const auto piece : pieces) total += piece.size();
        gather.clear();
        if (chunked && total > 0) gather.emplace_back(size_line, http::write_chunk_size(size_line, total));
        for (const auto piece : pieces) gather.emplace_back(piece.data(), piece.size());
        if (chunked && total > 0) gather.emplace_back("\r\n", 2);
        if (chunked && source.done()) gather.emplace_back(http::last_chunk.data(), http::last_chunk.size());
        ec = co_await up.upstream.io.write(gather, loop_.cfg.upstream_idle_timeout);
        if (ec) break; // the upstream does not want more; its answer, if there is one, is being read
    }
    source.release_pieces();
    up.complete = !ec;
    if (up.client_error) {
        // Whoever waits for the upstream's answer waits in vain.
        up.upstream.io.abort();
    } else if (!up.answered) {
        up.upstream.io.read_deadline().arm(loop_.cfg.upstream_response_timeout);
    }
}

task<void> session::stop_upload(upload& up) {
    if (!up.ended.is_set()) {
        // The answer is over while the request is not: nothing more will be read from the client.
        up.upstream.io.abort();
        error_code ignored;
        io_.socket().cancel(ignored);
        (void)co_await up.ended.wait();
        if (up.client_error == errc::client_gone) up.client_error = {};
    }
}

} // namespace meshcache::net
