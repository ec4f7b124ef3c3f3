#include "event.hpp"
#include "fill_pump.hpp"
#include "session.hpp"

#include <meshcache/base/test_hooks.hpp>

namespace meshcache::net {
namespace {

/// How long readers may hold up a window before those that are behind are cut.
constexpr milliseconds laggard_grace{1000};

} // namespace

error_code body_error(error_code ec) noexcept {
    if (ec == errc::client_timeout) return errc::upstream_stalled;
    if (ec == errc::client_malformed) return errc::upstream_malformed;
    return errc::upstream_truncated;
}

ended_fill end_fill(loop_context& loop, store::fill& f, const store::streamed_head& head,
                    std::span<const std::string_view> content) {
    auto& shared = loop.shared;
    flow::publish_function publish;
    if (shared.link != nullptr)
        publish = [link = shared.link](const store::response_ptr& stored) { link->put(stored); };
    const auto when = loop.cfg.consistency == flow::consistency::strong ? flow::publishing::first
                                                                        : flow::publishing::once_stored;
    auto done =
        flow::finish_fill(f, head, content, shared.cache, shared.collapse, loop.counters, publish, when);
    return {std::move(done.answer), done.response != nullptr};
}

ended_fill end_fill_at_once(loop_context& loop, upstream_lease& lease, const http::body_framing& framing,
                            bool reusable, store::fill& f, const store::streamed_head& head,
                            std::vector<std::string_view>& pieces) {
    const bool may_be_whole = framing.kind != http::body_kind::until_close &&
                              (framing.kind != http::body_kind::length || framing.length <= lease->in.size());
    if (!may_be_whole) return {};
    pieces.clear();
    body_source source(lease->io, lease->in, framing, loop.cfg.upstream_idle_timeout);
    (void)source.take_buffered(pieces);
    if (!source.done()) return {};
    if (source.has_surplus() && !loop.cfg.store_surplus) return {};
    auto ended = end_fill(loop, f, head, pieces);
    source.release_pieces();
    if (reusable) lease.give_back();
    return ended;
}

ended_fill end_update(loop_context& loop, flow::exchange& exchange) {
    const auto f = exchange.take_fill();
    const store::fetcher_guard guard(loop.shared.collapse, f);
    const auto content = exchange.basis()->content();
    return end_fill(loop, *f, *exchange.stream_head(), std::span(&content, 1));
}

void invalidate(loop_context& loop, std::string_view key, const store::version& floor) {
    auto& shared = loop.shared;
    const bool everywhere = shared.link != nullptr && planted != mutant::invalidation_stays_at_home;
    const bool dropped = everywhere ? shared.link->invalidate(key, floor)
                                    : shared.cache.raise_floor(shared.cache.view(key), floor);
    if (dropped) loop.counters.add(counter::removed_invalidated);
}

task<void> pump_fill(loop_context& loop, upstream_lease lease, http::body_framing framing, bool reusable,
                     store::fetcher_guard guard, std::shared_ptr<const store::streamed_head> head,
                     pumped_uri uri) {
    auto& collapse = loop.shared.collapse;
    const auto f = guard.of();
    event room(loop.ex);
    const auto waker = std::make_shared<session_waker>(loop.ex, room);
    struct detach {
        session_waker& w;
        ~detach() { w.detach(); }
    } const at_end{*waker};
    f->set_fetcher(waker);

    body_source source(lease->io, lease->in, framing, loop.cfg.upstream_idle_timeout);
    std::vector<std::string_view> pieces;
    std::uint64_t total = 0;
    const auto stop_recording = [&](bool too_large) {
        if (!f->stop_recording(too_large ? store::lease_end::unshareable : store::lease_end::alone)) return;
        collapse.leave(*f);
        // Memory that is short just now says nothing about the next answer for this key.
        if (!too_large) return;
        collapse.remember_unshareable(f->key().hash, loop.sweep.now() + loop.cfg.exchange.unshareable_for);
        loop.counters.add(counter::store_refused_large);
    };

    while (!source.done()) {
        const auto ec = co_await source.next(pieces);
        if (ec) {
            if (ec == errc::client_timeout) loop.counters.add(counter::timeout_upstream_idle);
            loop.counters.add(counter::upstream_errors);
            loop.failures.note(loop.sweep.now(), uri.host, uri.path_query,
                               describe(static_cast<errc>(body_error(ec).value())));
            collapse.leave(*f);
            f->fail(body_error(ec));
            co_return;
        }
        for (const auto piece : pieces) {
            total += piece.size();
            if (total > loop.cfg.exchange.max_object) stop_recording(true);
            if (f->append(piece) == store::append_result::over_budget) stop_recording(false);
        }
        while (!f->has_room()) {
            room.clear();
            if (f->has_room()) break;
            if (!co_await room.wait(laggard_grace)) (void)f->cut_laggards();
        }
        if (!f->recording() && f->readers() == 0) co_return; // nobody is left who wants it
    }
    // Whoever sends more than was announced may have announced something else than was meant.
    if (source.has_surplus() && !loop.cfg.store_surplus) stop_recording(false);
    source.release_pieces();
    if (f->recording()) {
        const auto content = f->recorded();
        (void)end_fill(loop, *f, *head, content);
    } else {
        f->complete(nullptr);
    }
    if (reusable) lease.give_back();
}

} // namespace meshcache::net
