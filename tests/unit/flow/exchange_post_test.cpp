// The answer to a POST that may be stored for GET (RFC 9110, section 9.3.3), in spite of the floor that the
// POST itself raises.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

const std::string good = "Cache-Control: max-age=60\r\nContent-Location: /x\r\nContent-Length: 3\r\n";

/// The way of a session: what is stored of a POST to /x that was answered so, or null.
store::response_ptr post(world& w, std::string_view status, const std::string& lines,
                         bool whole_request = true) {
    visitor v(w, "POST /x", "Content-Length: 5\r\n");
    REQUIRE(v.begin() == action::relay);
    const auto asked = w.next();
    const bool above = v.x.outlives_own_floor(asked, whole_request);
    if (v.x.invalidates(200)) w.purge(v.x.primary_key());
    const auto next = v.answered(status, lines, above ? w.next() : asked);
    if (next == action::relay_response) {
        CHECK(!v.x.outcome().stored);
        return nullptr;
    }
    REQUIRE(next == action::share);
    CHECK(v.status() == "meshcache; fwd=method; fwd-status=200; stored; ttl=60");
    return v.finish("new").response;
}

TEST_CASE("the answer to a POST answers GET and HEAD, where the policy permits it") {
    world w;
    w.settings.cache.store_post = true;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "old");
    REQUIRE(post(w, "200 OK", good));
    for (const char* start : {"GET /x", "HEAD /x"}) {
        visitor again(w, start);
        CHECK(again.begin() == action::answer);
        CHECK(again.content() == "new");
    }
    visitor another(w, "POST /x", "Content-Length: 5\r\n");
    CHECK(another.begin() == action::relay);
}

TEST_CASE("the answer to a POST is not stored by default, and makes invalid what was") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "old");
    CHECK(!post(w, "200 OK", good));
    CHECK(visitor(w, "GET /x").begin() == action::fetch);
}

TEST_CASE("an answer to a POST that may not be stored leaves nothing behind") {
    world w;
    w.settings.cache.store_post = true;
    struct row {
        std::string_view status;
        std::string lines;
    };
    for (const auto& r :
         {row{"200 OK", "Cache-Control: max-age=60\r\n"}, row{"200 OK", "Content-Location: /x\r\n"},
          row{"200 OK", "Cache-Control: max-age=60\r\nContent-Location: /y\r\n"},
          row{"200 OK", good + "Set-Cookie: a=b\r\n"}, row{"201 Created", good},
          row{"200 OK", "Cache-Control: max-age=60\r\nContent-Location: /x\r\n"
                        "Content-Length: 65537\r\n"}}) {
        INFO(r.status << "; " << r.lines);
        visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "old");
        CHECK(!post(w, r.status, r.lines));
        CHECK(visitor(w, "GET /x").begin() == action::fetch);
    }
}

TEST_CASE("the answer to a POST is held against the floors of others") {
    world w;
    w.settings.cache.store_post = true;
    visitor v(w, "POST /x");
    REQUIRE(v.begin() == action::relay);
    const auto asked = w.next();
    SECTION("one that came before its own") {
        w.purge(key_of("/x"));
        CHECK(!v.x.outlives_own_floor(asked, true));
        CHECK(v.answered("200 OK", good, asked) == action::relay_response);
    }
    SECTION("one that comes after its own") {
        REQUIRE(v.x.outlives_own_floor(asked, true));
        w.purge(key_of("/x"));
        REQUIRE(v.answered("200 OK", good, w.next()) == action::share);
        w.purge(key_of("/x"));
        CHECK(!v.finish("new").response);
        CHECK(visitor(w, "GET /x").begin() == action::fetch);
    }
}

TEST_CASE("an answer that came before the POST was sent whole is not stored") {
    world w;
    w.settings.cache.store_post = true;
    CHECK(!post(w, "200 OK", good, false));
}

TEST_CASE("the answer to a POST is stored as the variant that it asked for") {
    world w;
    w.settings.cache.store_post = true;
    visitor v(w, "POST /x", "Accept-Language: de\r\n");
    REQUIRE(v.begin() == action::relay);
    REQUIRE(v.x.outlives_own_floor(w.next(), true));
    w.purge(key_of("/x"));
    REQUIRE(v.answered("200 OK", good + "Vary: Accept-Language\r\n", w.next()) == action::share);
    REQUIRE(v.finish("neu").response);
    visitor same(w, "GET /x", "Accept-Language: de\r\n");
    CHECK(same.begin() == action::answer);
    CHECK(same.content() == "neu");
    CHECK(visitor(w, "GET /x", "Accept-Language: en\r\n").begin() == action::fetch);
}

} // namespace
