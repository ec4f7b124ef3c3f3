// The part of a session that waits for Redis on behalf of strong consistency.
#include "session.hpp"

#include <meshcache/http/grammar.hpp>

#include <boost/asio/post.hpp>

#include <memory>
#include <utility>

namespace meshcache::net {

/// What the link says to this session, in the session's own thread.
struct session::word {
    bool came = false;
    replica::settlement what = replica::settlement::unknown;
};

/// The handler that leaves the link's word at `said` and wakes this session.
std::function<void(replica::settlement)> session::leave_word(std::shared_ptr<word> said) {
    news_.clear();
    return [said = std::move(said), waker = waker_, ex = loop_.ex](replica::settlement what) {
        asio::post(ex, [said, waker, what] {
            said->came = true;
            said->what = what;
            waker->wake();
        });
    };
}

/// Waits for the word, which the link promised to give in time: the bound is against the day that it does
/// not.
task<replica::settlement> session::wait_for_word(std::shared_ptr<word> said, steady_time::duration bound) {
    const auto until = loop_.shared.clock.steady() + bound;
    while (!said->came) {
        const auto left = until - loop_.shared.clock.steady();
        if (left <= steady_time::duration::zero()) break;
        (void)co_await news_.wait(left);
        news_.clear();
    }
    co_return said->what;
}

/// Until the local store has everything that Redis had when this was called.
task<flow::action> session::sync() {
    using replica::settlement;
    const auto said = std::make_shared<word>();
    bool synced = loop_.shared.link->sync([handler = leave_word(said)](bool good) {
        handler(good ? settlement::stored : settlement::unknown);
    });
    if (synced) {
        const auto what = co_await wait_for_word(said, seconds{15});
        synced = what == settlement::stored;
    }
    if (!synced) loop_.counters.add(counter::unconfirmed_reads);
    co_return exchange_.on_synced(synced, loop_.shared.clock.wall());
}

/// Until Redis has that response, too, or has refused it: then the request is to begin anew, which it may do
/// a few times. Returns what to do about it.
task<session::ending> session::settled(std::string key, store::version version) {
    constexpr int most_repetitions = 3;
    // That Redis does not answer is known by now.
    if (exchange_.is_unconfirmed()) co_return ending::answer;
    const auto said = std::make_shared<word>();
    if (!loop_.shared.link->settle(key, version, leave_word(said))) co_return ending::answer;
    const auto what = co_await wait_for_word(said, seconds{75});
    if (what == replica::settlement::stored) co_return ending::answer;
    if (what == replica::settlement::refused) {
        // What the application has carried out, or has had the content of, is not asked for again.
        if (framing_.kind != http::body_kind::none || !http::is_safe(head_.verb)) co_return ending::answer;
        if (repetitions_ < most_repetitions) co_return ending::repeat;
    }
    loop_.counters.add(counter::unconfirmed_writes);
    co_return loop_.cfg.exchange.when_unconfirmed == flow::unconfirmed::refuse ? ending::refuse
                                                                               : ending::answer;
}

/// Before anything of the answer was sent. Returns whether the answer may follow.
task<bool> session::may_answer(std::string key, store::version version) {
    const auto what = co_await settled(std::move(key), version);
    switch (what) {
    case ending::answer:
        co_return true;
    case ending::repeat:
        repeats_ = true;
        co_return false;
    case ending::refuse:
        break;
    }
    (void)exchange_.refuse_unconfirmed();
    co_await answer_generated(exchange_.status(), exchange_.outcome().detail);
    co_return false;
}

/// Until Redis has these floors, or did not say so in time: what the request did cannot be undone any more.
task<void> session::floors_settled(std::vector<store::selector> what, store::version floor) {
    const auto said = std::make_shared<word>();
    loop_.shared.link->purge(std::move(what), floor, [handler = leave_word(said)](const std::string&) {
        handler(replica::settlement::stored);
    });
    const auto answer = co_await wait_for_word(said, loop_.cfg.settle_timeout);
    if (answer == replica::settlement::stored) co_return;
    loop_.counters.add(counter::unconfirmed_writes);
    exchange_.outcome().detail = "unconfirmed";
}

} // namespace meshcache::net
