#include "fetch_behind.hpp"
#include "fill_pump.hpp"
#include "remote_lookup.hpp"
#include "session.hpp"
#include "upstream_head.hpp"

#include <meshcache/flow/exchange.hpp>
#include <meshcache/http/forwarding.hpp>

#include <algorithm>
#include <vector>

namespace meshcache::net {
namespace {

/// One such fetch: the request, what decides, and what is sent. Lives in its coroutine.
struct errand {
    loop_context& loop;
    std::uint64_t key; ///< for the pause after a failure
    std::string text;  ///< the request's head as it came; the views of `head` and `uri` point into it
    std::string client, local_port;
    std::string host_buffer;
    http::request_head head;
    http::request_uri uri;
    flow::exchange exchange;
    std::string upstream_text;

    errand(loop_context& l, std::uint64_t key_hash, std::string_view request, std::string client_address,
           std::string port)
        : loop(l), key(key_hash), text(request), client(std::move(client_address)),
          local_port(std::move(port)),
          exchange(l.cfg.exchange, l.shared.cache, l.shared.collapse, &l.shared.fill_budget) {}

    /// Whether the head, which has been read before, was read again.
    bool read() {
        if (http::parse_request_head(text, loop.cfg.head_limits, head).state != http::parse_state::complete ||
            http::split_uri(head, host_buffer, uri) != http::uri_error::none) {
            return false;
        }
        head.verb = http::method::get;
        head.method_text = "GET";
        return true;
    }
};

/// What was sent, and when.
struct sent {
    upstream_lease lease;
    store::version version;
    wall_time request_time;
};

task<error_code> read_final_head(loop_context& loop, upstream_connection& upstream) {
    for (int informational = 0;; ++informational) {
        upstream.io.read_deadline().arm(loop.cfg.upstream_response_timeout);
        const auto ec = co_await read_one_head(loop, upstream);
        upstream.io.read_deadline().clear();
        if (ec) co_return ec;
        if (is_final(upstream.head.status)) co_return error_code{};
        if (informational == most_informational) co_return errc::upstream_malformed;
        upstream.in.consume(upstream.head.size);
    }
}

/// Sends the request and reads the head of its answer; once more on a new connection if a pooled one was
/// dead.
task<error_code> ask(errand& e, sent& out) {
    auto& loop = e.loop;
    for (bool again = false;; again = true) {
        error_code ec;
        out.lease = co_await loop.pool.acquire(again, ec);
        if (ec) co_return ec;
        out.request_time = loop.shared.clock.wall();
        out.version = loop.shared.versions.next(out.request_time);
        if (const auto& f = e.exchange.fill()) f->set_asked(out.version);
        loop.counters.add(counter::upstream_requests);
        ec = co_await out.lease->io.write(std::string_view(e.upstream_text), loop.cfg.upstream_idle_timeout);
        if (!ec) ec = co_await read_final_head(loop, *out.lease);
        if (!ec) co_return ec;
        const bool lost = ec == errc::upstream_reset || ec.category() != meshcache_category();
        const bool silent_death = out.lease->reused && out.lease->in.empty() && lost;
        out.lease.discard();
        if (!silent_death || again) co_return ec;
        loop.counters.add(counter::upstream_retries);
    }
}

/// Whether there was no connection, so that other keys would fare no better.
bool lacks_upstream(error_code ec) noexcept {
    return ec == errc::upstream_refused || ec == errc::upstream_connect_timeout ||
           ec == errc::upstream_resolve_failed || ec == errc::upstream_busy;
}

flow::action failed(errand& e, error_code ec) {
    e.loop.behind_pause.after_key(e.key, e.loop.sweep.now());
    if (lacks_upstream(ec)) e.loop.behind_pause.after_upstream(e.loop.sweep.now());
    e.loop.counters.add(counter::upstream_errors);
    if (ec == errc::upstream_silent) e.loop.counters.add(counter::timeout_upstream_first_byte);
    if (ec.category() != meshcache_category()) ec = errc::upstream_reset;
    e.loop.failures.note(e.loop.sweep.now(), e.uri.host, e.uri.path_query,
                         describe(static_cast<errc>(ec.value())));
    return e.exchange.on_failure(ec, e.loop.shared.clock.wall());
}

/// Feeds the fill to its end: as long as this lasts, the fetch counts and holds its connection. Returns
/// whether all of it came.
task<bool> share(errand& e, upstream_lease lease, http::body_framing framing) {
    auto& loop = e.loop;
    const bool reusable = http::keeps_alive(lease->head.minor, lease->head.fields) &&
                          framing.kind != http::body_kind::until_close;
    lease->in.consume(lease->head.size);
    auto f = e.exchange.take_fill();
    store::fetcher_guard guard(loop.shared.collapse, f);
    const auto head = e.exchange.stream_head();
    std::vector<std::string_view> pieces;
    if (end_fill_at_once(loop, lease, framing, reusable, *f, *head, pieces).answer) co_return true;
    pumped_uri uri{std::string(e.uri.host), std::string(e.uri.path_query)};
    co_await pump_fill(loop, std::move(lease), framing, reusable, std::move(guard), head, std::move(uri));
    co_return f->state() == store::fill_state::complete;
}

task<flow::action> fetch(errand& e) {
    auto& loop = e.loop;
    e.upstream_text.clear();
    http::write_upstream_head(
        e.head, e.uri, {},
        {.address = e.client, .local_port = e.local_port, .trust_forwarded = loop.cfg.trust_forwarded}, false,
        e.exchange.conditions(loop.shared.clock.wall()), e.upstream_text);
    sent s;
    if (const auto ec = co_await ask(e, s)) co_return failed(e, ec);

    const auto& head = s.lease->head;
    http::body_framing framing;
    const bool unasked = !e.exchange.asked_for(head.status);
    if (unasked) e.exchange.release_others();
    if (unasked || head.status == 101 ||
        http::response_framing(head, http::method::get, framing, loop.cfg.unknown_coding) !=
            http::framing_error::none)
        co_return failed(e, errc::upstream_malformed);
    const auto next = e.exchange.on_response(head, framing, s.version, s.request_time,
                                             loop.shared.clock.wall(), loop.sweep.now());
    if (e.exchange.outdates_stored()) invalidate(loop, e.exchange.primary_key(), s.version);
    bool useful = next == flow::action::update || next == flow::action::fetch;
    if (next == flow::action::share) {
        useful = co_await share(e, std::move(s.lease), framing);
    } else if (framing.kind == http::body_kind::none) {
        give_back_after_head(s.lease);
    }
    if (next == flow::action::update) (void)end_update(loop, e.exchange);
    if (!useful) loop.behind_pause.after_key(e.key, loop.sweep.now());
    co_return next;
}

/// Whether it is for this replica to fetch it.
task<flow::action> ask_remote(errand& e) {
    event news(e.loop.ex);
    const auto waker = std::make_shared<session_waker>(e.loop.ex, news);
    const struct detach {
        session_waker& w;
        ~detach() { w.detach(); }
    } at_end{*waker};
    auto next = flow::action::ask_remote;
    while (next == flow::action::ask_remote)
        next = co_await look_up_remotely(e.loop, e.exchange, news, waker, patience::none);
    co_return next;
}

task<void> run(loop_context& loop, std::uint64_t key, std::string request, std::string client,
               std::string local_port) {
    errand e(loop, key, request, std::move(client), std::move(local_port));
    ++loop.fetches_behind;
    const struct count {
        std::size_t& n;
        ~count() { --n; }
    } one_less{loop.fetches_behind};

    if (!e.read()) co_return;
    auto next = e.exchange.begin_behind(e.head, e.uri, loop.shared.clock.wall(), loop.sweep.now());
    if (next == flow::action::ask_remote) next = co_await ask_remote(e);
    if (next != flow::action::fetch) co_return;
    loop.counters.add(counter::fetches_behind);
    // A second time only without conditions, when a 304 was about something else.
    while (next == flow::action::fetch) next = co_await fetch(e);
}

} // namespace

void fetch_behind(loop_context& loop, std::uint64_t key, std::string_view head, std::string client,
                  std::string local_port) {
    const std::size_t most = std::max<std::size_t>(1, loop.cfg.upstream_connections / 2);
    if (loop.draining || loop.fetches_behind >= most || loop.behind_pause.holds(key, loop.sweep.now())) {
        loop.counters.add(counter::fetches_behind_skipped);
        return;
    }
    loop.spawn_behind(run(loop, key, std::string(head), std::move(client), std::move(local_port)));
}

} // namespace meshcache::net
