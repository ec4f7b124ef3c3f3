// The part of a session that passes an answer's content on: to its client alone, or to the fill that it
// feeds.
#include "chunk_gather.hpp"
#include "fill_pump.hpp"
#include "session.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/trailers.hpp>

#include <charconv>

namespace meshcache::net {

task<void> session::share_response(upstream_lease lease, const http::body_framing& framing) {
    const bool reusable = http::keeps_alive(lease->head.minor, lease->head.fields) &&
                          framing.kind != http::body_kind::until_close && !lease->spent;
    lease->in.consume(lease->head.size);
    auto f = exchange_.take_fill();
    store::fetcher_guard guard(loop_.shared.collapse, f);
    const auto head = exchange_.stream_head();

    if (auto ended = end_fill_at_once(loop_, lease, framing, reusable, *f, *head, pieces_); ended.answer) {
        exchange_.answer_with(std::move(ended.answer));
        exchange_.note_stored(ended.stored);
        co_return co_await answer_stored();
    }
    exchange_.reader() = store::fill_reader(f, waker_);
    pumped_uri uri{std::string(uri_.host), std::string(uri_.path_query)};
    loop_.spawn_behind(
        pump_fill(loop_, std::move(lease), framing, reusable, std::move(guard), head, std::move(uri)));
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
    http::trailer_filter filter;
    if (chunked && http::accepts_trailers(head_)) {
        filter = http::trailer_filter::of_response(head.fields);
        http::append_trailer_field(head.fields, text_);
    }
    // From here on the head's views are not used: the buffer moves on.
    const bool reusable =
        http::keeps_alive(head.minor, head.fields) && framing.kind != http::body_kind::until_close;
    append_dynamic_fields(text_, nullptr);
    upstream.in.consume(head.size);

    body_source source(upstream.io, upstream.in, framing, loop_.cfg.upstream_idle_timeout);
    gather_.clear();
    gather_.emplace_back(text_.data(), text_.size());
    chunk_line size_line;
    pieces_.clear();
    bool client_gone = false;
    bool sound = source.take_buffered(pieces_);
    if (!sound) {
        note_upstream_failure(errc::upstream_malformed);
        exchange_.outcome().detail = describe(errc::upstream_malformed);
    }
    std::string trailers;
    for (;;) {
        const bool last = sound && source.done();
        if (last) filter.append(source.trailers(), trailers);
        (void)append_content(gather_, pieces_, chunked, last, size_line, trailers);
        std::span<asio::const_buffer> unsent(gather_);
        auto sent = io_.write_at_once(unsent);
        if (!sent) sent = co_await io_.write(unsent, loop_.cfg.write_timeout);
        if (const auto ec = *sent) {
            if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_write);
            close_ = client_gone = true;
            break;
        }
        if (!sound || source.done()) break;
        gather_.clear();
        asked_ = &upstream;
        const auto ec = co_await source.next(pieces_);
        asked_ = nullptr;
        if (client_gone_) {
            close_ = client_gone = true;
            break;
        }
        if (ec) {
            note_upstream_failure(body_error(ec));
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
    const bool again = sound && reusable && !client_gone && !upstream.spent;
    co_return again;
}

} // namespace meshcache::net
