// The part of a session that carries out what the exchange says, one action after the other.
#include "fetch_behind.hpp"
#include "fill_pump.hpp"
#include "remote_lookup.hpp"
#include "session.hpp"

#include <meshcache/http/uri_reference.hpp>

#include <algorithm>

namespace meshcache::net {

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
    refuse_status_ = repetitions_ = 0;
    client_gone_ = false;
    watch_.arm(client_watch::interval);

    for (bool over = false; !over;) {
        switch (next) {
        case flow::action::sync:
            next = co_await sync();
            break;
        case flow::action::ask_remote:
            next = co_await look_up_remotely(loop_, exchange_, news_, waker_, patience::wait);
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
        case flow::action::update:
            over = true;
            break; // fetch() has done it
        }
        if (repeats_) {
            repeats_ = over = false;
            ++repetitions_;
            next = exchange_.begin(head_, uri_, framing_, loop_.shared.clock.wall(), loop_.sweep.now(),
                                   waker_, loop_.in_sync(), loop_.cfg.consistency);
        }
    }
    fetch_behind_answer();
    if (framing_.kind == http::body_kind::none) in_.consume(head_size);
    exchange_.reset();
    io_.read_deadline().clear();
    watch_.clear();
}

/// The exchange ends without an answer, because nobody waits for it any more.
flow::action session::abandon() {
    (void)exchange_.on_failure(cut_ ? errc::shutting_down : errc::client_gone, loop_.shared.clock.wall());
    close_ = true;
    unread_ = false;
    log_access(cut_ ? 503 : 499);
    return flow::action::relay_response;
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

/// What a successful unsafe request makes out of date: its target, and what the answer names of the same
/// origin (RFC 9111, section 4.4). Returns the floor that was raised.
task<store::version> session::invalidate_target(const http::response_head& answer) {
    auto& shared = loop_.shared;
    const auto floor = shared.versions.next(shared.clock.wall());
    std::vector<store::selector> keys;
    const auto raise = [&](std::string_view key) {
        invalidate(loop_, key, floor);
        if (exchange_.is_strong())
            keys.push_back({.kind = store::selector_kind::key, .host = {}, .text = std::string(key)});
    };
    raise(exchange_.primary_key());
    for (const auto& f : answer.fields) {
        if (f.id != http::field_id::location && f.id != http::field_id::content_location) continue;
        std::string path_query, key;
        if (!http::resolve_same_origin(uri_, f.value, path_query)) continue;
        exchange_.key_of_path(path_query, key);
        if (key != exchange_.primary_key()) raise(key);
    }
    if (!keys.empty()) co_await floors_settled(std::move(keys), floor);
    co_return floor;
}

/// The request's head is still in its buffer.
void session::fetch_behind_answer() {
    if (!exchange_.wants_fetch_behind()) return;
    const auto head = framing_.kind == http::body_kind::none ? in_.view().substr(0, head_.size)
                                                             : std::string_view(head_copy_);
    fetch_behind(loop_, exchange_.key().hash, head, std::string(client_), std::string(local_port_));
}

} // namespace meshcache::net
