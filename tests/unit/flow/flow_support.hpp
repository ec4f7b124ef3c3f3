#pragma once
// What the tests of this floor share: a world of one replica (store, collapsing, clocks, settings) and the
// requests that visit it, made from text. Time stands still unless a test moves it.
#include <meshcache/flow/exchange.hpp>
#include <meshcache/flow/fill_end.hpp>
#include <meshcache/http/freshness.hpp>
#include <meshcache/store/vary.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace meshcache::flow {

/// How a failed check shows an action.
inline std::string_view name_of(action a) noexcept {
    switch (a) {
    case action::answer:
        return "answer";
    case action::refuse:
        return "refuse";
    case action::relay:
        return "relay";
    case action::sync:
        return "sync";
    case action::ask_remote:
        return "ask_remote";
    case action::wait:
        return "wait";
    case action::follow:
        return "follow";
    case action::fetch:
        return "fetch";
    case action::relay_response:
        return "relay_response";
    case action::share:
        return "share";
    case action::update:
        return "update";
    case action::fail:
        return "fail";
    }
    return "?";
}

template <class Stream>
Stream& operator<<(Stream& out, action a) {
    out << name_of(a);
    return out;
}

} // namespace meshcache::flow

namespace meshcache::flow::test {

/// Counts its calls.
struct counting_waker final : store::fill_waiter {
    void wake() noexcept override { ++calls; }
    std::atomic<int> calls{0};
};

/// Whether begin() takes such a pointer to a waker.
template <class Pointer>
concept begins_with = requires(exchange& x, const http::request_head& head, Pointer&& waker) {
    x.begin(head, http::request_uri{}, http::body_framing{}, wall_time{}, steady_time{},
            std::forward<Pointer>(waker));
};

/// One replica. Not copied or moved: exchanges refer to it.
struct world {
    static constexpr std::uint64_t us = 1, them = 2;

    store::cache cache{{.bytes = 4u << 20, .max_object = 64u << 10, .shards = 1, .seed = 7}};
    store::collapse collapse{64u << 10};
    exchange_settings settings{.cache = {}, .head_limits = {}, .max_object = 64u << 10};
    metrics_slab counters;
    store::hybrid_clock clock{us};
    wall_time now{seconds{1'700'000'000}};
    steady_time steady{std::chrono::hours{1}};

    void pass(milliseconds d) {
        now += d;
        steady += d;
    }
    store::version next() { return clock.next(now); }
    /// What another replica would have made now.
    store::version foreign() {
        const auto v = next();
        return {v.stamp, them};
    }
    /// As invalidate_target() of a session and an event of the change log do it.
    void purge(std::string_view key) { cache.raise_floor(cache.view(key), next()); }
    /// As the operator's purge of a group does it; `name`: see store::selector.
    void purge_group(std::string_view name) {
        cache.raise_group(*store::selector::parse(name), store::floor_bound::own(next(), milliseconds{0}));
    }
};

/// A request and its exchange. Not copied or moved: views point into it.
struct visitor {
    visitor(world& in, std::string_view start, std::string_view lines = {})
        : w(in), text(std::string(start) + " HTTP/1.1\r\nHost: a.example\r\n" + std::string(lines) + "\r\n"),
          x(in.settings, in.cache, in.collapse, nullptr) {
        if (http::parse_request_head(text, {}, head).state != http::parse_state::complete ||
            http::request_framing(head, framing) != http::framing_error::none ||
            http::split_uri(head, host, uri) != http::uri_error::none)
            throw std::invalid_argument("not a request: " + text);
    }
    visitor(const visitor&) = delete;
    visitor& operator=(const visitor&) = delete;

    action begin() { return last = x.begin(head, uri, framing, w.now, w.steady, waker); }
    action begin_strong() {
        return last = x.begin(head, uri, framing, w.now, w.steady, waker, true, consistency::strong);
    }
    action synced(bool good) { return last = x.on_synced(good, w.now); }
    action begin_behind() { return last = x.begin_behind(head, uri, w.now, w.steady); }
    action look() { return last = x.on_fill(w.now, false); }
    action time_out() { return last = x.on_fill(w.now, true); }
    /// Redis's answer to a look-up that began at `begun`.
    action remote(store::response_ptr r, const store::version& begun) {
        return last = x.on_remote(std::move(r), begun, w.now);
    }
    action remote(store::response_ptr r) { return remote(std::move(r), w.next()); }
    action fails(error_code error) { return x.on_failure(error, w.now); }

    /// The upstream's answer to a request that was sent at `version`: status line without the version,
    /// and lines, each ended by CRLF.
    action answered(std::string_view status, std::string_view lines, const store::version& version) {
        http::response_head response;
        const std::string bytes = "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(lines) + "\r\n";
        http::body_framing body;
        if (http::parse_response_head(bytes, {}, response).state != http::parse_state::complete ||
            http::response_framing(response, head.verb, body) != http::framing_error::none)
            throw std::invalid_argument("not a response: " + bytes);
        if (last == action::fetch) {
            // As the session does before it writes the request.
            const auto& asked = x.conditions(w.now);
            if_none_match = asked.if_none_match;
            if_modified_since = asked.if_modified_since;
            drops_conditions = asked.drop_conditionals;
        }
        if (const auto& f = x.fill()) f->set_asked(version);
        return last = x.on_response(response, body, version, w.now, w.now, w.steady);
    }
    action answered(std::string_view status, std::string_view lines) {
        return answered(status, lines, w.next());
    }
    action ok(std::string_view lines) { return answered("200 OK", lines); }

    /// After `share`: all content has come.
    filled finish(std::string_view content) {
        const auto f = x.take_fill();
        return finish_fill(*f, *x.stream_head(), std::span(&content, 1), w.cache, w.collapse, w.counters);
    }
    /// After `update`.
    filled finish_update() { return finish(x.basis()->content()); }
    /// The whole way of a miss, from begin() to the store.
    filled fetch(std::string_view lines, std::string_view content) {
        const auto first = begin();
        if (first == action::ask_remote && remote(nullptr) != action::fetch)
            throw std::logic_error("no fetch after Redis had nothing");
        if (first != action::ask_remote && first != action::fetch)
            throw std::logic_error("a fetch was expected, not " + std::string(name_of(first)));
        if (ok(lines) != action::share) throw std::logic_error("not stored");
        return finish(content);
    }

    std::string_view content() const { return x.response() ? x.response()->content() : "(no response)"; }
    std::string_view detail() const { return x.outcome().detail; }
    std::string status() const {
        std::string out;
        write_cache_status(x.outcome(), out);
        return out;
    }
    std::string key() const { return std::string(x.key().bytes); }

    world& w;
    const std::string text;
    http::request_head head;
    http::request_uri uri;
    http::body_framing framing;
    std::string host;
    std::shared_ptr<counting_waker> waker_of_ours = std::make_shared<counting_waker>();
    std::shared_ptr<store::fill_waiter> waker = waker_of_ours;
    action last = action::fail;
    std::string if_none_match, if_modified_since; ///< what the last request to the upstream asked
    bool drops_conditions = false;
    exchange x;
};

/// The primary key of `GET target`.
inline std::string key_of(std::string_view target) {
    std::string out;
    http::build_key({"http", "a.example", target}, "GET", out);
    return out;
}

/// The key of the variant that a request with these lines selects.
inline std::string variant_key_of(world& w, std::string_view target, std::string_view names,
                                  std::string_view lines) {
    const visitor v(w, "GET " + std::string(target), lines);
    std::string out = key_of(target);
    http::append_variant(names, v.head.fields, out);
    return out;
}

/// A record as it comes from Redis, fresh for `fresh_for` from now on.
inline store::response_ptr record(world& w, std::string_view key, std::string_view content,
                                  const store::version& version, seconds fresh_for = seconds{60}) {
    store::response_meta meta;
    meta.version = version;
    meta.status = 200;
    meta.life.response_time = w.now;
    meta.life.fresh_until = w.now + fresh_for;
    meta.life.stale_until = meta.life.error_until = meta.life.fresh_until;
    return store::stored_response::make(meta, key, w.cache.hash(key), "HTTP/1.1 200 OK\r\n",
                                        std::span(&content, 1));
}

/// The note of another replica at a primary key, whose first variant had that version.
inline store::response_ptr note_record(world& w, std::string_view key, std::string_view names,
                                       const store::version& version) {
    store::response_meta meta;
    meta.version = version;
    meta.life.fresh_until = meta.life.error_until = w.now + seconds{60};
    return store::make_vary_note(meta, key, w.cache.hash(key), names, nullptr);
}

} // namespace meshcache::flow::test
