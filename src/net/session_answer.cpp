// The part of a session that writes answers of its own, and those that the store or a fill holds.
#include "chunk_gather.hpp"
#include "session.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/reuse.hpp>
#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/validation.hpp>

#include <charconv>
#include <cstring>

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

void session::append_dynamic_fields(std::string& out, const http::lifetime* life) {
    if (life != nullptr) {
        const auto age = http::current_age(*life, loop_.shared.clock.wall());
        if (age.count() > 0 || exchange_.outcome().hit) {
            out += "Age: ";
            append_number(out, age.count());
            out += "\r\n";
        }
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
    if (outcome.hit && !outcome.from_redis && outcome.detail.empty() && head_.minor == 1 && !close_) {
        const auto age = http::current_age(response.meta().life, loop_.shared.clock.wall());
        end = put(end, "Age: ");
        end = put(end, age.count());
        end = put(end, "\r\nCache-Status: meshcache; hit; ttl=");
        end = put(end, outcome.ttl.value_or(0));
        end = put(end, "\r\n\r\n");
    } else {
        text_.clear();
        append_dynamic_fields(text_, &response.meta().life);
        end = put(end, std::string_view(text_).substr(
                           0, tail_room)); // it is below 200 bytes: see write_cache_status
    }
    tails_used_ += static_cast<std::size_t>(end - begin);
    return {begin, static_cast<std::size_t>(end - begin)};
}

/// The head of a 304 if the request's conditions, held against `response`, ask for one; else empty.
std::string_view session::not_modified(const store::stored_response& response) {
    const auto now = loop_.shared.clock.wall();
    if (!http::read_stored_head(response.head(), stored_head_)) return {};
    if (http::evaluate_preconditions(head_.fields, head_.verb, stored_head_,
                                     response.meta().life.response_time,
                                     now) != http::precondition::not_modified) {
        return {};
    }
    auto& text = made_.emplace_back();
    http::write_not_modified_head(stored_head_, text);
    return text;
}

void session::queue_stored(store::response_ptr response) {
    sent_before_ = io_.bytes_written();
    const auto short_head = http::is_conditional(head_.fields) ? not_modified(*response) : std::string_view{};
    const auto head = short_head.empty() ? response->head() : short_head;
    const auto fields = hit_fields(*response);
    const bool no_content = exchange_.is_head() || !short_head.empty();
    const auto content = no_content ? std::string_view{} : response->content();
    out_.emplace_back(head.data(), head.size());
    out_.emplace_back(fields.data(), fields.size());
    if (!content.empty()) out_.emplace_back(content.data(), content.size());
    const int status = short_head.empty() ? response->meta().status : 304;
    const auto queued = head.size() + fields.size() + content.size();
    holders_.push_back(std::move(response));
    queued_bytes_ += queued;
    log_access(status, queued);
}

bool session::queue_full() const noexcept { return holders_.size() >= batch || queued_bytes_ >= most_queued; }

void session::forget_queue() noexcept {
    out_.clear();
    holders_.clear();
    made_.clear();
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
    }
}

task<void> session::follow() {
    const auto head = exchange_.stream_head();
    auto& reader = exchange_.reader();
    const bool chunked = !head->content_length && head_.minor == 1;
    if (!head->content_length && head_.minor == 0) close_ = true;
    sent_before_ = io_.bytes_written();

    std::vector<asio::const_buffer> gather;
    std::array<std::string_view, 16> pieces;
    chunk_line size_line;
    bool head_sent = false;
    std::uint64_t sent = 0;
    for (;;) {
        news_.clear();
        const auto view = reader.look();
        const bool broken =
            view.cut || view.state == store::fill_state::failed || view.state == store::fill_state::released;
        if (broken && !head_sent) {
            const auto next = exchange_.on_failure(view.error, loop_.shared.clock.wall());
            exchange_.outcome().stored = false;
            if (next == flow::action::answer) co_return co_await answer_stored();
            co_return co_await answer_generated(failure_status(exchange_.error()),
                                                exchange_.outcome().detail);
        }
        auto count = broken ? 0 : reader.peek(pieces);
        if (view.at_end && view.response && sent < view.response->content().size()) {
            // A small answer is completed as it was stored, without having been streamed.
            pieces[0] = view.response->content().substr(static_cast<std::size_t>(sent));
            count = 1;
        }
        gather.clear();
        if (!head_sent) {
            text_.assign(head->text);
            if (head->content_length) {
                text_ += "Content-Length: ";
                append_number(text_, static_cast<std::int64_t>(*head->content_length));
                text_ += "\r\n";
            } else if (chunked) {
                text_ += "Transfer-Encoding: chunked\r\n";
            }
            append_dynamic_fields(text_, &head->meta.life);
            gather.emplace_back(text_.data(), text_.size());
            head_sent = true;
        }
        const auto total =
            append_content(gather, std::span(pieces.data(), count), chunked, view.at_end, size_line);
        if (!gather.empty()) {
            const auto ec = co_await io_.write(gather, loop_.cfg.write_timeout);
            reader.consume(total);
            sent += total;
            if (ec) {
                if (ec == errc::client_timeout) loop_.counters.add(counter::timeout_write);
                close_ = true;
                break;
            }
        }
        if (view.at_end) break;
        if (broken) {
            // What was sent must not look complete: no last chunk, fewer bytes than announced, or, where the
            // end of the connection is the end of the answer, no clean end.
            exchange_.outcome().detail = view.cut ? "too-slow" : describe(errc::upstream_truncated);
            if (head->content_length || chunked) {
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
    log_access(head->meta.status);
}

} // namespace meshcache::net
