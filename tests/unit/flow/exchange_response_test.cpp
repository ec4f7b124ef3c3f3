// What the upstream answers: stored or refused, and what stands in when it fails.
#include "flow_support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using namespace meshcache::flow::test;

TEST_CASE("an answer that may not be stored is relayed, and says why") {
    struct row {
        std::string_view request, status, lines, detail;
    };
    const row rows[] = {
        {"", "200 OK", "Cache-Control: no-store\r\n", "no-store"},
        {"", "200 OK", "Cache-Control: private, max-age=60\r\n", "private"},
        {"", "200 OK", "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", "set-cookie"},
        {"", "200 OK", "Cache-Control: max-age=60\r\nVary: *\r\n", "vary"},
        {"", "200 OK", "Cache-Control: max-age=60\r\nVary: Accept, *\r\n", "vary"},
        {"", "200 OK", "", "no-lifetime"},
        {"", "200 OK", "Cache-Control: max-age=0\r\n", "already-stale"},
        {"", "200 OK", "Cache-Control: no-cache\r\n", "already-stale"},
        {"", "200 OK", "Cache-Control: max-age=60\r\nContent-Length: 65537\r\n", "too-large"},
        {"Range: bytes=0-0\r\n", "206 Partial Content",
         "Cache-Control: max-age=60\r\nContent-Range: bytes 0-0/9\r\n", "request-range"},
        {"", "500 Oops", "", "no-lifetime"},
        {"Range: bytes=0-0\r\n", "404 Not Found", "Cache-Control: max-age=60\r\n", "request-range"},
        {"Cache-Control: no-store\r\n", "200 OK", "Cache-Control: max-age=60\r\n", "request-no-store"},
        {"Authorization: Basic eDp5\r\n", "200 OK", "Cache-Control: max-age=60\r\n", "authorization"},
    };
    for (const auto& r : rows) {
        world w;
        visitor v(w, "GET /x", r.request);
        INFO(r.request << r.status << "; " << r.lines);
        REQUIRE(v.begin() == action::fetch);
        CHECK(v.answered(r.status, r.lines) == action::relay_response);
        CHECK(v.detail() == r.detail);
        CHECK(!v.x.outcome().stored);
        CHECK(!v.x.fill());
        CHECK(w.collapse.fills() == 0);
        CHECK(w.cache.stats().objects == 0);
    }
}

TEST_CASE("an answer that may be stored is shared with a head that has no framing and no age") {
    struct row {
        std::string_view request, lines;
    };
    const row rows[] = {
        {"", "Cache-Control: max-age=60\r\n"},
        {"", "Cache-Control: max-age=60\r\nContent-Length: 65536\r\n"},
        {"", "Cache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n"},
        {"", "Meshcache-Cache-Control: max-age=60\r\nCache-Control: no-store\r\n"},
        {"Authorization: Basic eDp5\r\n", "Cache-Control: public, max-age=60\r\n"},
        {"", "Cache-Control: max-age=70\r\nAge: 10\r\n"},
    };
    for (const auto& r : rows) {
        world w;
        visitor v(w, "GET /x", r.request);
        INFO(r.request << r.lines);
        REQUIRE(v.begin() == action::fetch);
        const auto version = w.next();
        REQUIRE(v.answered("200 OK", std::string(r.lines) + "X-A: b\r\nConnection: keep-alive\r\n",
                           version) == action::share);
        const auto& head = *v.x.stream_head();
        CHECK(head.meta.version == version);
        CHECK(head.meta.status == 200);
        CHECK(head.key == key_of("/x"));
        CHECK(head.primary_key.empty());
        CHECK(head.text.find("HTTP/1.1 200 OK\r\n") == 0);
        CHECK(head.text.find("X-A: b\r\n") != std::string::npos);
        CHECK(head.text.find("Date: ") != std::string::npos);
        CHECK(head.text.find("Via: ") != std::string::npos);
        CHECK(head.text.find("Age: ") == std::string::npos);
        CHECK(head.text.find("Content-Length") == std::string::npos);
        CHECK(head.text.find("Transfer-Encoding") == std::string::npos);
        CHECK(head.text.find("Connection") == std::string::npos);
        // Whether one of unknown length is stored is known when it has ended.
        CHECK(v.x.outcome().stored == head.content_length.has_value());
        CHECK(v.x.outcome().ttl == 60);
        CHECK(v.x.fill()->state() == store::fill_state::streaming);
    }
}

TEST_CASE("Set-Cookie is stored where the operator wants it") {
    world w;
    w.settings.cache.store_set_cookie = true;
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    CHECK(v.ok("Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n") == action::share);
}

TEST_CASE("an answer without content is known to be empty") {
    world w;
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    REQUIRE(v.answered("204 No Content", "Cache-Control: max-age=60\r\n") == action::share);
    CHECK(v.x.stream_head()->content_length == 0u);
}

TEST_CASE("an answer that varies goes to its variant's key, and others of that variant find it") {
    world w;
    const std::string_view gzip = "Accept-Encoding: gzip\r\n", br = "Accept-Encoding: br\r\n";
    const std::string_view lines = "Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n";
    visitor first(w, "GET /x", gzip), same(w, "GET /x", gzip), other(w, "GET /x", br);
    REQUIRE(first.begin() == action::fetch);
    REQUIRE(same.begin() == action::wait);
    REQUIRE(other.begin() == action::wait);
    REQUIRE(first.ok(lines) == action::share);
    CHECK(first.x.stream_head()->key == variant_key_of(w, "/x", "accept-encoding", gzip));
    CHECK(first.x.stream_head()->primary_key == key_of("/x"));
    CHECK(first.x.stream_head()->vary_names == "accept-encoding");
    CHECK(same.look() == action::follow);
    REQUIRE(other.look() == action::fetch);
    CHECK(other.status() == "meshcache; fwd=vary-miss");
    CHECK(first.finish("zipped").note);
    REQUIRE(other.ok(lines) == action::share);
    CHECK(other.finish("brotli").note);

    for (const auto& [request, content] : {std::pair{gzip, "zipped"}, std::pair{br, "brotli"}}) {
        visitor v(w, "GET /x", request);
        REQUIRE(v.begin() == action::answer);
        CHECK(v.content() == content);
        CHECK(v.x.primary_key() == key_of("/x"));
    }
    visitor none(w, "GET /x");
    REQUIRE(none.begin() == action::fetch);
    CHECK(none.status() == "meshcache; fwd=vary-miss");
    CHECK(none.x.key().bytes == variant_key_of(w, "/x", "accept-encoding", ""));
}

TEST_CASE("waiters that know the note by the end take their variant, the others fetch") {
    world w;
    const std::string_view lines = "Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n";
    visitor first(w, "GET /x"), same(w, "GET /x"), other(w, "GET /x", "Accept-Encoding: br\r\n");
    REQUIRE(first.begin() == action::fetch);
    REQUIRE(same.begin() == action::wait);
    REQUIRE(other.begin() == action::wait);
    REQUIRE(first.ok(lines) == action::share);
    first.finish("plain");
    REQUIRE(same.look() == action::answer);
    CHECK(same.content() == "plain");
    REQUIRE(other.look() == action::fetch);
    CHECK(other.status() == "meshcache; fwd=vary-miss");
}

TEST_CASE("after a floor at the primary key no older variant comes back") {
    world w;
    const std::string_view gzip = "Accept-Encoding: gzip\r\n", br = "Accept-Encoding: br\r\n";
    const std::string_view lines = "Cache-Control: max-age=600\r\nVary: Accept-Encoding\r\n";
    visitor(w, "GET /x", gzip).fetch(lines, "old zipped");
    visitor(w, "GET /x", br).fetch(lines, "old brotli");
    visitor under_way(w, "GET /x", "Accept-Encoding: zstd\r\n");
    REQUIRE(under_way.begin() == action::fetch);
    const auto asked = w.next();
    w.pass(milliseconds{1});
    w.purge(key_of("/x"));
    w.pass(milliseconds{1});

    visitor v(w, "GET /x", gzip);
    REQUIRE(v.begin() == action::fetch);
    CHECK(v.status() == "meshcache; fwd=uri-miss");
    REQUIRE(v.ok(lines) == action::share);
    v.finish("new zipped");
    // The floor took the other variant away, too.
    CHECK_FALSE(w.cache.peek(w.cache.view(variant_key_of(w, "/x", "accept-encoding", br))));
    CHECK(visitor(w, "GET /x", br).begin() == action::fetch);
    // One that was asked for before the floor is not joined by those who came after it, and not found.
    visitor late(w, "GET /x", "Accept-Encoding: zstd\r\n");
    CHECK(late.begin() == action::wait);
    REQUIRE(under_way.answered("200 OK", lines, asked) == action::share);
    CHECK(late.look() == action::fetch);
    under_way.finish("old zstd");
    CHECK(visitor(w, "GET /x", "Accept-Encoding: zstd\r\n").begin() == action::fetch);
    visitor again(w, "GET /x", gzip);
    REQUIRE(again.begin() == action::answer);
    CHECK(again.content() == "new zipped");
}

TEST_CASE("an answer that varies no more takes the place of the note") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=1\r\nVary: Accept\r\n", "varies");
    w.pass(seconds{2});
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    REQUIRE(v.ok("Cache-Control: max-age=60\r\n") == action::share);
    CHECK(v.x.stream_head()->key == key_of("/x"));
    v.finish("does not");
    visitor after(w, "GET /x", "Accept: text/html\r\n");
    REQUIRE(after.begin() == action::answer);
    CHECK(after.content() == "does not");
}

TEST_CASE("a stale response stands in for an upstream that fails, as long as it may") {
    struct row {
        std::string_view lines; ///< of the stored response, beside max-age=10
        int age;
        action after; ///< on_failure
    };
    const row rows[] = {
        {"", 11, action::fail},
        {", stale-if-error=30", 11, action::answer},
        {", stale-if-error=30", 39, action::answer},
        {", stale-if-error=30", 40, action::fail},
        {", stale-if-error=30, must-revalidate", 11, action::fail},
    };
    for (const auto& r : rows) {
        for (const std::string_view method : {"GET", "HEAD"}) {
            world w;
            w.settings.cache.stale_if_disconnected = seconds{0};
            visitor(w, "GET /x").fetch("Cache-Control: max-age=10" + std::string(r.lines) + "\r\n", "old");
            w.pass(seconds{r.age});
            INFO(method << r.lines << " age " << r.age);
            visitor broken(w, std::string(method) + " /x");
            REQUIRE(broken.begin() == (method == "GET" ? action::fetch : action::relay));
            REQUIRE(broken.fails(errc::upstream_refused) == r.after);
            CHECK(broken.x.error() == errc::upstream_refused);
            CHECK(broken.detail() == "upstream-refused");
            if (r.after == action::answer) {
                CHECK(broken.content() == "old");
                CHECK(broken.x.outcome().fwd == forward::stale);
                CHECK(broken.x.outcome().ttl == 10 - r.age);
            }

            visitor sick(w, std::string(method) + " /x");
            sick.begin();
            const bool stands_in = r.after == action::answer;
            REQUIRE(sick.answered("503 Unavailable", "") ==
                    (stands_in ? action::answer : action::relay_response));
            CHECK(sick.x.outcome().fwd_status == 503);
            if (stands_in) {
                CHECK(sick.content() == "old");
                CHECK(sick.detail() == "stale-if-error");
            }
            // What the upstream refuses, it refuses.
            visitor refused(w, std::string(method) + " /x");
            refused.begin();
            CHECK(refused.answered("404 Not Found", "") == action::relay_response);
            CHECK(w.collapse.fills() == 0);
        }
    }
}

TEST_CASE("the errors that a stale response stands in for are those of RFC 5861") {
    struct row {
        std::string_view status;
        bool is_error;
    };
    const row rows[] = {
        {"500 x", true},  {"502 x", true},  {"503 x", true},  {"504 x", true},  {"501 x", false},
        {"505 x", false}, {"507 x", false}, {"511 x", false}, {"599 x", false}, {"429 x", false},
    };
    for (const auto& r : rows) {
        INFO(r.status);
        world w;
        visitor(w, "GET /x").fetch("Cache-Control: max-age=10, stale-if-error=60\r\n", "old");
        w.pass(seconds{11});
        for (const std::string_view start : {"GET /x", "HEAD /x"}) {
            visitor v(w, start);
            v.begin();
            CHECK(v.answered(r.status, "") == (r.is_error ? action::answer : action::relay_response));
            CHECK(!v.x.outdates_stored());
        }
    }
}

TEST_CASE("a request's stale-if-error is for that request alone") {
    world w;
    w.settings.cache.stale_if_disconnected = seconds{0};
    visitor(w, "GET /x").fetch("Cache-Control: max-age=10\r\n", "old");
    visitor(w, "GET /strict").fetch("Cache-Control: s-maxage=10\r\n", "old");
    visitor(w, "GET /window").fetch("Cache-Control: max-age=10, stale-if-error=30\r\n", "old");
    w.pass(seconds{20});
    struct row {
        std::string_view target, lines;
        bool served;
    };
    const row rows[] = {
        {"/x", "", false},
        {"/x", "Cache-Control: stale-if-error=11\r\n", true},
        {"/x", "Cache-Control: stale-if-error=10\r\n", false},
        {"/x", "", false},
        {"/strict", "Cache-Control: stale-if-error=600\r\n", false},
        {"/window", "", true},
        {"/window", "Cache-Control: stale-if-error=10\r\n", false},
        {"/window", "Cache-Control: stale-if-error=11\r\n", true},
    };
    for (const auto& r : rows) {
        INFO(r.target << " " << r.lines);
        const std::string start = "GET " + std::string(r.target);
        visitor sick(w, start, r.lines), broken(w, start, r.lines);
        REQUIRE(sick.begin() == action::fetch);
        CHECK(sick.answered("503 Unavailable", "") == (r.served ? action::answer : action::relay_response));
        if (r.served) CHECK(sick.status().ends_with("; fwd-status=503; ttl=-10; detail=stale-if-error"));
        REQUIRE(broken.begin() == action::fetch);
        CHECK(broken.fails(errc::upstream_refused) == (r.served ? action::answer : action::fail));
    }
}

TEST_CASE("of those who wait for a fetch that fails, each gets what it has asked for") {
    world w;
    w.settings.cache.stale_if_disconnected = seconds{0};
    visitor(w, "GET /x").fetch("Cache-Control: max-age=10\r\n", "old");
    w.pass(seconds{20});
    visitor fetcher(w, "GET /x"), patient(w, "GET /x", "Cache-Control: stale-if-error=60\r\n"),
        other(w, "GET /x");
    REQUIRE(fetcher.begin() == action::fetch);
    REQUIRE(patient.begin() == action::wait);
    REQUIRE(other.begin() == action::wait);
    CHECK(fetcher.fails(errc::upstream_reset) == action::fail);
    CHECK(patient.look() == action::answer);
    CHECK(other.look() == action::fail);
}

TEST_CASE("the operator's window for errors counts where the response says nothing") {
    world w;
    w.settings.cache.default_stale_if_error = seconds{30};
    visitor(w, "GET /x").fetch("Cache-Control: max-age=10\r\n", "old");
    w.pass(seconds{11});
    visitor v(w, "GET /x");
    REQUIRE(v.begin() == action::fetch);
    CHECK(v.fails(errc::upstream_silent) == action::answer);
}

TEST_CASE("a response that a request refused stands in for the error, if it is fresh") {
    world w;
    visitor(w, "GET /x").fetch("Cache-Control: max-age=60\r\n", "old");
    visitor v(w, "GET /x", "Cache-Control: no-cache\r\n");
    REQUIRE(v.begin() == action::fetch);
    CHECK(v.fails(errc::upstream_refused) == action::answer);
    CHECK(v.content() == "old");
}

TEST_CASE("an upstream that fails while nothing stands in is the client's failure") {
    world w;
    for (const std::string_view method : {"GET", "HEAD", "POST"}) {
        visitor v(w, std::string(method) + " /x");
        v.begin();
        CHECK(v.fails(errc::upstream_reset) == action::fail);
        CHECK(v.x.error() == errc::upstream_reset);
        CHECK(w.collapse.fills() == 0);
    }
    visitor v(w, "GET /x");
    v.begin();
    CHECK(v.fails(boost::system::errc::make_error_code(boost::system::errc::io_error)) == action::fail);
    CHECK(v.detail().empty());
}

} // namespace
