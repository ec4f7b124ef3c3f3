// The part of a session that waits for Redis on behalf of strong consistency.
#include "fill_pump.hpp"
#include "session.hpp"

#include <meshcache/http/grammar.hpp>

#include <boost/asio/post.hpp>

#include <memory>
#include <utility>

namespace meshcache::net {
namespace {

std::vector<store::selector> one_key(std::string_view key) {
    std::vector<store::selector> out;
    out.push_back({.kind = store::selector_kind::key, .host = {}, .text = std::string(key)});
    return out;
}

store::version just_above(const store::version& v) noexcept { return {v.stamp + 1, 0}; }

} // namespace

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

/// Until Redis has said what becomes of that response, which may be null if it was not recorded. `head`: of
/// what the upstream answered, or null. What is not for others puts out of date what they may hold instead.
task<replica::settlement> session::settle(store::response_ptr response,
                                          std::shared_ptr<const store::streamed_head> head) {
    using replica::settlement;
    auto& shared = loop_.shared;
    const bool is_new = head && (!response || response->meta().version == head->meta.version);
    if (is_new && (!response || !replica::link::carries(*response, shared.clock.wall()))) {
        auto what = settlement::stored;
        if (!head->supplants.empty()) {
            invalidate(loop_, head->supplants, head->meta.version);
            what = co_await settle_floor(one_key(head->supplants), head->meta.version);
        }
        if (what == settlement::stored && response) response->meta().reached.set(store::reach::alone);
        co_return what;
    }
    if (!response) co_return settlement::stored;
    const auto what = co_await told_of(response);
    if (what != settlement::stored || !is_new || head->primary_key.empty()) co_return what;
    // Without the note others would not find it, and go on with what they have instead of the note. That
    // Redis refuses it for a newer one is as good.
    const auto note = shared.cache.peek(shared.cache.view(head->primary_key));
    if (!note) co_return what;
    const auto of_note = co_await told_of(note);
    co_return of_note == settlement::unknown ? of_note : what;
}

/// Until Redis has said what becomes of that response; `stored` if nothing else is known of it.
task<replica::settlement> session::told_of(store::response_ptr response) {
    const auto said = std::make_shared<word>();
    if (!loop_.shared.link->settle(response, leave_word(said))) co_return replica::settlement::stored;
    const auto what = co_await wait_for_word(said, seconds{75});
    // The next request is not to take for confirmed what only this replica has.
    const auto& version = response->meta().version;
    if (response->meta().reached.get() == store::reach::lost &&
        loop_.shared.cache.supersede({response->key(), response->hash()}, just_above(version)))
        loop_.counters.add(counter::removed_invalidated);
    co_return what;
}

/// What Redis says of an answer, as settle() has it, and what is to be done about it: if Redis has refused
/// it, the request is to begin anew, which it may do a few times unless the answer has `begun`.
task<session::ending> session::settled(store::response_ptr response,
                                       std::shared_ptr<const store::streamed_head> head, bool begun) {
    constexpr int most_repetitions = 3;
    // That Redis does not answer is known by now.
    if (exchange_.is_unconfirmed()) co_return ending::answer;
    auto what = co_await settle(response, std::move(head));
    // Who asked the application himself, after all that was given to others before, may have what it said;
    // and nobody gets something older from now on. Not so who joined a fetch that had begun before.
    while (what == replica::settlement::refused && !exchange_.outcome().collapsed) {
        auto newer = loop_.shared.cache.peek({response->key(), response->hash()});
        if (!newer || !(newer->meta().version > response->meta().version)) break;
        what = co_await told_of(newer);
        response = std::move(newer);
    }
    if (what == replica::settlement::stored) co_return ending::answer;
    if (what == replica::settlement::refused) {
        // What the application has carried out, or has had the content of, is not asked for again.
        if (framing_.kind != http::body_kind::none || !http::is_safe(head_.verb)) co_return ending::answer;
        if (!begun && repetitions_ < most_repetitions) co_return ending::repeat;
    }
    loop_.counters.add(counter::unconfirmed_writes);
    exchange_.outcome().detail = "unconfirmed";
    co_return loop_.cfg.exchange.when_unconfirmed == flow::unconfirmed::refuse ? ending::refuse
                                                                               : ending::answer;
}

/// Before anything of the answer was sent. Returns whether the answer may follow.
task<bool> session::may_answer(store::response_ptr response,
                               std::shared_ptr<const store::streamed_head> head) {
    const auto what = co_await settled(std::move(response), std::move(head), false);
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

/// Until Redis has these floors.
task<replica::settlement> session::settle_floor(std::vector<store::selector> what, store::version floor) {
    const auto said = std::make_shared<word>();
    loop_.shared.link->purge(std::move(what), floor, [handler = leave_word(said)](const std::string&) {
        handler(replica::settlement::stored);
    });
    const auto answer = co_await wait_for_word(said, loop_.cfg.settle_timeout);
    co_return answer;
}

/// Until Redis has the floor of what an answer puts out of date. Returns whether the answer may follow.
task<bool> session::floor_settled(std::string_view key, store::version floor) {
    if (exchange_.is_unconfirmed()) co_return true;
    const auto what = co_await settle_floor(one_key(key), floor);
    if (what == replica::settlement::stored) co_return true;
    loop_.counters.add(counter::unconfirmed_writes);
    exchange_.outcome().detail = "unconfirmed";
    co_return loop_.cfg.exchange.when_unconfirmed != flow::unconfirmed::refuse;
}

/// Until Redis has these floors, or did not say so in time: what the request did cannot be undone any more.
task<void> session::floors_settled(std::vector<store::selector> what, store::version floor) {
    const auto answer = co_await settle_floor(std::move(what), floor);
    if (answer == replica::settlement::stored) co_return;
    loop_.counters.add(counter::unconfirmed_writes);
    exchange_.outcome().detail = "unconfirmed";
}

} // namespace meshcache::net
