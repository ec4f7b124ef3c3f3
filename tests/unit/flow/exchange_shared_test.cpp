// What is shared and what is kept: collapsing is reuse under each request's own terms (RFC 9111, section 4),
// and a good response that may still be used is not lost to a worse answer.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

/// The fetcher of /x, whose request has been sent.
struct asking : visitor {
    explicit asking(world& in, std::string_view lines = {}) : visitor(in, "GET /x", lines) {
        if (begin() != action::fetch || !x.fill()) throw std::logic_error("no fetch");
        x.fill()->set_asked(in.next());
    }
};

TEST_CASE("who comes late to a stream that has become stale does not get it") {
    for (const std::string_view lines :
         {"Cache-Control: max-age=1, must-revalidate\r\n", "Cache-Control: max-age=1\r\n"}) {
        world w;
        asking fetcher(w);
        REQUIRE(fetcher.ok(lines) == action::share);
        w.pass(milliseconds{900});
        visitor in_time(w, "GET /x");
        CHECK(in_time.begin() == action::follow);
        w.pass(milliseconds{200});
        visitor late(w, "GET /x"), later(w, "GET /x");
        CHECK(late.begin() == action::fetch);
        CHECK(late.x.fill() != fetcher.x.fill());
        // Those who come after wait for the new one.
        CHECK(later.begin() == action::wait);
    }
}

TEST_CASE("who comes late to a stream gets it within stale-while-revalidate") {
    world w;
    asking fetcher(w);
    REQUIRE(fetcher.ok("Cache-Control: max-age=1, stale-while-revalidate=60\r\n") == action::share);
    w.pass(seconds{2});
    CHECK(visitor(w, "GET /x").begin() == action::follow);
}

TEST_CASE("a request that wants something newer takes nothing that was asked for before it came") {
    for (const std::string_view lines :
         {"Cache-Control: no-cache\r\n", "Cache-Control: max-age=0\r\n", "Pragma: no-cache\r\n"}) {
        INFO(lines);
        world w;
        asking fetcher(w);
        visitor before(w, "GET /x", lines);
        CHECK(before.begin() == action::fetch);
        CHECK(!before.x.fill());
        REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
        visitor during(w, "GET /x", lines);
        CHECK(during.begin() == action::fetch);
        CHECK(visitor(w, "GET /x").begin() == action::follow);
    }
    world w;
    asking fetcher(w);
    visitor choosy(w, "GET /x", "Cache-Control: min-fresh=90\r\n");
    REQUIRE(choosy.begin() == action::wait);
    REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(choosy.look() == action::fetch);
}

TEST_CASE("a request that wants something newer joins what is asked for after it came") {
    world w;
    visitor leader(w, "GET /x"), reload(w, "GET /x", "Cache-Control: max-age=0\r\n");
    REQUIRE(leader.begin() == action::fetch);
    REQUIRE(reload.begin() == action::wait);
    leader.x.fill()->set_asked(w.next());
    REQUIRE(leader.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(reload.look() == action::follow);
}

TEST_CASE("a stale record of Redis is for the client alone that says max-stale") {
    world w;
    w.settings.remote = true;
    const auto stale = record(w, key_of("/x"), "old", w.foreign(), seconds{1});
    w.pass(seconds{4});
    visitor leader(w, "GET /x", "Cache-Control: max-stale\r\n"), waiter(w, "GET /x");
    REQUIRE(leader.begin() == action::ask_remote);
    REQUIRE(waiter.begin() == action::wait);
    REQUIRE(leader.remote(stale) == action::answer);
    CHECK(leader.content() == "old");
    CHECK(waiter.look() == action::fetch);
}

TEST_CASE("a record of Redis answers only those who wait whose own directives let it") {
    world w;
    w.settings.remote = true;
    visitor leader(w, "GET /x"), plain(w, "GET /x"), choosy(w, "GET /x", "Cache-Control: min-fresh=90\r\n"),
        reload(w, "GET /x", "Cache-Control: no-cache\r\n");
    REQUIRE(leader.begin() == action::ask_remote);
    for (visitor* v : {&plain, &choosy, &reload}) REQUIRE(v->begin() == action::wait);
    REQUIRE(leader.remote(record(w, key_of("/x"), "theirs", w.foreign())) == action::answer);
    CHECK(plain.look() == action::answer);
    CHECK(plain.status() == "meshcache; hit; ttl=60; detail=redis");
    for (visitor* v : {&choosy, &reload}) {
        CHECK(v->look() == action::fetch);
        CHECK(v->x.outcome().fwd == forward::request);
    }
}

TEST_CASE("a good response that may still be used is not lost to a redirect, an error or a private answer") {
    struct row {
        std::string_view status, lines;
        bool outdates;
    };
    const row rows[] = {
        {"302 Found", "Location: /login\r\n", false},
        {"404 Not Found", "", false},
        {"404 Not Found", "Cache-Control: max-age=60\r\n", false},
        {"410 Gone", "", false},
        {"403 Forbidden", "", false},
        {"200 OK", "Cache-Control: private\r\n", false},
        {"200 OK", "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", false},
        {"200 OK", "Cache-Control: no-store\r\n", true},
        {"200 OK", "", true},
        {"200 OK", "Cache-Control: max-age=60\r\nVary: *\r\n", true},
    };
    for (const auto& r : rows) {
        INFO(r.status << " " << r.lines);
        world w;
        visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "good");
        visitor v(w, "GET /x", "Cache-Control: no-cache\r\n");
        REQUIRE(v.begin() == action::fetch);
        REQUIRE(v.answered(r.status, r.lines) == action::relay_response);
        CHECK(v.x.outdates_stored() == r.outdates);

        // What may not be used any more goes with the first answer that tells of it.
        w.pass(seconds{61});
        visitor after(w, "GET /x");
        REQUIRE(after.begin() == action::fetch);
        const auto next = after.answered(r.status, r.lines);
        if (next == action::relay_response && r.status != "403 Forbidden") CHECK(after.x.outdates_stored());
    }
}

TEST_CASE("a client that says no-store has nothing fetched behind its stale answer") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=1, stale-while-revalidate=60\r\n", "old");
    w.pass(seconds{2});
    visitor silent(w, "GET /x", "Cache-Control: no-store\r\n"), plain(w, "GET /x");
    CHECK(silent.begin() == action::answer);
    CHECK(!silent.x.wants_fetch_behind());
    CHECK(plain.begin() == action::answer);
    CHECK(plain.x.wants_fetch_behind());
}

TEST_CASE("a part or a 304 that nobody asked for is one client's failure") {
    for (const std::string_view status : {"206 Partial Content", "304 Not Modified"}) {
        INFO(status);
        world w;
        visitor leader(w, "GET /x"), waiter(w, "GET /x");
        REQUIRE(leader.begin() == action::fetch);
        REQUIRE(waiter.begin() == action::wait);
        CHECK(leader.answered(status, "Content-Range: bytes 0-0/9\r\n") == action::fail);
        CHECK(leader.detail() == "upstream-malformed");
        CHECK(waiter.look() == action::fetch);
    }
}

TEST_CASE("one client's credentials on a validation do not keep others from waiting for one another") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=1\r\nETag: \"x\"\r\n", "x");
    w.pass(seconds{2});
    visitor one(w, "GET /x", "Authorization: Basic eDp5\r\n");
    REQUIRE(one.begin() == action::fetch);
    REQUIRE(one.answered("304 Not Modified", "ETag: \"x\"\r\n") == action::answer);
    visitor leader(w, "GET /x"), waiter(w, "GET /x");
    CHECK(leader.begin() == action::fetch);
    CHECK(waiter.begin() == action::wait);
}

TEST_CASE("a validation that may be shared ends the memory of answers that could not") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=1\r\nETag: \"x\"\r\n", "x");
    w.pass(seconds{2});
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    w.collapse.remember_unshareable(v.x.key().hash, w.steady + seconds{10});
    REQUIRE(v.answered("304 Not Modified", "ETag: \"x\"\r\nCache-Control: max-age=1\r\n") == action::update);
    v.finish_update();
    CHECK(!w.collapse.is_unshareable(w.cache.hash(key_of("/x")), w.steady));
}

} // namespace
