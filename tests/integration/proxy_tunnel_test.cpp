// What is more than one request and one answer: interim answers, and connections that change protocol.
#include "support/catch.hpp"
#include "support/proxy.hpp"

using namespace meshcache::test;

TEST_CASE("100-continue is forwarded, and the upstream's 100 comes back before the body is sent") {
    scripted_upstream upstream([](turn& t) {
        if (t.asked().field("expect") != "100-continue") {
            t.respond(500, "", "no expectation");
            return;
        }
        t.send("HTTP/1.1 100 Continue\r\n\r\n");
        const std::string body = t.read_body();
        t.ok(body, "no-store");
    });
    proxy p(upstream);
    client c = p.connect();
    for (int i = 0; i < 2; ++i) {
        REQUIRE(c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
        const auto interim = read_head(c.raw());
        REQUIRE(interim);
        CHECK(interim->part(1) == "100");
        REQUIRE(c.send("body"));
        const response r = c.read();
        CHECK(r.status == 200);
        CHECK(r.interim.empty());
        CHECK(r.body == "body");
    }
}

TEST_CASE("a final answer instead of 100 reaches the client, which then need not send the body") {
    scripted_upstream upstream([](turn& t) {
        t.respond(417, "Connection: close\r\n", "no");
        t.close();
    });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    CHECK(c.read().status == 417);
    // The body never comes, so nothing that follows on this connection can be told from it.
    CHECK(c.wait_for_end() != ending::none);
}

TEST_CASE("early hints pass, any number of them, and are not stored") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
        t.send("HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n");
        t.ok("final", "max-age=60");
    });
    proxy p(upstream);
    client c = p.connect();
    const response miss = c.get("/");
    REQUIRE(miss.interim.size() == 2);
    CHECK(miss.interim[0].part(1) == "103");
    CHECK(miss.interim[0].fields.get("link") == "</a.css>; rel=preload");
    CHECK(miss.interim[1].fields.get("link") == "</b.css>; rel=preload");
    CHECK(miss.body == "final");
    const response hit = c.get("/");
    CHECK(hit.cached().hit());
    CHECK(hit.interim.empty());
    CHECK(hit.body == "final");
}

TEST_CASE("a client of HTTP/1.0 gets no interim answers") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        t.ok("final", "no-store");
    });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n"));
    const response r = c.read();
    CHECK(r.interim.empty());
    CHECK(r.body == "final");
}

TEST_CASE("a flood of interim answers ends in 502") {
    scripted_upstream upstream([](turn& t) {
        for (int i = 0; i < 100'000; ++i)
            if (!t.send("HTTP/1.1 103 Early Hints\r\n\r\n")) break;
        t.close();
    });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send(request_text("GET", "/")));
    const response r = c.read();
    CHECK(r.status == 502);
    CHECK(r.interim.size() < 1000);
}

namespace {

void switch_protocols(turn& t) {
    if (t.asked().field("upgrade") != "websocket" || t.asked().field("connection").empty()) {
        t.respond(426, "Upgrade: websocket\r\nConnection: Upgrade\r\n", "upgrade!");
        return;
    }
    t.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Accept: x\r\n\r\nhello from upstream|");
    // Echoes until the client's direction ends, then says goodbye in its own.
    std::string& buffer = t.raw().buffer();
    for (;;) {
        if (buffer.empty() && !t.raw().fill()) break;
        t.send(std::exchange(buffer, {}));
    }
    if (t.raw().ended() == ending::closed) t.send("|goodbye");
    t.close();
}

constexpr const char* upgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";

std::string read_exactly(connection& from, std::size_t size) {
    while (from.buffer().size() < size && from.fill()) {
    }
    std::string out = from.buffer().substr(0, size);
    from.buffer().erase(0, size);
    return out;
}

} // namespace

TEST_CASE("an upgraded connection is a tunnel, both ways, with half close") {
    scripted_upstream upstream(switch_protocols);
    proxy p(upstream, {"--keepalive-timeout", "30s"});
    client c = p.connect();
    REQUIRE(c.send(upgrade));
    const response r = c.read_top();
    CHECK(r.status == 101);
    CHECK(r.field("upgrade") == "websocket");
    CHECK(r.field("sec-websocket-accept") == "x");
    CHECK(read_exactly(c.raw(), 20) == "hello from upstream|");
    for (int i = 0; i < 50; ++i) {
        const std::string piece = noise(static_cast<std::size_t>(1 + i * 997), static_cast<std::uint64_t>(i));
        REQUIRE(c.send(piece));
        REQUIRE(read_exactly(c.raw(), piece.size()) == piece);
    }
    c.raw().finish();
    CHECK(read_exactly(c.raw(), 8) == "|goodbye");
    CHECK(c.wait_for_end() == ending::closed);
}

TEST_CASE("an upgraded connection ends when either side resets it") {
    gate switched;
    scripted_upstream upstream([&](turn& t) {
        t.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        if (t.asked().field("x-who") == "upstream") {
            t.wait(switched);
            t.reset();
        } else {
            t.stall(); // returns when the proxy passes the client's end on
        }
    });
    proxy p(upstream);
    const std::string head =
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Who: ";
    client first = p.connect();
    REQUIRE(first.send(head + "client\r\n\r\n"));
    CHECK(first.read_top().status == 101);
    first.raw().reset();
    CHECK(eventually([&] { return upstream.open_connections() == 0; }));
    client second = p.connect();
    REQUIRE(second.send(head + "upstream\r\n\r\n"));
    CHECK(second.read_top().status == 101);
    switched.open();
    CHECK(second.wait_for_end() != ending::none);
}

TEST_CASE("bytes after an Upgrade request wait for 101, and are an ordinary request without it") {
    // The upstream declines: what follows must be parsed, and refused like any other smuggled request.
    scripted_upstream upstream([](turn& t) { t.ok("declined " + t.target(), "no-store"); });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send(std::string(upgrade) + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK(c.read().body == "declined /ws");
    const response next = c.read();
    CHECK(next.body == "declined /next");
    const auto seen = upstream.seen();
    REQUIRE(seen.size() == 2);
    CHECK(seen[1].top.fields.has("x-forwarded-for")); // it came through the proxy's own head writer
}

TEST_CASE("an answer to Upgrade that is not 101 is an ordinary answer") {
    scripted_upstream upstream([](turn& t) { t.respond(403, "Cache-Control: no-store\r\n", "no"); });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send(upgrade));
    const response r = c.read();
    CHECK(r.status == 403);
    CHECK(r.body == "no");
    CHECK(c.get("/").status == 403);
}

TEST_CASE("101 without having been asked for is an error of the upstream") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw");
        t.stall();
    });
    proxy p(upstream);
    const response r = p.get("/");
    CHECK(r.status == 502);
}
