// Every way in which an upstream can fail: the client learns of it, and nothing of it is ever stored.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/wait.hpp"

#include <functional>

using namespace meshcache::test;

namespace {

const std::string top = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";

/// Plays `fault` for the first request, and answers well from then on.
scripted_upstream::script once(std::function<void(turn&)> fault, std::shared_ptr<std::atomic<int>> turns) {
    return [fault = std::move(fault), turns](turn& t) {
        if ((*turns)++ == 0)
            fault(t);
        else
            t.ok("good");
    };
}

void check_recovers(const proxy& p) {
    const response after = p.get("/x");
    INFO(after.summary());
    CHECK(after.status == 200);
    CHECK(after.body == "good");
    CHECK_FALSE(after.cached().hit());
    CHECK(p.get("/x").cached().hit());
}

} // namespace

TEST_CASE("an upstream that fails before its answer is a 502 or 504 with the reason, never stored") {
    struct row {
        const char* name;
        std::function<void(turn&)> fault;
        int status;
        const char* detail;
    };
    const auto says = [](std::string bytes) {
        return [bytes](turn& t) {
            t.send(bytes);
            t.stall();
        };
    };
    const row rows[] = {
        {"closed", [](turn& t) { t.close(); }, 502, "upstream-reset"},
        {"reset", [](turn& t) { t.reset(); }, 502, "upstream-reset"},
        {"silent", [](turn& t) { t.stall(); }, 504, "upstream-silent"},
        {"half a head and silent", says("HTTP/1.1 200 OK\r\nCache-Con"), 504, "upstream-silent"},
        {"half a head and closed",
         [](turn& t) {
             t.send("HTTP/1.1 200 OK\r\nCache-Con");
             t.close();
         },
         502, "upstream-truncated"},
        {"not HTTP", says("SSH-2.0-OpenSSH_9.2\r\n\r\n"), 502, "upstream-malformed"},
        {"HTTP/2", says("HTTP/2.0 200 OK\r\n\r\n"), 502, "upstream-malformed"},
        {"no status", says("HTTP/1.1 OK\r\n\r\n"), 502, "upstream-malformed"},
        {"status of two digits", says("HTTP/1.1 20 OK\r\n\r\n"), 502, "upstream-malformed"},
        {"bare LF", says("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), 502, "upstream-malformed"},
        {"bare CR", says(top + "X: a\rb\r\n\r\n"), 502, "upstream-malformed"},
        {"NUL in a value", says(top + std::string("X: a\0b\r\n\r\n", 10)), 502, "upstream-malformed"},
        {"obs-fold", says(top + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"), 502, "upstream-malformed"},
        {"blank before the colon", says(top + "Content-Length : 0\r\n\r\n"), 502, "upstream-malformed"},
        {"no colon", says(top + "what\r\n\r\n"), 502, "upstream-malformed"},
        {"two lengths", says(top + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 502,
         "upstream-malformed"},
        {"a list of lengths", says(top + "Content-Length: 1, 1\r\n\r\na"), 502, "upstream-malformed"},
        {"signed length", says(top + "Content-Length: +1\r\n\r\na"), 502, "upstream-malformed"},
        {"length and coding", says(top + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         502, "upstream-malformed"},
        {"an unknown coding", says(top + "Transfer-Encoding: gzip\r\n\r\nx"), 502, "upstream-malformed"},
        {"chunked and more", says(top + "Transfer-Encoding: chunked, gzip\r\n\r\nx"), 502,
         "upstream-malformed"},
        {"chunked in HTTP/1.0", says("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 502,
         "upstream-malformed"},
        {"a head without end", says(top + "X: " + std::string(100'000, 'x')), 502, "upstream-malformed"},
        {"fields without number",
         [](turn& t) {
             std::string bytes = top;
             for (int i = 0; i < 5000; ++i) bytes += "A: b\r\n";
             t.send(bytes + "\r\n");
             t.stall();
         },
         502, "upstream-malformed"},
    };
    for (const row& r : rows) {
        INFO(r.name);
        const auto turns = std::make_shared<std::atomic<int>>(0);
        scripted_upstream upstream(once(r.fault, turns));
        proxy p(upstream, {"--upstream-response-timeout", "300ms"});
        const response got = p.get("/x");
        INFO(got.summary());
        CHECK(got.status == r.status);
        CHECK(got.cached().detail() == r.detail);
        CHECK(got.cached().fwd() == "uri-miss");
        CHECK_FALSE(got.cached().stored());
        CHECK(got.complete);
        check_recovers(p);
    }
}

TEST_CASE("an upstream that is not there is a 502 that says so") {
    proxy p(unused_port().to_string());
    client c = p.connect();
    for (const char* method : {"GET", "POST"}) {
        const response r = c.ask(method, "/");
        CHECK(r.status == 502);
        CHECK(r.cached().detail() == "upstream-refused");
    }
}

TEST_CASE("the warning of an answer that is cut short names its URI") {
    scripted_upstream upstream([](turn& t) {
        t.send(top + "Content-Length: 10\r\n\r\nhello");
        t.close();
    });
    proxy p(upstream);
    const response got = p.get("/x?y");
    // Where the end was seen before a byte had been sent on, the client is told so in as many words.
    CHECK((!got.complete || got.status == 502));
    CHECK(eventually(
        [&] { return p.log().find("upstream-truncated: shop.example/x?y") != std::string::npos; }));
}

TEST_CASE("an answer that is cut short never looks whole to the client, and is never stored") {
    struct row {
        const char* name;
        std::function<void(turn&)> fault;
    };
    const std::string big = noise(300'000);
    const auto cut = [](std::string bytes) {
        return [bytes](turn& t) {
            t.send(bytes);
            t.close();
        };
    };
    const row rows[] = {
        {"by length", cut(top + "Content-Length: 10\r\n\r\nhello")},
        {"by length, nothing of it", cut(top + "Content-Length: 10\r\n\r\n")},
        {"by length, late", cut(top + "Content-Length: 300001\r\n\r\n" + big)},
        {"by length, not stored",
         cut("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 10\r\n\r\nhello")},
        {"chunked, before the last chunk", cut(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello"))},
        {"chunked, inside a chunk", cut(top + "Transfer-Encoding: chunked\r\n\r\na\r\nhello")},
        {"chunked, inside a size", cut(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "1")},
        {"chunked, before the end of the trailer",
         cut(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "0\r\n")},
        {"chunked, not stored",
         cut("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n" +
             chunk("hello"))},
        {"a bad chunk size",
         cut(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "xyz\r\nhello\r\n0\r\n\r\n")},
        {"a chunk without its end",
         cut(top + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n0\r\n\r\n")},
        {"an overflowing chunk size",
         cut(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello") + "10000000000000000\r\n")},
        {"until close, by reset",
         [](turn& t) {
             t.send(top + "\r\nhello");
             t.reset();
         }},
        {"reset inside",
         [](turn& t) {
             t.send(top + "Content-Length: 10\r\n\r\nhello");
             t.reset();
         }},
        {"stalled",
         [](turn& t) {
             t.send(top + "Content-Length: 10\r\n\r\nhello");
             t.stall();
         }},
        {"stalled chunked",
         [](turn& t) {
             t.send(top + "Transfer-Encoding: chunked\r\n\r\n" + chunk("hello"));
             t.stall();
         }},
    };
    for (const row& r : rows) {
        for (const char* version : {"1.1", "1.0"}) {
            INFO(r.name << ", client of HTTP/" << version);
            const auto turns = std::make_shared<std::atomic<int>>(0);
            scripted_upstream upstream(once(r.fault, turns));
            proxy p(upstream, {"--upstream-idle-timeout", "300ms"});
            client c = p.connect();
            REQUIRE(c.send("GET /x HTTP/" + std::string(version) + "\r\nHost: shop.example\r\n\r\n"));
            // Even a 1.0 client, whose answer ends with the connection, must see a reset, and not an end.
            bool whole_200 = false;
            try {
                const response got = c.read();
                INFO(got.summary());
                whole_200 = got.status == 200 && got.complete;
                CHECK((got.status == 200 || got.status == 502 || got.status == 504));
            } catch (const std::exception&) {
                // The connection was cut before the head: not whole either.
            }
            CHECK_FALSE(whole_200);
            check_recovers(p);
        }
    }
}

TEST_CASE("more bytes than announced are not part of the answer, and end the upstream connection") {
    const auto turns = std::make_shared<std::atomic<int>>(0);
    scripted_upstream upstream(once(
        [](turn& t) {
            t.send(top + "Content-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        },
        turns));
    proxy p(upstream, {"--threads", "1"});
    CHECK(p.get("/x").body == "good");
    CHECK(p.get("/y").body == "good");
    CHECK(upstream.connections() == 2);
    CHECK(p.get("/x").body == "good");
}

TEST_CASE("content where there may be none ends the upstream connection, and is nobody's answer") {
    struct row {
        const char* method;
        std::string answer;
    };
    const row rows[] = {
        {"HEAD", top + "Content-Length: 4\r\n\r\nevil"},
        {"POST", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"},
    };
    for (const row& r : rows) {
        INFO(r.method << " " << r.answer);
        const auto turns = std::make_shared<std::atomic<int>>(0);
        scripted_upstream upstream(once([&](turn& t) { t.send(r.answer); }, turns));
        proxy p(upstream, {"--threads", "1"});
        client c = p.connect();
        CHECK(c.ask(r.method, "/x", "If-None-Match: \"x\"\r\n").body.empty());
        CHECK(c.get("/y").body == "good");
    }
}

TEST_CASE(
    "an upstream that sends a single byte now and then is bounded by the idle time-out, not cut before") {
    gate next;
    scripted_upstream upstream([&](turn& t) {
        t.send(top + "Content-Length: 5\r\n\r\nh");
        t.wait(next);
        t.send("ello");
    });
    proxy p(upstream, {"--upstream-response-timeout", "10s", "--upstream-idle-timeout", "60s"});
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/")));
    response r = c.read_top();
    body_reader body(c.raw(), r.framed);
    client::read_until(body, r, 1);
    CHECK(r.body == "h"); // what has come is passed on at once
    next.open();
    client::read_until(body, r, 5);
    CHECK(r.body == "hello");
    CHECK(r.complete);
}

TEST_CASE("a client that goes away while the upstream thinks frees the upstream connection") {
    scripted_upstream upstream([](turn& t) { t.target() == "/well" ? void(t.ok("ok")) : t.stall(); });
    // The fetch that others might share still runs at the stop.
    proxy p(upstream, {"--drain-timeout", "1s"});
    for (const char* method : {"GET", "POST"}) {
        client c = p.connect();
        REQUIRE(c.send(request_text(method, "/")));
        upstream.wait_for_requests(method == std::string("GET") ? 1 : 2);
        c.raw().reset();
        // A GET may go on for the cache's sake; a relayed request has nobody left to go on for.
    }
    CHECK(eventually([&] { return upstream.open_connections() <= 1; }));
    CHECK(p.get("/well").body == "ok");
}
