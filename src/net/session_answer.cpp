// The part of a session that writes answers of its own, and those that the store or a fill holds.
#include "chunk_gather.hpp"
#include "session.hpp"

#include <meshcache/base/test_hooks.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/reuse.hpp>
#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/validation.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace meshcache::net {
namespace {

char* put(char* out, std::string_view text) noexcept {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

char* put(char* out, std::int64_t n) noexcept { return std::to_chars(out, out + 20, n).ptr; }

void append_number(std::string& out, std::int64_t n) {
    char digits[20];
    out.append(digits, put(digits, n));
}

} // namespace

void session::count_status(int status) noexcept {
    switch (status / 100) {
    case 1:
        loop_.counters.add(counter::responses_1xx);
        break;
    case 2:
        loop_.counters.add(counter::responses_2xx);
        break;
    case 3:
        loop_.counters.add(counter::responses_3xx);
        break;
    case 4:
        loop_.counters.add(counter::responses_4xx);
        break;
    default:
        loop_.counters.add(counter::responses_5xx);
        break;
    }
}

void session::log_access(int status, std::uint64_t queued) {
    const auto& outcome = exchange_.outcome();
    loop_.counters.add(flow::counter_of(outcome));
    count_status(status);
    if (!loop_.access.wants(outcome.hit && !outcome.rejected)) return;
    loop_.access.write({.client = client_,
                        .method = head_.method_text,
                        .host = uri_.host,
                        .target = uri_.path_query,
                        .status = status,
                        .bytes = io_.bytes_written() - sent_before_ + queued,
                        .took = std::chrono::steady_clock::now() - began_,
                        .outcome = &outcome});
}

/// What is known of a request that was refused before it was understood. Its bytes are still in the buffer.
void session::log_refused(int status) {
    if (!loop_.access.wants(false)) return;
    (void)http::parse_request_head(in_.view(), loop_.cfg.head_limits, head_);
    loop_.access.write({.client = client_,
                        .method = head_.method_text,
                        .host = head_.fields.value(http::field_id::host),
                        .target = head_.target,
                        .status = status,
                        .bytes = io_.bytes_written() - sent_before_,
                        .took = {},
                        .outcome = &exchange_.outcome()});
}

void session::append_dynamic_fields(std::string& out, const store::response_meta* stored) {
    if (stored != nullptr) {
        const auto age = http::current_age(stored->life, loop_.shared.clock.wall());
        if (age.count() > 0 || exchange_.outcome().hit) {
            out += "Age: ";
            append_number(out, age.count());
            out += "\r\n";
        }
    }
    if (versions_are_shown && stored != nullptr) {
        out += "Meshcache-Version: ";
        out += stored->version.to_string();
        out += "\r\n";
    }
    out += "Cache-Status: ";
    flow::write_cache_status(exchange_.outcome(), out);
    out += "\r\n";
    if (close_) {
        out += "Connection: close\r\n";
    } else if (head_.minor == 0) {
        out += "Connection: keep-alive\r\n";
    }
    out += "\r\n";
}

std::string_view session::hit_fields(const store::stored_response& response) {
    char* const begin = tails_.data() + tails_used_;
    const auto& outcome = exchange_.outcome();
    char* end = begin;
    if (!versions_are_shown && outcome.hit && !outcome.from_redis && outcome.detail.empty() &&
        head_.minor == 1 && !close_) {
        const auto age = http::current_age(response.meta().life, loop_.shared.clock.wall());
        end = put(end, "Age: ");
        end = put(end, age.count());
        end = put(end, "\r\nCache-Status: meshcache; hit; ttl=");
        end = put(end, outcome.ttl.value_or(0));
        end = put(end, "\r\n\r\n");
    } else {
        text_.clear();
        append_dynamic_fields(text_, &response.meta());
        end = put(end, std::string_view(text_).substr(
                           0, tail_room)); // it is below 200 bytes: see write_cache_status
    }
    tails_used_ += static_cast<std::size_t>(end - begin);
    return {begin, static_cast<std::size_t>(end - begin)};
}

/// The content is what lies within `spans` of the stored content, between the texts of `parts` if there are
/// several.
struct session::selection {
    std::string_view head;
    int status = 0;
    std::array<http::byte_span, http::most_spans> spans;
    std::size_t count = 0;
    const http::multipart_ranges* parts = nullptr;
};

/// Conditions come first, and then ranges (RFC 9110, section 13.2.2).
void session::select(const store::stored_response& response, selection& out) {
    const auto content = response.content();
    out.head = response.head();
    out.status = response.meta().status;
    out.spans[0] = {0, content.size()};
    out.count = exchange_.is_head() || content.empty() ? 0 : 1;

    const bool conditional = http::is_conditional(head_.fields);
    const bool ranged = head_.fields.has(http::field_id::range);
    if (!(conditional || ranged) || !http::read_stored_head(response.head(), stored_head_)) return;
    const auto now = loop_.shared.clock.wall();
    if (conditional && http::evaluate_preconditions(head_.fields, head_.verb, stored_head_,
                                                    response.meta().life.response_time,
                                                    now) == http::precondition::not_modified) {
        auto& text = made_.emplace_back();
        http::write_not_modified_head(stored_head_, text);
        out = {.head = text, .status = 304, .spans = {}, .count = 0, .parts = nullptr};
        return;
    }
    const auto ranges = http::select_ranges(head_.fields, head_.verb, stored_head_, content.size(), now);
    switch (ranges.what()) {
    case http::requested_ranges::kind::whole:
        return;
    case http::requested_ranges::kind::unsatisfiable: {
        auto& text = made_.emplace_back();
        http::write_unsatisfiable_head(content.size(), http::format_date(now), text);
        out = {.head = text, .status = 416, .spans = {}, .count = 0, .parts = nullptr};
        return;
    }
    case http::requested_ranges::kind::partial:
        break;
    }
    const auto spans = ranges.spans();
    auto& text = made_.emplace_back();
    if (spans.size() == 1) {
        http::write_partial_head(stored_head_, spans[0], content.size(), text);
    } else {
        const auto& parts =
            parts_.emplace_back(stored_head_, spans, content.size(),
                                http::make_boundary(loop_.shared.random(), loop_.shared.random()));
        parts.write_head(stored_head_, text);
        out.parts = &parts;
    }
    out.head = text;
    out.status = 206;
    std::copy(spans.begin(), spans.end(), out.spans.begin());
    out.count = spans.size();
}

void session::queue_stored(store::response_ptr response) {
    sent_before_ = io_.bytes_written();
    selection chosen;
    select(*response, chosen);
    const auto fields = hit_fields(*response);
    std::size_t queued = 0;
    const auto add = [&](std::string_view bytes) {
        out_.emplace_back(bytes.data(), bytes.size());
        queued += bytes.size();
    };
    add(chosen.head);
    add(fields);
    for (std::size_t i = 0; i < chosen.count; ++i) {
        if (chosen.parts != nullptr) add(chosen.parts->part_head(i));
        const auto& span = chosen.spans[i];
        add(response->content().substr(static_cast<std::size_t>(span.begin),
                                       static_cast<std::size_t>(span.size())));
    }
    if (chosen.parts != nullptr) add(chosen.parts->closing());
    holders_.push_back(std::move(response));
    queued_bytes_ += queued;
    log_access(chosen.status, queued);
}

bool session::queue_full() const noexcept { return holders_.size() >= batch || queued_bytes_ >= most_queued; }

void session::forget_queue() noexcept {
    out_.clear();
    holders_.clear();
    // Both are empty for nearly every hit, and to clear an empty deque costs more than to look.
    if (!made_.empty()) made_.clear();
    if (!parts_.empty()) parts_.clear();
    tails_used_ = queued_bytes_ = 0;
}

bool session::flush_at_once() {
    if (out_.empty()) return true;
    error_code ec;
    const auto n = io_.write_now(out_, ec);
    if (n != asio::buffer_size(out_)) {
        // The rest, or the error, is flush()'s.
        const auto left = drop_front(out_, n);
        out_.erase(out_.begin(), out_.end() - static_cast<std::ptrdiff_t>(left.size()));
        return false;
    }
    forget_queue();
    return true;
}

task<bool> session::flush() {
    const auto ec = co_await io_.write(out_, loop_.cfg.write_timeout);
    forget_queue();
    if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_write);
    co_return !ec;
}

task<void> session::answer_stored() {
    if (exchange_.is_strong()) {
        const bool good = co_await may_answer(exchange_.response(), exchange_.stream_head());
        if (!good) co_return;
    }
    queue_stored(exchange_.response());
    if (flush_at_once()) co_return;
    const bool sent = co_await flush();
    if (!sent) close_ = true;
}

task<void> session::answer_generated(int status, std::string_view why) {
    sent_before_ = io_.bytes_written();
    const auto reason = http::reason_phrase(status);
    std::string content;
    content.append(std::to_string(status)).append(" ").append(reason);
    if (!why.empty()) content.append(": ").append(why);
    content += '\n';

    text_.assign("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason).append("\r\nDate: ");
    text_ += http::format_date(loop_.shared.clock.wall());
    text_ += "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ";
    append_number(text_, static_cast<std::int64_t>(content.size()));
    text_ += "\r\nVia: 1.1 meshcache\r\nCache-Control: no-store\r\n";
    append_dynamic_fields(text_, nullptr);
    if (!exchange_.is_head()) text_ += content;
    const auto ec = co_await io_.write(text_, loop_.cfg.write_timeout);
    if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_write);
    if (ec) close_ = true;
    if (refuse_status_ == 0) {
        log_access(status);
    } else {
        count_status(status);
        log_refused(status);
    }
}

/// What a request gets of an answer whose content is still coming: the whole, one span of it, or none.
struct session::stream_part {
    std::string head; ///< without Content-Length where that is not known yet
    int status = 0;
    http::byte_span span; ///< of the content
    bool chunked = false;
    bool delimited_by_length = false;
};

session::stream_part session::select_of_stream(const store::streamed_head& head) {
    stream_part out;
    out.status = head.meta.status;
    out.span = {0, head.content_length.value_or(std::numeric_limits<std::uint64_t>::max())};
    out.chunked = !head.content_length && head_.minor == 1;
    out.delimited_by_length = head.content_length.has_value();
    const bool conditional = http::is_conditional(head_.fields);
    const bool ranged = head_.fields.has(http::field_id::range) && head.content_length;
    if ((conditional || ranged) && http::read_stored_head(head.text, stored_head_)) {
        const auto now = loop_.shared.clock.wall();
        if (conditional &&
            http::evaluate_preconditions(head_.fields, head_.verb, stored_head_, head.meta.life.response_time,
                                         now) == http::precondition::not_modified) {
            http::write_not_modified_head(stored_head_, out.head);
            out.status = 304;
            out.span = {};
            out.chunked = false;
            return out;
        }
        // Several spans would have to be held until the last has come: the whole is as good an answer.
        if (ranged) {
            const auto ranges =
                http::select_ranges(head_.fields, head_.verb, stored_head_, *head.content_length, now);
            if (ranges.what() == http::requested_ranges::kind::partial && ranges.spans().size() == 1) {
                out.status = 206;
                out.span = ranges.spans()[0];
                http::write_partial_head(stored_head_, out.span, *head.content_length, out.head);
                return out;
            }
        }
    }
    out.head = head.text;
    if (head.content_length && head.meta.status != 204) { // RFC 9110, section 8.6
        out.head += "Content-Length: ";
        append_number(out.head, static_cast<std::int64_t>(*head.content_length));
        out.head += "\r\n";
    } else if (out.chunked) {
        out.head += "Transfer-Encoding: chunked\r\n";
    }
    return out;
}

/// Cuts off what lies outside of `span` from pieces that begin at `at` in the content.
void clip(std::span<std::string_view> pieces, std::uint64_t at, const http::byte_span& span) noexcept {
    for (auto& piece : pieces) {
        const auto begin = at;
        at += piece.size();
        const auto from = std::clamp(span.begin, begin, at);
        const auto to = std::clamp(span.end, from, at);
        piece = piece.substr(static_cast<std::size_t>(from - begin), static_cast<std::size_t>(to - from));
    }
}

/// Cuts the pieces off after `n` bytes; returns how many pieces are left.
std::size_t cut_off(std::span<std::string_view> pieces, std::uint64_t n) noexcept {
    std::size_t count = 0;
    for (auto& piece : pieces) {
        if (n == 0) break;
        piece = piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), n)));
        n -= piece.size();
        ++count;
    }
    return count;
}

task<void> session::follow() {
    const auto head = exchange_.stream_head();
    auto& reader = exchange_.reader();
    auto part = select_of_stream(*head);
    const bool delimited = part.chunked || head->content_length || part.status == 304;
    if (!delimited) close_ = true;
    sent_before_ = io_.bytes_written();

    std::vector<asio::const_buffer> gather;
    std::array<std::string_view, 16> pieces;
    chunk_line size_line;
    bool head_sent = false;
    std::uint64_t position = 0; ///< in the content
    // The last byte is held back until Redis has the response.
    bool holds_back = exchange_.is_strong(), refused = false;
    for (;;) {
        news_.clear();
        const auto view = reader.look();
        if (holds_back && view.state == store::fill_state::complete) {
            holds_back = false;
            if (!head_sent) {
                const bool good = co_await may_answer(view.response, head);
                if (!good) co_return;
            } else {
                const auto what = co_await settled(view.response, head, true);
                refused = what == ending::refuse;
            }
        }
        const bool broken = view.cut || view.state == store::fill_state::failed ||
                            view.state == store::fill_state::released || refused;
        // Nor is a head sent alone: what is refused before anything was sent may begin anew.
        if (holds_back && !broken && (part.span.size() == 0 || (!head_sent && view.available == 0))) {
            (void)co_await news_.wait();
            continue;
        }
        if (broken && !head_sent) {
            const auto next = exchange_.on_failure(view.error, loop_.shared.clock.wall());
            exchange_.outcome().stored = false;
            if (next == flow::action::answer) co_return co_await answer_stored();
            co_return co_await answer_generated(failure_status(exchange_.error()),
                                                exchange_.outcome().detail);
        }
        auto count = broken ? 0 : reader.peek(pieces);
        if (!broken && view.at_end && view.response && position < view.response->content().size()) {
            // A small answer is completed as it was stored, without having been streamed.
            pieces[0] = view.response->content().substr(static_cast<std::size_t>(position));
            count = 1;
        }
        if (holds_back && part.delimited_by_length)
            count = cut_off(std::span(pieces.data(), count),
                            part.span.end - 1 - std::min(position, part.span.end - 1));
        const std::span<std::string_view> taken(pieces.data(), count);
        std::uint64_t total = 0;
        for (const auto piece : taken) total += piece.size();
        clip(taken, position, part.span);
        const bool last = !broken && (view.at_end || position + total >= part.span.end);
        gather.clear();
        if (!head_sent) {
            append_dynamic_fields(part.head, &head->meta);
            gather.emplace_back(part.head.data(), part.head.size());
            head_sent = true;
        }
        (void)append_content(gather, taken, part.chunked, last, size_line);
        error_code ec;
        if (asio::buffer_size(gather) > 0) ec = co_await io_.write(gather, loop_.cfg.write_timeout);
        reader.consume(static_cast<std::size_t>(total));
        position += total;
        if (ec) {
            if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_write);
            close_ = true;
            break;
        }
        if (last) break;
        if (broken) {
            // What was sent must not look complete: no last chunk, fewer bytes than announced, or, where the
            // end of the connection is the end of the answer, no clean end.
            exchange_.outcome().detail = refused    ? "unconfirmed"
                                         : view.cut ? "too-slow"
                                                    : describe(errc::upstream_truncated);
            if (delimited) {
                io_.abort();
            } else {
                io_.reset();
            }
            close_ = true;
            break;
        }
        if (client_gone_) {
            close_ = true;
            break;
        }
        if (total == 0) (void)co_await news_.wait();
    }
    log_access(part.status);
}

} // namespace meshcache::net
