// What a proxy changes in the fields that pass through it, and what it leaves alone (RFC 9110, section 7.6).
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <csignal>
#include <fstream>
#include <iterator>

using namespace meshcache::test;

TEST_CASE("end-to-end fields pass both ways in their order, hop-by-hop fields do not") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nX-B: 1\r\nConnection: X-Hop, close\r\nX-Hop: "
               "gone\r\n"
               "Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nX-A: 2\r\nX-B: 3\r\nContent-Length: "
               "2\r\n\r\nok");
        t.close();
    });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send("GET /f HTTP/1.1\r\nHost: shop.example\r\nX-One: 1\r\nConnection: keep-alive, "
                   "X-Hop\r\nX-Hop: gone\r\n"
                   "Keep-Alive: 300\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X\r\n"
                   "Proxy-Authorization: secret\r\nX-Two: 2\r\nX-One: 3\r\nCookie: a=b\r\n\r\n"));
    const response r = c.read();
    CHECK(r.body == "ok");
    CHECK(r.field("x-a") == "2");
    CHECK(r.top.fields.joined("x-b") == "1, 3");
    for (const char* name : {"x-hop", "keep-alive", "proxy-authenticate"}) {
        INFO(name);
        CHECK_FALSE(r.top.fields.has(name));
    }
    CHECK(r.field("connection") != "close");

    const request seen = upstream.last();
    CHECK(seen.field("host") == "shop.example");
    CHECK(seen.top.fields.joined("x-one") == "1, 3");
    CHECK(seen.field("x-two") == "2");
    CHECK(seen.field("cookie") == "a=b");
    for (const char* name :
         {"x-hop", "keep-alive", "proxy-connection", "te", "trailer", "proxy-authorization"}) {
        INFO(name);
        CHECK_FALSE(seen.top.fields.has(name));
    }
    CHECK(c.get("/again").body == "ok"); // the upstream's close is not the client's
}

TEST_CASE("Connection cannot take away what framing, routing and the key are made of") {
    scripted_upstream upstream([](turn& t) {
        const std::string body = t.read_body();
        t.ok(body, "no-store");
    });
    proxy p(upstream);
    const response r =
        p.ask("POST", "/",
              "Connection: Content-Length, Host, Cookie, Authorization, Cache-Control, X-Forwarded-For\r\n"
              "Cookie: c=1\r\nAuthorization: Bearer t\r\nCache-Control: no-cache\r\n",
              "whole");
    CHECK(r.body == "whole");
    const request seen = upstream.last();
    CHECK(seen.field("host") == "shop.example");
    CHECK(seen.field("cookie") == "c=1");
    CHECK(seen.field("authorization") == "Bearer t");
    CHECK(seen.field("cache-control") == "no-cache");
    CHECK(seen.field("x-forwarded-for") == "127.0.0.1");
}

TEST_CASE("Via, X-Forwarded-* and Forwarded say who asked, and a client cannot forge them") {
    scripted_upstream upstream([](turn& t) { t.ok("ok", "no-store"); });
    const std::string forged =
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\nVia: 1.1 before\r\n"
        "X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n"
        "X-HTTP-Method-Override: DELETE\r\nX-Forwarded-Prefix: /evil\r\n";
    SECTION("by default they are replaced") {
        proxy p(upstream);
        const response r = p.get("/", forged);
        CHECK(r.field("via").find("meshcache") != std::string::npos);
        const request seen = upstream.last();
        CHECK(seen.top.fields.joined("x-forwarded-for") == "127.0.0.1");
        CHECK(seen.top.fields.joined("x-forwarded-host") == "shop.example");
        CHECK(seen.top.fields.joined("x-forwarded-proto") == "http");
        CHECK(seen.top.fields.joined("x-forwarded-port") == std::to_string(p.address().port));
        CHECK(seen.top.fields.joined("forwarded").find("6.6.6.6") == std::string::npos);
        CHECK(seen.top.fields.joined("forwarded").find("for=127.0.0.1") != std::string::npos);
        CHECK(seen.top.fields.joined("forwarded").find("proto=http") != std::string::npos);
        CHECK(seen.top.fields.joined("via") == "1.1 before, 1.1 meshcache");
        for (const char* name :
             {"x-original-url", "x-rewrite-url", "x-http-method-override", "x-forwarded-prefix"}) {
            INFO(name);
            CHECK_FALSE(seen.top.fields.has(name));
        }
    }
    SECTION("--trust-forwarded appends to them") {
        proxy p(upstream, {"--trust-forwarded"});
        p.get("/", forged);
        const request seen = upstream.last();
        CHECK(seen.top.fields.joined("x-forwarded-for") == "6.6.6.6, 127.0.0.1");
        CHECK(seen.top.fields.joined("forwarded").starts_with("for=6.6.6.6"));
        CHECK_FALSE(seen.top.fields.has("x-original-url"));
        CHECK_FALSE(seen.top.fields.has("x-http-method-override"));
    }
}

TEST_CASE("a client that is gone before it was accepted is named all the same") {
    scripted_upstream upstream([](turn& t) {
        t.read_body();
        t.ok("ok", "no-store");
    });
    for (const char* listen : {"127.0.0.1:0", "[::]:0"}) {
        INFO(listen);
        const std::size_t before = upstream.requests();
        proxy p(upstream, {"--threads", "1", "--listen", listen, "--access-log", "all"});
        p.process().signal(SIGSTOP);
        REQUIRE(eventually([&] {
            std::ifstream status("/proc/" + std::to_string(p.process().pid()) + "/status");
            const std::string text{std::istreambuf_iterator<char>(status), {}};
            return text.find("State:\tT") != std::string::npos;
        }));
        {
            auto gone = connection::to({"127.0.0.1", p.address().port, {}});
            REQUIRE(gone.send(request_text("POST", "/gone", {}, "abc")));
            gone.reset();
        }
        p.process().signal(SIGCONT);
        upstream.wait_for_requests(before + 1);
        const request seen = upstream.last();
        CHECK(seen.target() == "/gone");
        CHECK(seen.top.fields.joined("x-forwarded-for") == "127.0.0.1");
        CHECK(seen.field("forwarded").starts_with("for=127.0.0.1"));
        CHECK(p.process().wait_for_output(" access 127.0.0.1 POST "));
    }
}

TEST_CASE("the upstream is sent the target and the Host that the key was made of") {
    scripted_upstream upstream([](turn& t) { t.ok("ok", "no-store"); });
    proxy p(upstream);
    struct row {
        const char* target;
        const char* host;
        const char* sent_target;
        const char* sent_host;
    };
    const row rows[] = {
        {"/", "Shop.Example", "/", "shop.example"},
        {"/", "shop.example:80", "/", "shop.example"},
        {"/", "shop.example.", "/", "shop.example"},
        {"/", "shop.example:8080", "/", "shop.example:8080"},
        {"http://other.example/p?q", "shop.example", "/p?q", "other.example"},
        {"http://other.example", "shop.example", "/", "other.example"},
        {"http://other.example?q=1", "shop.example", "/?q=1", "other.example"},
        {"/a//b/../c%2f%2F;x?y=1&y=2&&z", "shop.example", "/a//b/../c%2f%2F;x?y=1&y=2&&z", "shop.example"},
    };
    for (const row& r : rows) {
        INFO(r.target << " at " << r.host);
        CHECK(p.get(r.target, "Host: " + std::string(r.host) + "\r\n").status == 200);
        CHECK(upstream.last().target() == r.sent_target);
        CHECK(upstream.last().top.fields.joined("host") == r.sent_host);
    }
}

TEST_CASE("Date is added when the upstream sends none, and Cache-Status is appended to what came before") {
    scripted_upstream upstream(
        [](turn& t) { t.respond(200, "Cache-Status: inner; hit\r\nCache-Control: max-age=60\r\n", "x"); });
    proxy p(upstream);
    for (int i = 0; i < 2; ++i) {
        const response r = p.get("/");
        CHECK(r.top.fields.count("date") == 1);
        CHECK(r.top.fields.joined("cache-status").starts_with("inner; hit, meshcache; "));
        CHECK(r.cached().hit() == (i == 1));
    }
}

TEST_CASE("the trailer section is dropped, and never becomes fields") {
    scripted_upstream upstream([](turn& t) {
        const std::string body = t.read_body();
        t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n" +
               chunk(body) + "0\r\nX-Trailer: t\r\nSet-Cookie: evil\r\n\r\n");
    });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("body") +
                   "0\r\nX-Trailer: t\r\nAuthorization: evil\r\n\r\n"));
    const response r = c.read();
    CHECK(r.body == "body");
    CHECK_FALSE(r.top.fields.has("x-trailer"));
    CHECK_FALSE(upstream.last().top.fields.has("x-trailer"));
    CHECK_FALSE(upstream.last().top.fields.has("authorization"));
}
