// A13 to A15: the request line, other protocols, and sizes.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;
using namespace std::string_literals;

namespace {

const std::string after(smuggled);
const std::string host = "Host: shop.example\r\n";

std::string line(const std::string& request_line) { return request_line + "\r\n" + host + "\r\n" + after; }

std::string fields(int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += "X-" + std::to_string(i) + ": v\r\n";
    return out;
}

} // namespace

TEST_CASE("A13 a request line that can be read in two ways is refused") {
    attack_stage stage;
    stage.check_all<refused_attack>({
        {"A13 two blanks before the target", line("GET  $T HTTP/1.1")},
        {"A13 two blanks behind the target", line("GET $T  HTTP/1.1")},
        {"A13 blank at the start", line(" GET $T HTTP/1.1")},
        {"A13 blank at the end", line("GET $T HTTP/1.1 ")},
        {"A13 tab for blank", line("GET\t$T HTTP/1.1")},
        {"A13 tab behind the target", line("GET $T\tHTTP/1.1")},
        {"A13 VT for blank", line("GET\v$T HTTP/1.1")},
        {"A13 FF for blank", line("GET\f$T HTTP/1.1")},
        {"A13 CR for blank", line("GET\r$T HTTP/1.1")},
        {"A13 blank in the target", line("GET $T $S HTTP/1.1")},
        {"A13 two targets and versions", line("GET $T HTTP/1.1 $S HTTP/1.1")},
        {"A13 fragment", line("GET $T#x HTTP/1.1")},
        {"A13 NUL in the target", line("GET $T\0 HTTP/1.1"s)},
        {"A13 control in the target", line("GET $T\x01 HTTP/1.1")},
        {"A13 DEL in the target", line("GET $T\x7f HTTP/1.1")},
        {"A13 UTF-8 in the target", line("GET $T\xc3\xa4 HTTP/1.1")},
        {"A13 no target", line("GET HTTP/1.1")},
        {"A13 empty target", line("GET  HTTP/1.1")},
        {"A13 no slash", line("GET x HTTP/1.1")},
        {"A13 asterisk for GET", line("GET * HTTP/1.1")},
        {"A13 asterisk and more for OPTIONS", line("OPTIONS *$T HTTP/1.1")},
        {"A13 question mark alone", line("GET ?x HTTP/1.1")},
        {"A13 colon in the method", line("GET: $T HTTP/1.1")},
        {"A13 brace in the method", line("G{T $T HTTP/1.1")},
        {"A13 NUL in the method", line("G\0T $T HTTP/1.1"s)},
        {"A13 no ASCII in the method", line("G\xc3\x8bT $T HTTP/1.1")},
        {"A13 slash in the method", line("GET/ $T HTTP/1.1")},
        {"A13 quotes in the method", line("\"GET\" $T HTTP/1.1")},
        {"A13 no method", line(" $T HTTP/1.1")},
        {"A13 no version", line("GET $T")},
        {"A13 HTTP/0.9", "GET $T\r\n\r\n" + after},
        {"A13 HTTP/0.9 with a version", line("GET $T HTTP/0.9"), 505},
        {"A13 HTTP", line("GET $T HTTP")},
        {"A13 HTTP/", line("GET $T HTTP/")},
        {"A13 HTTP/1", line("GET $T HTTP/1")},
        {"A13 HTTP/1.", line("GET $T HTTP/1.")},
        {"A13 HTTP/1.1x", line("GET $T HTTP/1.1x")},
        {"A13 HTTP/1.10", line("GET $T HTTP/1.10")},
        {"A13 HTTP/01.1", line("GET $T HTTP/01.1")},
        {"A13 HTTP/1,1", line("GET $T HTTP/1,1")},
        {"A13 HTTP/ 1.1", line("GET $T HTTP/ 1.1")},
        {"A13 http/1.1", line("GET $T http/1.1")},
        {"A13 HTTPS/1.1", line("GET $T HTTPS/1.1")},
        {"A13 HTTP/A.B", line("GET $T HTTP/A.B")},
        {"A13 HTTP/1.2", line("GET $T HTTP/1.2"), 505},
        {"A13 HTTP/1.9", line("GET $T HTTP/1.9"), 505},
        {"A13 HTTP/2.0", line("GET $T HTTP/2.0"), 505},
        {"A13 HTTP/3.0", line("GET $T HTTP/3.0"), 505},
        {"A13 HTTP/9.9", line("GET $T HTTP/9.9"), 505},
        {"A13 the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\0\4\0\0\0\0\0"s, 505},
        {"A13 two empty lines first", "\r\n\r\n" + get() + after},
        {"A13 bare LF first", "\n" + get() + after},
        {"A13 bare CR first", "\r" + get() + after},
        {"A13 blanks in the empty line first", " \r\n" + get() + after},
        {"A13 TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s},
        {"A13 PROXY protocol", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get() + after},
        {"A13 PROXY protocol 2", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"s + std::string(12, 'x') + get()},
        {"A13 a response", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + after},
        {"A13 SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
        {"A13 CONNECT", "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n" + after, 501},
        {"A13 CONNECT with a path", line("CONNECT $T HTTP/1.1"), 501},
        {"A13 TRACE", line("TRACE $T HTTP/1.1"), 501},
        {"A13 TRACE with Max-Forwards", "TRACE $T HTTP/1.1\r\n" + host + "Max-Forwards: 0\r\n\r\n" + after,
         501},
        {"A13 TRACK", line("TRACK $T HTTP/1.1"), 501},
    });
}

TEST_CASE("A13 one empty line before a request is skipped, and unknown methods pass as they are") {
    attack_stage stage;
    stage.check_all<accepted_attack>({
        {"A13 CRLF first", "\r\n" + get() + after, {"GET $T ", "GET $S "}},
        {"A13 CRLF between", get() + "\r\n" + after, {"GET $T ", "GET $S "}},
        {"A13 lower case is another method", line("get $T HTTP/1.1"), {"get $T ", "GET $S "}},
        {"A13 PRI in HTTP/1.1", line("PRI $T HTTP/1.1"), {"PRI $T ", "GET $S "}},
        {"A13 HTTP/1.0", "GET $T HTTP/1.0\r\n" + host + "\r\n" + after, {"GET $T "}, true},
        {"A13 HTTP/1.0 that stays",
         "GET $T HTTP/1.0\r\n" + host + "Connection: keep-alive\r\n\r\n" + after,
         {"GET $T ", "GET $S "}},
        {"A13 Connection: close, and a request behind",
         get("Connection: close\r\n") + after,
         {"GET $T "},
         true},
    });
}

TEST_CASE("A14 a refused request takes what was pipelined behind it down, and nothing before it") {
    scripted_upstream upstream([](turn& t) { t.ok(t.target()); });
    proxy p(upstream);
    for (const std::string bad :
         {"GET /x HTTP/1.1\r\n\r\n", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", "\n\n",
          "GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, x\r\n\r\n",
          "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n"}) {
        for (const std::string first : {"/one", "/two"}) { // a miss, then a hit
            INFO(bad);
            client c = p.connect();
            REQUIRE(c.send(request_text("GET", first) + bad + request_text("GET", "/behind")));
            CHECK(c.read().body == first);
            const response refused = c.read();
            CHECK(refused.status == 400);
            CHECK(refused.field("connection") == "close");
            CHECK(c.wait_for_end() != ending::none);
        }
    }
    CHECK(upstream.requests_for("/behind") == 0);
    CHECK(upstream.requests_for("/x") == 0);
    CHECK(upstream.requests() == 2);
}

TEST_CASE("A14 bytes behind a request to upgrade are not sent on before 101, and are requests without it") {
    attack_stage stage;
    const std::string raw = "GET $S HTTP/1.1\r\nhOsT:shop.example\r\n\r\n"; // as it would not be written here
    const std::string socket = "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n";
    stage.check_all<accepted_attack>({
        {"A14 declined",
         get("Connection: Upgrade\r\n" + socket) + raw,
         {"GET $T ", "GET $S "},
         false,
         "hOsT"},
        {"A14 declined, in a list",
         get("Connection: keep-alive, uPgRaDe\r\n" + socket) + raw,
         {"GET $T ", "GET $S "},
         false,
         "hOsT"},
        {"A14 Upgrade that Connection does not name",
         get(socket) + raw,
         {"GET $T ", "GET $S "},
         false,
         "Upgrade:"},
        {"A14 Connection that names no Upgrade field",
         get("Connection: Upgrade\r\n") + raw,
         {"GET $T ", "GET $S "},
         false,
         "pgrade"},
        {"A14 in HTTP/1.0",
         "GET $T HTTP/1.0\r\n" + host + "Connection: Upgrade\r\n" + socket + "\r\n" + raw,
         {"GET $T "},
         true,
         "Upgrade:"},
        {"A14 with content",
         post("Connection: Upgrade\r\n" + socket + "Content-Length: 5\r\n", "hello" + raw),
         {"POST $T hello", "GET $S "},
         false,
         "hOsT"},
        {"A14 with chunked content",
         post("Connection: Upgrade\r\n" + socket + "Transfer-Encoding: chunked\r\n",
              "5\r\nhello\r\n0\r\n\r\n" + raw),
         {"POST $T hello", "GET $S "},
         false,
         "hOsT"},
    });
}

TEST_CASE("A14 an upgrade to HTTP or TLS, which would pass the cache by, is not offered to the upstream") {
    attack_stage stage;
    std::vector<accepted_attack> rows;
    for (const std::string protocol : {"h2c", "H2C", "h2c, h2c", "h2", "HTTP/2.0", "http/2.0", "HTTP/1.1",
                                       "HTTP/3", "TLS/1.0", "TLS/1.2, HTTP/1.1", "h2c/1"}) {
        rows.push_back({"A14 Upgrade: " + protocol,
                        get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol +
                            "\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n") +
                            after,
                        {"GET $T ", "GET $S "},
                        false,
                        "pgrade"});
    }
    rows.push_back({"A14 HTTP2-Settings that Connection does not name",
                    get("Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
                    {"GET $T "},
                    false,
                    "Settings"});
    rows.push_back({"A14 websocket beside h2c",
                    get("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nUpgrade: h2c\r\n"),
                    {"GET $T "},
                    false,
                    "h2c"});
    stage.check_all(rows);
    CHECK(stage.upstream().received().find("Upgrade: websocket\r\n") != std::string::npos);
    // Such an offer is no reason to pass the cache by.
    const std::string offer =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    CHECK(stage.front().get("/cached").status == 200);
    CHECK(stage.front().get("/cached", offer).cached().hit());
}

TEST_CASE("A14 an upstream cannot switch to a protocol that was not asked for") {
    scripted_upstream upstream([](turn& t) { t.ok("good"); });
    proxy p(upstream, {"--threads", "1"});
    for (const std::string switched :
         {"Connection: Upgrade\r\nUpgrade: h2c\r\n", "Connection: Upgrade\r\nUpgrade: chat\r\n",
          "Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "",
          "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"}) {
        const std::string answer =
            "HTTP/1.1 101 Switching Protocols\r\n" + switched + "\r\nHTTP/1.1 200 OK\r\n\r\n";
        INFO(answer);
        // A script owns what it sends: an earlier connection may still be at it.
        upstream.play([answer](turn& t) {
            if (t.target() != "/switch") {
                t.ok("good");
                return;
            }
            t.send(answer);
            t.stall();
        });
        client c = p.connect();
        const response r = c.get("/switch", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
        CHECK(r.status == 502);
        CHECK(c.get("/next").body == "good");
    }
}

TEST_CASE("A15 heads beyond the limits are refused with the status that says which") {
    attack_stage stage({"--max-header-size", "4KiB", "--max-header-count", "20", "--max-target", "200"});
    stage.check_all<refused_attack>({
        {"A15 one large field", get("X-A: " + std::string(5000, 'x') + "\r\n"), 431},
        {"A15 a large name", get(std::string(5000, 'x') + ": x\r\n"), 431},
        {"A15 too many fields", get(fields(20)), 431},
        {"A15 many small fields", get(fields(2000)), 431},
        {"A15 a large cookie", get("Cookie: a=" + std::string(5000, 'x') + "\r\n"), 431},
        {"A15 no end", "GET $T HTTP/1.1\r\n" + host + "X-A: " + std::string(100'000, 'x'), 431},
        {"A15 a long target", line("GET $T" + std::string(200, 'x') + " HTTP/1.1"), 414},
        {"A15 a long query", line("GET $T?" + std::string(200, 'x') + " HTTP/1.1"), 414},
        {"A15 a long absolute target",
         line("GET http://shop.example$T" + std::string(200, 'x') + " HTTP/1.1"), 414},
        {"A15 a target without end", "GET $T" + std::string(100'000, 'x'), 414},
        {"A15 a method without end", std::string(100'000, 'x'), 431},
    });
    stage.check_all<accepted_attack>({
        {"A15 within the limits", get(fields(19)) + after, {"GET $T ", "GET $S "}},
    });
}

TEST_CASE("A15 slow heads and slow content are bounded") {
    attack_stage stage({"--header-timeout", "100ms", "--body-timeout", "100ms"});
    for (const std::string begun :
         {"G", "GET /slow", "GET /slow HTTP/1.1\r\nHos", "GET /slow HTTP/1.1\r\nHost: a\r\n",
          "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
          "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
          "POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
          "POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
        INFO(begun);
        client c = stage.front().connect();
        c.send(begun);
        const response r = c.read();
        CHECK(r.status == 408);
        CHECK(r.field("connection") == "close");
        CHECK(c.wait_for_end() != ending::none);
    }
    for (const request& seen : stage.upstream().seen()) CHECK_FALSE(seen.complete);
    CHECK(stage.front().get("/slow").body == "GET /slow ");
}
