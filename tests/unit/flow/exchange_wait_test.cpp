// Those who wait for another's fill, and what becomes of them.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

/// What the reader of `v` can take now.
std::string take(visitor& v) {
    std::array<std::string_view, 8> pieces;
    const auto n = v.x.reader().peek(pieces);
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += pieces[i];
    v.x.reader().consume(out.size());
    return out;
}

TEST_CASE("the second request for an absent key waits, and follows the stream when it comes") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    CHECK(waiter.look() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(waiter.waker_of_ours->calls > 0);
    REQUIRE(waiter.look() == action::follow);
    CHECK(waiter.x.stream_head() == fetcher.x.stream_head());
    CHECK(waiter.status() == "meshcache; fwd=uri-miss; collapsed; ttl=60");

    fetcher.x.fill()->append("hi");
    CHECK(take(waiter) == "hi");
    const auto f = fetcher.x.take_fill();
    const auto pieces = f->recorded();
    finish_fill(*f, *fetcher.x.stream_head(), pieces, w.cache, w.collapse, w.counters);
    CHECK(waiter.x.reader().look().at_end);
    CHECK(visitor(w, "GET /x").begin() == action::answer);
}

TEST_CASE("who comes while the content streams follows it at once") {
    world w;
    visitor fetcher(w, "GET /x"), late(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    fetcher.x.fill()->append("first half");
    REQUIRE(late.begin() == action::follow);
    CHECK(take(late) == "first half");
}

TEST_CASE("a waiter that is woken after the end answers with the stored response") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    const auto done = fetcher.finish("hi");
    REQUIRE(waiter.look() == action::answer);
    CHECK(waiter.x.response() == done.answer);
    CHECK(waiter.status() == "meshcache; fwd=uri-miss; collapsed; ttl=60");
    CHECK(!waiter.x.reader());
}

TEST_CASE("with reject whoever waited was not the first, and is refused") {
    world w;
    w.settings.reject_hits = true;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    SECTION("while it streams") {}
    SECTION("when it is stored") { fetcher.finish("hi"); }
    REQUIRE(waiter.look() == action::refuse);
    CHECK(waiter.x.status() == 403);
    CHECK(counter_of(waiter.x.outcome()) == counter::requests_rejected);
    CHECK(!waiter.x.reader());
}

TEST_CASE("an answer that cannot be shared sends everybody their own way, and is remembered") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: private\r\n") == action::relay_response);
    CHECK(waiter.waker_of_ours->calls > 0);
    CHECK(waiter.look() == action::fetch);
    CHECK(!waiter.x.outcome().collapsed);

    // For a while nobody waits for anybody.
    visitor a(w, "GET /x"), b(w, "GET /x");
    CHECK(a.begin() == action::fetch);
    CHECK(b.begin() == action::fetch);
    CHECK(w.collapse.fills() == 0);
    w.pass(w.settings.unshareable_for);
    CHECK(a.begin() == action::fetch);
    CHECK(b.begin() == action::wait);
}

TEST_CASE("an answer that can be shared again ends the memory of those that could not") {
    world w;
    visitor(w, "GET /x").begin();
    visitor first(w, "GET /x");
    REQUIRE(first.begin() == action::fetch);
    REQUIRE(first.ok("Cache-Control: private\r\n") == action::relay_response);
    visitor(w, "GET /x").fetch("Cache-Control: max-age=1\r\n", "hi");
    w.pass(seconds{2});
    visitor a(w, "GET /x"), b(w, "GET /x");
    CHECK(a.begin() == action::fetch);
    CHECK(b.begin() == action::wait);
}

TEST_CASE("a failing upstream does not make a key unshareable") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(fetcher.answered("503 Unavailable", "") == action::relay_response);
    CHECK(waiter.look() == action::fetch);
    visitor a(w, "GET /x"), b(w, "GET /x");
    CHECK(a.begin() == action::fetch);
    CHECK(b.begin() == action::wait);
}

TEST_CASE("a request whose own words keep the answer from being stored leads nobody") {
    for (const std::string_view lines : {"Range: bytes=0-0\r\n", "Cache-Control: no-store\r\n"}) {
        world w;
        visitor alone(w, "GET /x", lines), fetcher(w, "GET /x"), waiter(w, "GET /x"),
            follower(w, "GET /x", lines);
        INFO(lines);
        CHECK(alone.begin() == action::fetch);
        CHECK(fetcher.begin() == action::fetch);
        CHECK(waiter.begin() == action::wait);
        CHECK(alone.answered("404 Not Found", "Cache-Control: max-age=60\r\n") == action::relay_response);
        // Nothing is remembered that would keep others from waiting for one another.
        CHECK(visitor(w, "GET /x").begin() == action::wait);
        CHECK(follower.begin() == action::wait);
        REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
        CHECK(waiter.look() == action::follow);
        CHECK(follower.look() == action::follow);
    }
}

TEST_CASE("the upstream's failure before a head is every waiter's failure") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    CHECK(fetcher.fails(errc::upstream_silent) == action::fail);
    CHECK(fetcher.x.error() == errc::upstream_silent);
    CHECK(fetcher.status() == "meshcache; fwd=uri-miss; detail=upstream-silent");
    REQUIRE(waiter.look() == action::fail);
    CHECK(waiter.x.error() == errc::upstream_silent);
    CHECK(waiter.status() == "meshcache; fwd=uri-miss; collapsed; detail=upstream-silent");
    CHECK(w.collapse.fills() == 0);
    CHECK(visitor(w, "GET /x").begin() == action::fetch);
}

TEST_CASE("a stream that breaks before a waiter sent any of it is fetched again") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    const auto f = fetcher.x.take_fill();
    f->append("half");
    w.collapse.leave(*f);
    f->fail(errc::upstream_truncated);
    REQUIRE(waiter.look() == action::fetch);
    CHECK(!waiter.x.reader());
    CHECK(!waiter.x.outcome().collapsed);
}

TEST_CASE("who has waited too long fetches alone, and may still store what it gets") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x"), third(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(third.begin() == action::wait);
    REQUIRE(waiter.time_out() == action::fetch);
    CHECK(waiter.detail() == "collapse-timeout");
    CHECK(!waiter.x.reader());
    REQUIRE(waiter.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(waiter.finish("hi").response);
    // The fill of the first goes on for those who wait for it, but nobody joins it any more.
    CHECK(w.collapse.fills() == 0);
    CHECK(third.look() == action::wait);
    CHECK(visitor(w, "GET /x").begin() == action::answer);
}

TEST_CASE("news that came with the time-out counts") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(waiter.time_out() == action::follow);
}

TEST_CASE("a fill that ends without a response and without a stream sends its waiters their own way") {
    world w;
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    const auto f = fetcher.x.take_fill();
    w.collapse.leave(*f);
    f->complete(nullptr);
    CHECK(waiter.look() == action::fetch);
}

TEST_CASE("a request that insists on a new answer neither waits nor leads") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "old");
    visitor insistent(w, "GET /x", "Cache-Control: no-cache\r\n"),
        too(w, "GET /x", "Cache-Control: no-cache\r\n");
    REQUIRE(insistent.begin() == action::fetch);
    REQUIRE(too.begin() == action::fetch);
    CHECK(w.collapse.fills() == 0);
    REQUIRE(insistent.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(insistent.finish("new").response);
    visitor after(w, "GET /x");
    CHECK(after.begin() == action::answer);
    CHECK(after.content() == "new");
}

TEST_CASE("a waiter that holds a stale response answers with it when the upstream fails") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=1, stale-if-error=60\r\n", "old");
    w.pass(seconds{2});
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    CHECK(fetcher.fails(errc::upstream_refused) == action::answer);
    CHECK(fetcher.content() == "old");
    CHECK(waiter.waker_of_ours->calls > 0);
    REQUIRE(waiter.look() == action::answer);
    CHECK(waiter.content() == "old");
    CHECK(waiter.status() == "meshcache; fwd=stale; collapsed; ttl=-1; detail=upstream-refused");
}

TEST_CASE("an unsafe request that succeeds keeps later requests from joining an older fill") {
    world w;
    visitor fetcher(w, "GET /x"), before(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    const auto asked = w.next();
    fetcher.x.fill()->set_asked(asked);
    REQUIRE(before.begin() == action::wait);

    visitor change(w, "POST /x");
    REQUIRE(change.begin() == action::relay);
    SECTION("it succeeds") {
        // As the session does it.
        REQUIRE(change.x.invalidates(200));
        w.purge(change.x.primary_key());
        REQUIRE(change.ok("") == action::relay_response);

        visitor after(w, "GET /x");
        REQUIRE(after.begin() == action::fetch);
        REQUIRE(fetcher.answered("200 OK", "Cache-Control: max-age=60\r\n", asked) == action::share);
        CHECK(before.look() == action::follow);
        CHECK(!fetcher.finish("old").response);
        REQUIRE(after.ok("Cache-Control: max-age=60\r\n") == action::share);
        CHECK(after.finish("new").response);
        visitor last(w, "GET /x");
        REQUIRE(last.begin() == action::answer);
        CHECK(last.content() == "new");
    }
    SECTION("it fails") {
        REQUIRE(change.answered("409 Conflict", "") == action::relay_response);
        CHECK(visitor(w, "GET /x").begin() == action::wait);
    }
    SECTION("nothing is under way") {
        fetcher.x.reset();
        REQUIRE(change.ok("") == action::relay_response);
        CHECK(w.collapse.fills() == 0);
    }
    SECTION("the fetch was not sent yet") {
        visitor slow(w, "GET /y"), other(w, "POST /y");
        REQUIRE(slow.begin() == action::fetch);
        REQUIRE(other.begin() == action::relay);
        w.purge(other.x.primary_key());
        CHECK(visitor(w, "GET /y").begin() == action::wait);
    }
}

TEST_CASE("a purge of a group keeps later requests from an older fill") {
    world w;
    visitor fetcher(w, "GET /x"), after(w, "GET /x"), last(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    const auto asked = w.next();
    fetcher.x.fill()->set_asked(asked);
    const std::string_view lines = "Cache-Control: max-age=60\r\nSurrogate-Key: red\r\n";
    SECTION("which covers the URI") {
        w.purge_group(GENERATE("a", "ua.example/", "w/x", "sua.example"));
        REQUIRE(after.begin() == action::fetch);
        REQUIRE(fetcher.answered("200 OK", lines, asked) == action::share);
    }
    SECTION("which only the answer shows") {
        w.purge_group(GENERATE("tred", "stred"));
        REQUIRE(after.begin() == action::wait);
        REQUIRE(fetcher.answered("200 OK", lines, asked) == action::share);
        REQUIRE(after.look() == action::fetch);
    }
    SECTION("and no other") {
        w.purge_group("tblue");
        REQUIRE(after.begin() == action::wait);
        REQUIRE(fetcher.answered("200 OK", lines, asked) == action::share);
        CHECK(after.look() == action::follow);
        CHECK(fetcher.finish("old").response);
        return;
    }
    (void)fetcher.finish("old");
    REQUIRE(last.begin() == action::wait);
    REQUIRE(after.ok(lines) == action::share);
    CHECK(last.look() == action::follow);
    CHECK(after.finish("new").response);
    visitor later(w, "GET /x");
    REQUIRE(later.begin() == action::answer);
    CHECK(later.content() == "new");
}

TEST_CASE("a request whose fills are purged again and again fetches for itself in the end") {
    world w;
    visitor waiter(w, "GET /x");
    std::vector<std::unique_ptr<visitor>> fetchers;
    const auto next = [&]() -> visitor& {
        return *fetchers.emplace_back(std::make_unique<visitor>(w, "GET /x"));
    };
    visitor* fetcher = &next();
    REQUIRE(fetcher->begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    for (int round = 1; round <= 3; ++round) {
        CAPTURE(round);
        const auto asked = w.next();
        fetcher->x.fill()->set_asked(asked);
        w.purge_group("tred");
        REQUIRE(fetcher->answered("200 OK", "Cache-Control: max-age=60\r\nCache-Tag: red\r\n", asked) ==
                action::share);
        visitor& newcomer = next();
        REQUIRE(newcomer.begin() == action::fetch);
        CHECK(waiter.look() == (round < 3 ? action::wait : action::fetch));
        (void)fetcher->finish("old");
        fetcher = &newcomer;
    }
    CHECK(waiter.x.fill() == nullptr);
}

TEST_CASE("a request that waits behind a stale response is woken") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=1\r\n", "old");
    w.now += seconds{2};
    visitor fetcher(w, "GET /x"), waiter(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(waiter.waker_of_ours->calls > 0);
}

} // namespace
