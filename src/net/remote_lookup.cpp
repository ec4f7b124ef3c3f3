#include "remote_lookup.hpp"

#include <meshcache/flow/fill_end.hpp>

#include <boost/asio/post.hpp>

#include <utility>

namespace meshcache::net {
namespace {

struct answer {
    replica::link::acquired what;
    bool came = false;
};

/// Asks; false if nothing will be answered.
bool ask(loop_context& loop, const flow::exchange& exchange, const std::shared_ptr<answer>& result,
         const std::shared_ptr<store::fill_waiter>& waker, patience how) {
    auto& link = *loop.shared.link;
    // Who has gone meanwhile leaves the answer unread: a lease ends with it.
    const auto take = [result, waker, ex = loop.ex](replica::link::acquired what) {
        asio::post(ex, [result, waker, what = std::move(what)]() mutable {
            result->what = std::move(what);
            result->came = true;
            waker->wake();
        });
    };
    if (!loop.cfg.exchange.collapse_globally || !exchange.fill()) {
        return link.lookup(exchange.remote_key(), [take](store::response_ptr response, bool absent) {
            take({.response = std::move(response), .lease = {}, .absent = absent});
        });
    }
    const auto until =
        how == patience::wait ? loop.shared.clock.steady() + loop.cfg.collapse_timeout : steady_time::min();
    return link.acquire(exchange.remote_key(), exchange.remote_known(), until, take);
}

} // namespace

task<flow::action> look_up_remotely(loop_context& loop, flow::exchange& exchange, event& news,
                                    std::shared_ptr<store::fill_waiter> waker, patience how) {
    const auto begun = loop.shared.versions.next(loop.shared.clock.wall());
    const auto result = std::make_shared<answer>();
    news.clear();
    bool waiting = ask(loop, exchange, result, waker, how);
    // The link answers in time; the bound here is against the day that it does not.
    const auto bound = loop.cfg.collapse_timeout + seconds{15};
    while (waiting && !result->came) {
        waiting = co_await news.wait(bound);
        news.clear();
    }
    auto& what = result->what;
    if (what.elsewhere && how == patience::none) {
        exchange.reset();
        co_return flow::action::answer;
    }
    if (what.lease && exchange.fill()) exchange.fill()->hold(std::move(what.lease));
    if (what.unshareable) exchange.remember_unshareable(loop.sweep.now());
    exchange.note_absent(what.absent);
    const auto next = exchange.on_remote(std::move(what.response), begun, loop.shared.clock.wall());
    if (const auto& inserted = exchange.remote_insert()) flow::count_insert(*inserted, loop.counters);
    co_return next;
}

} // namespace meshcache::net
