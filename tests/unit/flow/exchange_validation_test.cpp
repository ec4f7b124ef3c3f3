// Stored responses that may not answer by themselves: they are validated, updated, replaced, or stand in for
// errors.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

constexpr std::string_view tagged = "Cache-Control: max-age=60\r\nETag: \"one\"\r\n";

/// Stores "one" at /x by a request of its own.
void store_one(world& w, std::string_view lines = tagged, std::string_view request = {}) {
    visitor v(w, "GET /x", request);
    v.fetch(lines, "one");
}

TEST_CASE("a stale response is fetched with its validators") {
    struct row {
        std::string_view lines, if_none_match, if_modified_since;
    };
    const row rows[] = {
        {"Cache-Control: max-age=60\r\nETag: \"one\"\r\n", "\"one\"", ""},
        {"Cache-Control: max-age=60\r\nETag: W/\"one\"\r\n", "W/\"one\"", ""},
        {"Cache-Control: max-age=60\r\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n", "",
         "Sat, 01 Jan 2000 00:00:00 GMT"},
        {"Cache-Control: max-age=60\r\n", "", ""},
    };
    for (const auto& r : rows) {
        INFO(r.lines);
        world w;
        store_one(w, r.lines);
        w.pass(seconds{61});
        visitor v(w, "GET /x", "If-None-Match: \"mine\"\r\n");
        REQUIRE(v.begin() == action::fetch);
        CHECK(v.status() == "meshcache; fwd=stale");
        REQUIRE(v.ok(tagged) == action::share);
        CHECK(v.if_none_match == r.if_none_match);
        CHECK(v.if_modified_since == r.if_modified_since);
        CHECK(v.drops_conditions);
    }
}

TEST_CASE("a 304 makes a new response of the stored content, for the waiters and for the store") {
    world w;
    store_one(w);
    w.pass(seconds{61});
    visitor v(w, "GET /x"), waiter(w, "GET /x"), later(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    REQUIRE(waiter.begin() == action::wait);
    const auto version = w.next();
    REQUIRE(v.answered("304 Not Modified", "Cache-Control: max-age=30\r\nX-New: yes\r\n", version) ==
            action::update);
    CHECK(v.x.updates());
    CHECK(v.status() == "meshcache; fwd=stale; fwd-status=304; stored; ttl=30");
    const auto done = v.finish_update();
    REQUIRE(done.response);
    CHECK(done.response->meta().version == version);
    CHECK(done.response->content() == "one");
    CHECK(done.response->head().find("X-New: yes\r\n") != std::string_view::npos);
    CHECK(done.response->head().find("Content-Length: 3\r\n") != std::string_view::npos);
    CHECK(done.response->head().find("Content-Length") == done.response->head().rfind("Content-Length"));
    CHECK(waiter.look() == action::answer);
    CHECK(waiter.content() == "one");
    CHECK(waiter.status() == "meshcache; fwd=stale; collapsed; ttl=30");
    CHECK(later.begin() == action::answer);
    CHECK(later.status() == "meshcache; hit; ttl=30");
}

TEST_CASE("a purge that comes while a response is being validated has the last word") {
    world w;
    store_one(w);
    w.pass(seconds{61});
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    const auto version = w.next();
    w.purge(key_of("/x"));
    REQUIRE(v.answered("304 Not Modified", "", version) == action::update);
    const auto done = v.finish_update();
    CHECK(!done.response);
    CHECK(done.answer->content() == "one");
    CHECK(w.cache.stats().objects == 0);
}

TEST_CASE("a 304 about something else has the whole fetched, and one more is a failure") {
    world w;
    store_one(w);
    w.pass(seconds{61});
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    REQUIRE(v.answered("304 Not Modified", "ETag: \"two\"\r\n") == action::fetch);
    CHECK(v.detail() == "validator-mismatch");
    CHECK(v.x.fill());
    CHECK(v.answered("304 Not Modified", "") == action::fail);
    CHECK(v.if_none_match.empty());
    CHECK(v.drops_conditions);
    CHECK(v.detail() == "upstream-malformed");
    CHECK(w.collapse.fills() == 0);
}

TEST_CASE("a 304 that takes the right to store away answers its client, and outdates what is stored") {
    for (const std::string_view lines :
         {"Cache-Control: no-store\r\n", "Cache-Control: private\r\n", "Vary: *\r\n"}) {
        INFO(lines);
        world w;
        store_one(w);
        w.pass(seconds{61});
        visitor v(w, "GET /x"), waiter(w, "GET /x");
        REQUIRE(v.begin() == action::fetch);
        REQUIRE(waiter.begin() == action::wait);
        const auto next = v.answered("304 Not Modified", lines);
        if (next == action::fetch) continue; // another Vary is another selection
        REQUIRE(next == action::answer);
        CHECK(v.content() == "one");
        CHECK(v.x.outdates_stored());
        CHECK(!v.x.outcome().stored);
        CHECK(waiter.look() == action::fetch);
    }
}

TEST_CASE("a client's credentials keep the update to itself, and leave the stored response alone") {
    world w;
    store_one(w);
    w.pass(seconds{61});
    visitor v(w, "GET /x", "Authorization: Basic eDp5\r\n");
    REQUIRE(v.begin() == action::fetch);
    REQUIRE(v.answered("304 Not Modified", "Cache-Control: max-age=60\r\n") == action::answer);
    CHECK(v.content() == "one");
    CHECK(v.detail() == "authorization");
    CHECK(!v.x.outdates_stored());
}

TEST_CASE("what is stale on arrival is stored for validation, and goes to nobody else") {
    for (const std::string_view cc : {"no-cache", "max-age=0", "s-maxage=0, max-age=60"}) {
        INFO(cc);
        world w;
        const std::string lines = "Cache-Control: " + std::string(cc) + "\r\nETag: \"one\"\r\n";
        visitor first(w, "GET /x"), waiter(w, "GET /x"), second(w, "GET /x"), third(w, "GET /x");
        REQUIRE(first.begin() == action::fetch);
        REQUIRE(waiter.begin() == action::wait);
        REQUIRE(first.ok(lines) == action::share);
        CHECK(waiter.look() == action::fetch);
        CHECK(first.finish("one").response);

        REQUIRE(second.begin() == action::fetch);
        CHECK(!second.x.fill()); // it does not have others wait for it
        REQUIRE(third.begin() == action::fetch);
        REQUIRE(second.answered("304 Not Modified", lines) == action::update);
        CHECK(second.if_none_match == "\"one\"");
        CHECK(second.finish_update().response);
        CHECK(second.x.outcome().fwd == forward::stale);
    }
}

TEST_CASE("stale-while-revalidate answers, and asks for a fetch behind the answer") {
    world w;
    store_one(w, "Cache-Control: max-age=60, stale-while-revalidate=30\r\nETag: \"one\"\r\n");
    w.pass(seconds{70});
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::answer);
    CHECK(v.x.wants_fetch_behind());
    CHECK(v.status() == "meshcache; hit; ttl=-10");

    visitor behind(w, "GET /x"), another(w, "GET /x");
    REQUIRE(behind.begin_behind() == action::fetch);
    CHECK(another.begin_behind() == action::answer);
    REQUIRE(behind.answered("304 Not Modified", "Cache-Control: max-age=60\r\n") == action::update);
    CHECK(behind.if_none_match == "\"one\"");
    CHECK(behind.finish_update().response);
    visitor after(w, "GET /x"), idle(w, "GET /x");
    REQUIRE(after.begin() == action::answer);
    CHECK(!after.x.wants_fetch_behind());
    CHECK(idle.begin_behind() == action::answer);

    w.pass(seconds{100});
    visitor late(w, "GET /x");
    CHECK(late.begin() == action::fetch);
}

TEST_CASE("a fetch behind an answer that fails releases those who wait for it, and keeps what is stored") {
    world w;
    store_one(w, "Cache-Control: max-age=60, stale-while-revalidate=30\r\n");
    w.pass(seconds{70});
    visitor behind(w, "GET /x");
    REQUIRE(behind.begin_behind() == action::fetch);
    CHECK(behind.fails(errc::upstream_refused) == action::fail);
    CHECK(w.collapse.fills() == 0);
    visitor v(w, "GET /x");
    CHECK(v.begin() == action::answer);

    visitor again(w, "GET /x");
    REQUIRE(again.begin_behind() == action::fetch);
    CHECK(again.answered("500 Oops", "") == action::relay_response);
    CHECK(!again.x.outdates_stored());
    CHECK(w.collapse.fills() == 0);
}

TEST_CASE("with --on-hit reject what is stale goes to the upstream, whatever its window") {
    world w;
    store_one(w, "Cache-Control: max-age=60, stale-while-revalidate=30\r\n");
    w.settings.reject_hits = true;
    w.pass(seconds{70});
    visitor v(w, "GET /x");
    CHECK(v.begin() == action::fetch);
}

TEST_CASE("stale answers stand in for an upstream that cannot be reached, within their bound") {
    struct row {
        std::string_view lines;
        int after;
        bool served;
    };
    const row rows[] = {
        {"Cache-Control: max-age=60\r\n", 119, true},
        {"Cache-Control: max-age=60\r\n", 120, false},
        {"Cache-Control: max-age=60, stale-if-error=600\r\n", 600, true},
        {"Cache-Control: max-age=60, must-revalidate\r\n", 61, false},
        {"Cache-Control: max-age=60, proxy-revalidate\r\n", 61, false},
        {"Cache-Control: s-maxage=60\r\n", 61, false},
        {"Cache-Control: no-cache\r\nETag: \"x\"\r\n", 1, false},
        {"Cache-Control: max-age=0\r\nETag: \"x\"\r\n", 1, false},
    };
    for (const auto& r : rows) {
        INFO(r.lines << r.after);
        world w;
        store_one(w, r.lines);
        w.pass(seconds{r.after});
        visitor v(w, "GET /x");
        REQUIRE(v.begin() == action::fetch);
        CHECK(v.fails(errc::upstream_refused) == (r.served ? action::answer : action::fail));
        if (r.served) CHECK(v.content() == "one");
        CHECK(v.detail() == "upstream-refused");
    }
}

TEST_CASE("a range of what is not stored goes upstream as it is, and others neither wait for it nor get it") {
    world w;
    visitor v(w, "GET /x", "Range: bytes=0-0\r\n"), other(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    CHECK(!v.x.fill());
    CHECK(other.begin() == action::fetch);
    CHECK(
        v.answered("206 Partial Content", "Cache-Control: max-age=60\r\nContent-Range: bytes 0-0/100\r\n") ==
        action::relay_response);
    CHECK(!v.drops_conditions);
    CHECK(!v.x.wants_fetch_behind());
}

TEST_CASE("the whole is fetched behind a part that is at least an eighth of it, if it may be stored") {
    struct row {
        std::string_view lines;
        bool wanted;
    };
    const row rows[] = {
        {"Cache-Control: max-age=60\r\nContent-Range: bytes 0-12/100\r\n", true},
        {"Cache-Control: max-age=60\r\nContent-Range: bytes 0-11/100\r\n", true},
        {"Cache-Control: max-age=60\r\nContent-Range: bytes 0-10/100\r\n", false},
        {"Cache-Control: max-age=60\r\nContent-Range: bytes 0-99/*\r\n", false},
        {"Cache-Control: max-age=60\r\nContent-Range: bytes 0-99999/100000\r\n", false},
        {"Cache-Control: private\r\nContent-Range: bytes 0-99/100\r\n", false},
        {"Cache-Control: no-cache\r\nETag: \"x\"\r\nContent-Range: bytes 0-99/100\r\n", false},
        {"Cache-Control: max-age=60\r\n", false},
    };
    for (const auto& r : rows) {
        INFO(r.lines);
        world w;
        visitor v(w, "GET /x", "Range: bytes=0-\r\n");
        REQUIRE(v.begin() == action::fetch);
        CHECK(v.answered("206 Partial Content", r.lines) == action::relay_response);
        CHECK(v.x.wants_fetch_behind() == r.wanted);
    }
}

TEST_CASE("the answer to HEAD updates what is stored, or outdates it") {
    struct row {
        std::string_view status, lines;
        bool updates, outdates;
    };
    const row rows[] = {
        {"200 OK", "Cache-Control: max-age=60\r\nETag: \"one\"\r\nContent-Length: 3\r\n", true, false},
        {"200 OK", "ETag: \"two\"\r\n", false, true},
        {"200 OK", "Content-Length: 4\r\n", false, true},
        {"200 OK", "ETag: \"one\"\r\nCache-Control: no-store\r\n", false, true},
        {"404 Not Found", "", false, false},
        {"503 Busy", "", false, false},
    };
    for (const auto& r : rows) {
        INFO(r.status << r.lines);
        world w;
        store_one(w);
        w.pass(seconds{61});
        visitor v(w, "HEAD /x");
        REQUIRE(v.begin() == action::relay);
        CHECK(v.answered(r.status, r.lines) == action::relay_response);
        CHECK(v.x.updates() == r.updates);
        CHECK(v.x.outdates_stored() == r.outdates);
        if (r.updates) CHECK(v.finish_update().response);
    }
}

TEST_CASE("what may have been changed elsewhere is validated although it is fresh") {
    world w;
    store_one(w);
    w.settings.remote = true;
    visitor v(w, "GET /x"), waiter(w, "GET /x"), cut_off(w, "GET /x");
    const auto begin = [&](visitor& of) {
        return of.last = of.x.begin(of.head, of.uri, of.framing, w.now, w.steady, of.waker, false);
    };
    REQUIRE(begin(v) == action::ask_remote);
    REQUIRE(begin(waiter) == action::wait);
    REQUIRE(v.remote(nullptr) == action::fetch);
    REQUIRE(v.answered("304 Not Modified", "Cache-Control: max-age=60\r\n") == action::update);
    CHECK(v.status() == "meshcache; fwd=stale; fwd-status=304; stored; ttl=60; detail=unsynced");
    CHECK(v.finish_update().response);
    CHECK(waiter.look() == action::answer);

    REQUIRE(begin(cut_off) == action::ask_remote);
    REQUIRE(cut_off.remote(nullptr) == action::fetch);
    CHECK(cut_off.fails(errc::upstream_refused) == action::answer);
    CHECK(cut_off.content() == "one");
}

TEST_CASE("keys of other paths of the same host are those that their requests have") {
    world w;
    visitor v(w, "POST /x");
    (void)v.begin();
    std::string key;
    v.x.key_of_path("/y?z", key);
    CHECK(key == key_of("/y?z"));
}

} // namespace
