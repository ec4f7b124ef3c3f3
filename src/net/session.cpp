#include "session.hpp"

#include <meshcache/http/admission.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <cerrno>
#include <sys/socket.h>

namespace meshcache::net {
namespace {

counter counter_of(http::head_error e) noexcept {
    switch (e) {
    case http::head_error::too_large:
        return counter::requests_head_too_large;
    case http::head_error::too_many_fields:
        return counter::requests_too_many_fields;
    case http::head_error::target_too_long:
        return counter::requests_target_too_long;
    default:
        return counter::requests_malformed;
    }
}

} // namespace

void session_waker::wake() noexcept {
    if (posted_.exchange(true, std::memory_order_acq_rel)) return;
    asio::post(ex_, [self = shared_from_this()] {
        self->posted_.store(false, std::memory_order_release);
        if (self->target_ != nullptr) self->target_->set();
    });
}

session::session(loop_context& loop, stream_socket socket, std::string client, std::string local_port)
    : loop_(loop), io_(std::move(socket), loop.sweep), watch_(loop.sweep, *this), client_(std::move(client)),
      local_port_(std::move(local_port)), news_(loop.ex),
      exchange_(loop.cfg.exchange, loop.shared.cache, loop.shared.collapse, &loop.shared.fill_budget) {
    auto waker = std::make_shared<session_waker>(loop.ex, news_);
    own_waker_ = waker.get();
    waker_ = std::move(waker);
    out_.reserve(batch * 3);
    holders_.reserve(batch);
}

session::~session() {
    exchange_.reset();
    own_waker_->detach();
    count_bytes();
}

void session::count_bytes() noexcept {
    loop_.counters.add(counter::client_bytes_in, io_.bytes_read() - counted_in_);
    loop_.counters.add(counter::client_bytes_out, io_.bytes_written() - counted_out_);
    counted_in_ = io_.bytes_read();
    counted_out_ = io_.bytes_written();
}

void session::begin_drain() noexcept {
    close_ = true;
    // Answers that are queued or half written are in progress, too.
    if (!busy_ && in_.empty() && out_.empty()) io_.abort();
}

void session::abort() noexcept {
    cut_ = cut_ || !client_gone_;
    close_ = client_gone_ = true;
    io_.abort();
    news_.set();
}

void session::check_client() noexcept {
    char byte;
    const auto n = ::recv(io_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0 || (n < 0 && errno == EAGAIN)) {
        watch_.arm(client_watch::interval);
        return;
    }
    // Nobody is left to answer. A fetch that others may share goes on; one for this client alone does not.
    client_gone_ = true;
    if (asked_ != nullptr) asked_->io.abort();
    news_.set();
}

task<void> session::run() {
    for (;;) {
        flow::action next{};
        switch (serve_buffered(next)) {
        case step::need_bytes:
            if (!flush_at_once()) {
                if (!co_await flush()) co_return;
            }
            if (!co_await read_more()) co_return;
            if (!in_.empty()) continue; // a request has begun, and is answered even if it is to be the last
            break;
        case step::flush:
            if (!flush_at_once()) {
                if (!co_await flush()) co_return;
            }
            break;
        case step::work:
            busy_ = true;
            if (!flush_at_once()) {
                // No fetch that others wait for may hang on how fast this client reads.
                exchange_.reset();
                if (!co_await flush()) co_return;
                next = exchange_.begin(head_, uri_, framing_, loop_.shared.clock.wall(), loop_.sweep.now(),
                                       waker_, loop_.in_sync(), loop_.cfg.consistency);
            }
            co_await perform(next);
            busy_ = false;
            break;
        case step::refuse:
            if (!flush_at_once()) {
                if (!co_await flush()) co_return;
            }
            loop_.counters.add(refuse_counter_);
            close_ = unread_ = true;
            exchange_.reset();
            exchange_.outcome().detail = refuse_why_;
            co_await answer_generated(refuse_status_, refuse_why_);
            break;
        }
        if (close_) {
            error_code ignored;
            const bool more = !in_.empty() || io_.socket().available(ignored) > 0;
            if (unread_ || more) co_await linger();
            io_.shutdown_send();
            co_return;
        }
    }
}

session::step session::refused(int status, std::string_view why, counter reason) noexcept {
    refuse_counter_ = reason;
    refuse_status_ = status;
    refuse_why_ = why;
    return step::refuse;
}

session::step session::serve_buffered(flow::action& next) {
    while (!in_.empty()) {
        const auto parsed = http::parse_request_head(in_.view(), loop_.cfg.head_limits, head_);
        if (parsed.state == http::parse_state::incomplete) return step::need_bytes;
        if (parsed.state == http::parse_state::malformed) {
            return refused(http::response_status(parsed.error), http::describe(parsed.error),
                           counter_of(parsed.error));
        }
        if (head_started_) {
            head_started_ = false;
            io_.read_deadline().clear();
        }
        const auto behind = in_.view().substr(head_.size);
        if (const auto bad = http::examine_request(head_, behind, host_buffer_, uri_, framing_)) {
            return refused(bad.status, bad.why);
        }

        ++requests_;
        close_ = close_ || !http::keeps_alive(head_.minor, head_.fields) || loop_.draining;
        if (!close_ && loop_.cfg.max_requests_per_connection != 0 &&
            requests_ >= loop_.cfg.max_requests_per_connection) {
            close_ = true;
            loop_.counters.add(counter::connections_used_up);
        }
        began_ = {};
        if (loop_.access.wants(true)) began_ = std::chrono::steady_clock::now();

        next = exchange_.begin(head_, uri_, framing_, loop_.shared.clock.wall(), loop_.sweep.now(), waker_,
                               loop_.in_sync(), loop_.cfg.consistency);
        if (next != flow::action::answer || framing_.kind != http::body_kind::none) {
            if (began_ == std::chrono::steady_clock::time_point{}) began_ = std::chrono::steady_clock::now();
            return step::work;
        }
        queue_stored(exchange_.response());
        fetch_behind_answer();
        in_.consume(head_.size);
        if (close_ || queue_full()) return step::flush;
    }
    return step::need_bytes;
}

task<bool> session::read_more() {
    constexpr std::size_t first_buffer = 4096;
    const bool idle = in_.empty();
    if (idle) {
        if (close_) co_return true;
        if (in_.capacity() > first_buffer) in_.release();
        count_bytes();
        io_.read_deadline().arm(requests_ == 0 ? loop_.cfg.header_timeout : loop_.cfg.keepalive_timeout);
    } else if (!head_started_) {
        // One deadline for the whole head, however many pieces it comes in.
        head_started_ = true;
        io_.read_deadline().arm(loop_.cfg.header_timeout);
    }
    const auto room = in_.prepare(first_buffer, loop_.cfg.head_limits.max_bytes + 1);
    auto [error, n] = co_await io_.socket().async_read_some(asio::buffer(room.data(), room.size()), use_task);
    const auto ec = io_.after_read(error, n);
    if (!ec) {
        in_.commit(n);
        // It was for what has come now; an exchange has deadlines of its own.
        if (idle) io_.read_deadline().clear();
        co_return true;
    }
    if (ec == errc::client_timeout) {
        if (idle) {
            loop_.counters.add(counter::timeout_keepalive);
        } else {
            loop_.counters.add(counter::timeout_header);
            close_ = true;
            exchange_.reset();
            io_.forget_timeout();
            refuse_status_ = 408;
            exchange_.outcome().detail = describe(errc::client_timeout);
            co_await answer_generated(408, "the request's head took too long");
        }
    }
    co_return false;
}

task<void> session::linger() {
    // Closing with unread bytes makes the kernel send RST, which can destroy the answer before the client has
    // read it (RFC 9112, section 9.6). So: FIN first, then read and forget for a bounded time and amount.
    constexpr std::size_t most = 256 * 1024;
    io_.shutdown_send();
    std::array<char, 4096> sink;
    io_.read_deadline().arm(milliseconds{2000});
    for (std::size_t total = 0; total < most;) {
        error_code ec;
        const auto n = co_await io_.read_some(sink, ec);
        if (ec) break;
        total += n;
    }
    io_.read_deadline().clear();
}

} // namespace meshcache::net
