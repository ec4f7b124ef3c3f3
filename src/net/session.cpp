#include "session.hpp"

#include <meshcache/http/admission.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace meshcache::net {
namespace {

/// What a head is read into at first.
constexpr std::size_t first_buffer = 4096;

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

session::session(loop_context& loop)
    : loop_(loop), io_(loop.readiness, loop.sweep), watch_(loop.sweep, *this), news_(loop.ex),
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
}

void session::attach(const connection& client, descriptor socket, std::size_t requests) noexcept {
    io_.attach(std::move(socket));
    client_ = client.client();
    local_port_ = client.local_port();
    requests_ = requests;
}

descriptor session::detach() noexcept {
    loop_.counters.add(counter::client_bytes_in, io_.bytes_read());
    loop_.counters.add(counter::client_bytes_out, io_.bytes_written());
    // No response is held for the sake of a connection that is idle; the rest is what an end may leave.
    exchange_.reset();
    if (!out_.empty()) forget_queue();
    watch_.clear();
    in_.clear();
    if (in_.capacity() > first_buffer) in_.release();
    refuse_status_ = 0;
    close_ = client_gone_ = cut_ = head_started_ = unread_ = false;
    return io_.detach();
}

void session::abort() noexcept {
    cut_ = cut_ || !client_gone_;
    close_ = client_gone_ = true;
    io_.abort();
    news_.set();
}

void session::check_client() noexcept {
    if (io_.look() != stream::sight::end) {
        watch_.arm(client_watch::interval);
        return;
    }
    // Nobody is left to answer. A fetch that others may share goes on; one for this client alone does not.
    client_gone_ = true;
    if (asked_ != nullptr) asked_->io.abort();
    news_.set();
}

std::optional<session::state> session::read_first() {
    if (!io_.may_be_readable()) return state::idle;
    const auto room = in_.prepare(first_buffer, loop_.cfg.head_limits.max_bytes + 1);
    error_code ec;
    const auto n = io_.read_now(room, ec);
    if (ec == asio::error::would_block) return state::idle;
    if (ec) return state::over;
    in_.commit(n);
    return std::nullopt;
}

session::state session::serve_at_once() {
    constexpr int most_in_a_row = 4; // then others are served
    for (int i = 0; i < most_in_a_row; ++i) {
        if (const auto end = read_first()) return *end;
        bool flushed = false;
        do {
            step_ = serve_buffered();
            flushed = flush_at_once();
        } while (step_ == step::flush && flushed && !close_);
        if (step_ != step::need_bytes || !flushed || !in_.empty()) return state::busy;
    }
    return state::busy;
}

task<session::state> session::run() {
    constexpr int most_in_a_row = 16;
    for (int reads = 0;; step_ = serve_buffered()) {
        switch (step_) {
        case step::need_bytes:
            if (!flush_at_once()) {
                if (!co_await flush()) co_return state::over;
            }
            if (!in_.empty()) {
                // A request has begun, and is answered even if it is to be the last.
                if (!co_await read_more()) co_return state::over;
                continue;
            }
            if (++reads > most_in_a_row) {
                reads = 0;
                (void)co_await asio::post(loop_.ex, use_task);
            }
            if (close_) break;
            if (const auto end = read_first()) co_return *end;
            continue;
        case step::flush:
            if (!flush_at_once()) {
                if (!co_await flush()) co_return state::over;
            }
            break;
        case step::work:
            if (!flush_at_once()) {
                // No fetch that others wait for may hang on how fast this client reads.
                exchange_.reset();
                if (!co_await flush()) co_return state::over;
                next_ = exchange_.begin(head_, uri_, framing_, loop_.shared.clock.wall(), loop_.sweep.now(),
                                        waker_, loop_.in_sync(), loop_.cfg.consistency);
            }
            co_await perform(next_);
            break;
        case step::refuse:
            if (!flush_at_once()) {
                if (!co_await flush()) co_return state::over;
            }
            loop_.counters.add(refuse_counter_);
            close_ = unread_ = true;
            exchange_.reset();
            exchange_.outcome().detail = refuse_why_;
            co_await answer_generated(refuse_status_, refuse_why_);
            break;
        }
        if (close_) {
            if (!unread_) unread_ = !in_.empty() || io_.look() == stream::sight::bytes;
            if (unread_) co_await linger();
            io_.shutdown_send();
            co_return state::over;
        }
    }
}

session::step session::refused(int status, std::string_view why, counter reason) noexcept {
    refuse_counter_ = reason;
    refuse_status_ = status;
    refuse_why_ = why;
    return step::refuse;
}

session::step session::serve_buffered() {
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

        next_ = exchange_.begin(head_, uri_, framing_, loop_.shared.clock.wall(), loop_.sweep.now(), waker_,
                                loop_.in_sync(), loop_.cfg.consistency);
        if (next_ != flow::action::answer || framing_.kind != http::body_kind::none) {
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
    if (!head_started_) {
        // One deadline for the whole head, however many pieces it comes in.
        head_started_ = true;
        io_.read_deadline().arm(loop_.cfg.header_timeout);
    }
    const auto room = in_.prepare(first_buffer, loop_.cfg.head_limits.max_bytes + 1);
    error_code ec;
    const auto n = co_await io_.read_some(room, ec);
    if (!ec) {
        in_.commit(n);
        co_return true;
    }
    if (ec == errc::client_timeout) {
        loop_.counters.add(counter::timeout_header);
        close_ = true;
        exchange_.reset();
        io_.forget_timeout();
        refuse_status_ = 408;
        exchange_.outcome().detail = describe(errc::client_timeout);
        co_await answer_generated(408, "the request's head took too long");
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
