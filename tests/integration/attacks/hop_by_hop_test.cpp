// B: a client that declares end-to-end fields hop-by-hop, and the fields that really are.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;

namespace {

const std::string after(smuggled);

} // namespace

TEST_CASE("B Connection cannot take away fields that framing, routing, authority or the key need") {
    scripted_upstream upstream(
        [](turn& t) { t.ok(t.method() + " " + t.target() + " " + t.read_body(), "no-store"); });
    proxy p(upstream, {"--threads", "1"});
    struct row {
        std::string name, value;
    };
    const std::vector<row> rows = {
        {"Cookie", "c=1"},
        {"Authorization", "Bearer t"},
        {"Cache-Control", "no-cache"},
        {"Pragma", "no-cache"},
        {"Accept", "text/html"},
        {"Accept-Encoding", "gzip"},
        {"Accept-Language", "de"},
        {"User-Agent", "x"},
        {"Origin", "http://a"},
        {"Content-Type", "text/plain"},
        {"Content-Encoding", "gzip"},
        {"Range", "bytes=0-1"},
        {"If-Range", "\"x\""},
        {"If-Match", "\"x\""},
        {"Max-Forwards", "5"},
        {"Age", "5"},
        {"Via", "1.1 a"},
    };
    for (const row& r : rows) {
        for (const std::string& connection : {r.name, "close, " + r.name, "x,," + r.name + ",y"}) {
            INFO("B Connection: " << connection);
            const response got =
                p.ask("POST", "/b", "Connection: " + connection + "\r\n" + r.name + ": " + r.value + "\r\n",
                      "hello");
            CHECK(got.body == "POST /b hello");
            const request seen = upstream.last();
            CHECK(seen.field(r.name).starts_with(r.value));
            CHECK(seen.field("connection").empty());
            CHECK(seen.field("host") == "shop.example");
            CHECK(seen.field("x-forwarded-for") == "127.0.0.1");
        }
    }
}

TEST_CASE("B Connection that names framing fields does not change where a request ends") {
    attack_stage stage;
    const std::string five = "5\r\nhello\r\n0\r\n\r\n";
    stage.check_all<accepted_attack>({
        {"B Content-Length",
         post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"B Content-Length, other case",
         post("connection: keep-alive, content-length\r\nContent-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"B Content-Length behind",
         post("Content-Length: 5\r\nConnection: Content-Length\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"B Content-Length on GET",
         get("Connection: Content-Length\r\nContent-Length: 5\r\n") + "hello" + after,
         {"GET $T hello", "GET $S "}},
        {"B Transfer-Encoding",
         post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", five + after),
         {"POST $T hello", "GET $S "}},
        {"B Host", get("Connection: Host\r\n") + after, {"GET $T ", "GET $S "}},
        {"B Expect",
         post("Connection: Expect\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"B Trailer",
         post("Connection: Trailer\r\nTrailer: X-A\r\nTransfer-Encoding: chunked\r\n", five + after),
         {"POST $T hello", "GET $S "}},
        {"B Connection itself", get("Connection: Connection\r\n") + after, {"GET $T ", "GET $S "}},
        {"B nothing", get("Connection:\r\n") + after, {"GET $T ", "GET $S "}},
        {"B commas", get("Connection: ,,,\r\n") + after, {"GET $T ", "GET $S "}},
        {"B no token", get("Connection: (x) \"close\" @\r\n") + after, {"GET $T ", "GET $S "}},
        {"B a thousand names",
         get("Connection: x" +
             [] {
                 std::string all;
                 for (int i = 0; i < 1000; ++i) all += ", x" + std::to_string(i);
                 return all;
             }() +
             "\r\n") +
             after,
         {"GET $T ", "GET $S "}},
    });
}

TEST_CASE("B hop-by-hop fields end here, whether Connection names them or not") {
    attack_stage stage;
    std::vector<accepted_attack> rows;
    for (const std::string line :
         {"Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic x",
          "Proxy-Authenticate: Basic", "Trailer: X-A", "TE: gzip", "TE: trailers, deflate;q=0.5",
          "Upgrade: websocket", "HTTP2-Settings: AAMAAABk"}) {
        const std::string name = line.substr(0, line.find(':'));
        rows.push_back({"B " + line, get(line + "\r\n") + after, {"GET $T ", "GET $S "}, false, line});
        if (name == "Upgrade") continue;
        rows.push_back({"B " + line + ", named",
                        get("Connection: " + name + "\r\n" + line + "\r\n") + after,
                        {"GET $T ", "GET $S "},
                        false,
                        line});
    }
    for (const std::string name : {"X-Hop", "x-hop", "X-HOP"}) {
        rows.push_back({"B " + name,
                        get("Connection: " + name + "\r\nX-Hop: evil\r\n") + after,
                        {"GET $T ", "GET $S "},
                        false,
                        "evil"});
        rows.push_back({"B " + name + " behind",
                        get("X-Hop: evil\r\nConnection: close-not, " + name + "\r\n") + after,
                        {"GET $T ", "GET $S "},
                        false,
                        "evil"});
    }
    rows.push_back({"B two lines of Connection",
                    get("Connection: X-A\r\nX-A: evil\r\nConnection: X-B\r\nX-B: evil\r\n"),
                    {"GET $T "},
                    false,
                    "evil"});
    stage.check_all(rows);
}

TEST_CASE("B the key is made of what the upstream is sent, whatever Connection says") {
    // It answers with what it saw of the field that its answer varies on.
    scripted_upstream upstream([](turn& t) {
        const std::string name = t.target().substr(1, t.target().find('?') - 1);
        t.respond(200, "Cache-Control: max-age=60\r\nVary: " + name + "\r\n", t.asked().field(name));
    });
    proxy p(upstream);
    int row = 0;
    for (const std::string name :
         {"X-Tenant", "Accept-Language", "Accept-Encoding", "Cookie", "Origin", "User-Agent", "Accept",
          "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "TE"}) {
        const std::string target = "/" + name + "?" + std::to_string(++row);
        INFO(name);
        const std::string field = name + ": evil\r\n";
        const std::string without = p.get(target).body;
        const std::string named = p.get(target, "Connection: " + name + "\r\n" + field).body;
        const std::string with = p.get(target, field).body;
        // Asked again by others, each gets the answer to what the upstream saw of it.
        CHECK(p.get(target).body == without);
        CHECK(without.find("evil") == std::string::npos);
        CHECK(p.get(target, field).body == with);
        CHECK(p.get(target, "Connection: " + name + "\r\n" + field).body == named);
        CHECK((named == without || named == with));
    }
}

TEST_CASE("B Connection of an answer cannot take away what decides about storing it") {
    struct row {
        std::string fields;
        bool stored;
    };
    const std::vector<row> rows = {
        {"Connection: Cache-Control\r\nCache-Control: no-store\r\n", false},
        {"Connection: Cache-Control, close\r\nCache-Control: private\r\n", false},
        {"Connection: Set-Cookie\r\nSet-Cookie: a=b\r\nCache-Control: max-age=60\r\n", false},
        {"Connection: Vary\r\nVary: *\r\nCache-Control: max-age=60\r\n", false},
        {"Connection: Age\r\nAge: 100\r\nCache-Control: max-age=60\r\n", false},
        {"Connection: Date\r\nCache-Control: max-age=60\r\n", true},
        {"Connection: Content-Length\r\nCache-Control: max-age=60\r\n", true},
        {"Connection: X-Hop\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n"
         "Cache-Control: max-age=60\r\n",
         true},
    };
    for (std::size_t i = 0; i < rows.size(); ++i) {
        INFO("B " << rows[i].fields);
        scripted_upstream upstream([&](turn& t) { t.respond(200, rows[i].fields, "answer"); });
        proxy p(upstream, {"--threads", "1"});
        for (int n = 0; n < 2; ++n) {
            client c = p.connect();
            const response r = c.get("/x");
            INFO(r.summary());
            CHECK(r.body == "answer");
            CHECK(r.complete);
            CHECK(r.cached().hit() == (n == 1 && rows[i].stored));
            for (const char* name : {"connection", "x-hop", "keep-alive", "proxy-authenticate"})
                CHECK_FALSE(r.top.fields.has(name));
            CHECK(r.top.fields.has("set-cookie") ==
                  (rows[i].fields.find("Set-Cookie:") != std::string::npos));
            CHECK(c.get("/x").body == "answer"); // the upstream's connection is not the client's
        }
    }
}
