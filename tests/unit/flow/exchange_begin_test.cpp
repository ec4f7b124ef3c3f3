// What begin() says: the first action of a request, from the store and the request's own words.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

// The exchange keeps a reference to the pointer, so none is taken that is gone after the call.
static_assert(begins_with<const std::shared_ptr<store::fill_waiter>&>);
static_assert(!begins_with<std::shared_ptr<store::fill_waiter>>);
static_assert(!begins_with<const std::shared_ptr<counting_waker>&>);

TEST_CASE("the first request is fetched and stored, the second is a hit") {
    world w;
    visitor first(w, "GET /x");
    REQUIRE(first.begin() == action::fetch);
    CHECK(first.x.key().bytes == key_of("/x"));
    CHECK(first.x.key().hash == w.cache.hash(key_of("/x")));
    REQUIRE(first.ok("Cache-Control: max-age=60\r\nContent-Length: 2\r\n") == action::share);
    CHECK(first.x.stream_head()->content_length == 2u);
    CHECK(first.status() == "meshcache; fwd=uri-miss; fwd-status=200; stored; ttl=60");
    CHECK(first.finish("hi").response);

    w.pass(seconds{18});
    visitor second(w, "GET /x");
    REQUIRE(second.begin() == action::answer);
    CHECK(second.content() == "hi");
    CHECK(second.status() == "meshcache; hit; ttl=42");
    CHECK(w.collapse.fills() == 0);
}

TEST_CASE("with reject a hit is refused with the operator's status, a miss is not") {
    world w;
    w.settings.reject_hits = true;
    w.settings.reject_status = 429;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "hi");
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::refuse);
    CHECK(v.x.status() == 429);
    CHECK(v.status() == "meshcache; hit; ttl=60; detail=rejected");
    w.pass(seconds{60});
    CHECK(v.begin() == action::fetch);
}

TEST_CASE("a stored response answers only while and where the request's directives let it") {
    struct row {
        std::string_view lines;
        int age;
        action first;
        std::string_view status;
    };
    const row rows[] = {
        {"", 0, action::answer, "meshcache; hit; ttl=60"},
        {"", 59, action::answer, "meshcache; hit; ttl=1"},
        {"", 60, action::fetch, "meshcache; fwd=stale"},
        {"Cache-Control: no-cache\r\n", 10, action::fetch, "meshcache; fwd=request"},
        {"Pragma: no-cache\r\n", 10, action::fetch, "meshcache; fwd=request"},
        {"Cache-Control: max-age=0\r\n", 0, action::fetch, "meshcache; fwd=request"},
        {"Cache-Control: max-age=10\r\n", 10, action::answer, "meshcache; hit; ttl=50"},
        {"Cache-Control: max-age=10\r\n", 11, action::fetch, "meshcache; fwd=request"},
        {"Cache-Control: min-fresh=20\r\n", 40, action::answer, "meshcache; hit; ttl=20"},
        {"Cache-Control: min-fresh=20\r\n", 41, action::fetch, "meshcache; fwd=request"},
        {"Cache-Control: only-if-cached\r\n", 10, action::answer, "meshcache; hit; ttl=50"},
        {"Cache-Control: only-if-cached\r\n", 60, action::refuse, "meshcache; detail=only-if-cached"},
        {"Cache-Control: only-if-cached, no-cache\r\n", 0, action::refuse,
         "meshcache; detail=only-if-cached"},
        {"Cache-Control: no-store\r\n", 10, action::answer, "meshcache; hit; ttl=50"},
        {"Range: bytes=0-0\r\n", 10, action::answer, "meshcache; hit; ttl=50"},
        {"Authorization: Basic eDp5\r\n", 10, action::answer, "meshcache; hit; ttl=50"},
    };
    for (const auto& r : rows) {
        world w;
        visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "hi");
        w.pass(seconds{r.age});
        visitor v(w, "GET /x", r.lines);
        INFO(r.lines << "age " << r.age);
        CHECK(v.begin() == r.first);
        CHECK(v.status() == r.status);
        if (r.first == action::refuse) CHECK(v.x.status() == 504);
    }
}

TEST_CASE("only-if-cached with nothing stored is a 504, and nobody waits for it") {
    world w;
    w.settings.remote = true;
    visitor v(w, "GET /x", "Cache-Control: only-if-cached\r\n");
    REQUIRE(v.begin() == action::refuse);
    CHECK(v.x.status() == 504);
    CHECK(w.collapse.fills() == 0);
}

TEST_CASE("HEAD is answered from what GET stored, and passes by itself where there is nothing") {
    world w;
    visitor absent(w, "HEAD /x");
    REQUIRE(absent.begin() == action::relay);
    CHECK(absent.x.is_head());
    CHECK(w.collapse.fills() == 0);
    CHECK(absent.ok("Cache-Control: max-age=60\r\n") == action::relay_response);
    CHECK(absent.status() == "meshcache; fwd=uri-miss; fwd-status=200");
    CHECK(w.cache.stats().objects == 0);

    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "hi");
    visitor present(w, "HEAD /x");
    CHECK(present.begin() == action::answer);
    CHECK(present.x.is_head());
    CHECK(present.status() == "meshcache; hit; ttl=60");
}

TEST_CASE("methods that are not looked up pass, and unsafe ones that succeed invalidate") {
    struct row {
        std::string_view method;
        int status;
        bool invalidates;
    };
    const row rows[] = {
        {"POST", 200, true},    {"POST", 201, true},  {"POST", 303, true},  {"POST", 399, true},
        {"POST", 400, false},   {"POST", 503, false}, {"PUT", 204, true},   {"DELETE", 200, true},
        {"DELETE", 404, false}, {"PATCH", 200, true}, {"BREW", 200, true},  {"OPTIONS", 200, false},
        {"TRACE", 200, false},  {"GET", 200, false},  {"HEAD", 200, false}, {"POST", 101, false},
    };
    for (const auto& r : rows) {
        world w;
        visitor v(w, std::string(r.method) + " /x");
        INFO(r.method << " " << r.status);
        const auto first = v.begin();
        CHECK(v.x.invalidates(r.status) == r.invalidates);
        if (r.method == "GET") continue;
        CHECK(first == action::relay);
        if (r.method != "HEAD") CHECK(v.status() == "meshcache; fwd=method");
        if (r.invalidates) CHECK(v.x.primary_key() == key_of("/x"));
        CHECK(v.ok("Cache-Control: max-age=60\r\n") == action::relay_response);
        CHECK(w.cache.stats().objects == 0);
        CHECK(w.collapse.fills() == 0);
    }
}

TEST_CASE("OPTIONS that may go no further is answered at once") {
    world w;
    visitor last(w, "OPTIONS /x", "Max-Forwards: 0\r\n");
    CHECK(last.begin() == action::refuse);
    CHECK(last.x.status() == 200);
    CHECK(last.status() == "meshcache; detail=max-forwards");
    CHECK(visitor(w, "OPTIONS /x", "Max-Forwards: 1\r\n").begin() == action::relay);
    CHECK(visitor(w, "GET /x", "Max-Forwards: 0\r\n").begin() == action::fetch);
}

TEST_CASE("a request whose meaning is not in the key goes past the cache, and says why") {
    struct row {
        std::string_view lines, detail;
    };
    const row rows[] = {
        {"Content-Length: 3\r\n", "request-content"},
        {"Transfer-Encoding: chunked\r\n", "request-content"},
        {"Connection: upgrade\r\nUpgrade: websocket\r\n", "upgrade"},
    };
    for (const auto& r : rows) {
        world w;
        visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "hi");
        visitor v(w, "GET /x", r.lines);
        CHECK(v.begin() == action::relay);
        CHECK(v.status() == "meshcache; fwd=bypass; detail=" + std::string(r.detail));
        CHECK(v.ok("Cache-Control: max-age=60\r\n") == action::relay_response);
        CHECK(w.collapse.fills() == 0);
        CHECK(w.cache.peek(w.cache.view(key_of("/x")))->content() == "hi");
    }
}

TEST_CASE("an exchange begins anew for every request of its connection") {
    world w;
    visitor v(w, "GET /x", "Cache-Control: no-cache\r\n");
    visitor other(w, "GET /y");
    REQUIRE(v.begin() == action::fetch);
    REQUIRE(v.ok("Cache-Control: no-store\r\n") == action::relay_response);
    CHECK(v.detail() == "no-store");
    // The same exchange, another request without directives.
    CHECK(v.x.begin(other.head, other.uri, other.framing, w.now, w.steady, v.waker) == action::fetch);
    CHECK(v.status() == "meshcache; fwd=uri-miss");
    CHECK(v.x.key().bytes == key_of("/y"));
    CHECK(!v.x.response());
    CHECK(!v.x.stream_head());
    v.x.reset();
    // The directives of the first do not count for the second.
    visitor(w, "GET /y").fetch("Cache-Control: max-age=60\r\n", "hi");
    REQUIRE(v.begin() == action::fetch);
    CHECK(v.x.begin(other.head, other.uri, other.framing, w.now, w.steady, v.waker) == action::answer);
    CHECK(v.status() == "meshcache; hit; ttl=60");
}

TEST_CASE("an exchange that ends while it fetches fails its fill, so that nobody hangs") {
    world w;
    visitor waiter(w, "GET /x");
    {
        visitor fetcher(w, "GET /x");
        REQUIRE(fetcher.begin() == action::fetch);
        REQUIRE(waiter.begin() == action::wait);
        SECTION("by reset()") { fetcher.x.reset(); }
        SECTION("by its next request") {
            visitor other(w, "POST /y");
            fetcher.x.begin(other.head, other.uri, other.framing, w.now, w.steady, fetcher.waker);
            fetcher.x.reset();
        }
        SECTION("by its destructor") {}
        SECTION("while its content streams") {
            REQUIRE(fetcher.ok("Cache-Control: max-age=60\r\n") == action::share);
        }
    }
    CHECK(waiter.waker_of_ours->calls > 0);
    CHECK(w.collapse.fills() == 0);
    const auto next = waiter.look();
    if (next == action::fail)
        CHECK(waiter.x.error() == errc::upstream_reset);
    else
        CHECK(next == action::fetch);
}

} // namespace
