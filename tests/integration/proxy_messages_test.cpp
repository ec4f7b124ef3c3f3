// HTTP/1 as it passes through: versions, connections, pipelining, methods, and bodies in every framing.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <thread>

using namespace meshcache::test;

namespace {

/// Answers with what it was sent.
void echo(turn& t) {
    const std::string body = t.read_body();
    t.respond(200, "Cache-Control: no-store\r\nContent-Type: application/octet-stream\r\n", body);
}

std::string chunked(const std::string& body, std::size_t piece) {
    std::string out;
    for (std::size_t at = 0; at < body.size(); at += piece) out += chunk(body.substr(at, piece));
    return out + "0\r\n\r\n";
}

} // namespace

TEST_CASE("a connection of HTTP/1.1 stays open, one of HTTP/1.0 only when it asks for it") {
    scripted_upstream upstream([](turn& t) { t.ok("ok"); });
    proxy p(upstream);
    struct row {
        const char* request;
        bool stays;
    };
    const row rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET /miss HTTP/1.0\r\nHost: a\r\n\r\n", false},
    };
    for (const row& r : rows) {
        INFO(r.request);
        client c = p.connect();
        REQUIRE(c.send(r.request));
        const response first = c.read();
        CHECK(first.status == 200);
        CHECK(first.body == "ok");
        CHECK(first.complete);
        if (r.stays) {
            REQUIRE(c.send(r.request));
            CHECK(c.read().body == "ok");
        } else {
            CHECK(c.wait_for_end() == ending::closed);
        }
    }
}

TEST_CASE("a client of HTTP/1.0 never gets a chunked answer") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 200 OK\r\nCache-Control: " +
               std::string(t.target() == "/stored" ? "max-age=60" : "no-store") +
               "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("hello ") + chunk("world") + "0\r\n\r\n");
    });
    proxy p(upstream);
    for (const char* target : {"/stored", "/stored", "/unstored"}) {
        client c = p.connect();
        REQUIRE(c.send("GET " + std::string(target) + " HTTP/1.0\r\nHost: a\r\n\r\n"));
        const response r = c.read();
        INFO(r.summary());
        CHECK_FALSE(r.top.fields.has("transfer-encoding"));
        CHECK(r.body == "hello world");
        CHECK(r.complete);
    }
}

TEST_CASE("an upstream of HTTP/1.0 is served through") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\n\r\nold but good");
        t.close();
    });
    proxy p(upstream);
    const response miss = p.get("/");
    CHECK(miss.body == "old but good");
    CHECK(miss.complete);
    CHECK(miss.top.part(0) == "HTTP/1.1");
}

TEST_CASE("twenty pipelined requests, hits and misses mixed, are answered in order") {
    scripted_upstream upstream([](turn& t) {
        const std::string body = t.read_body();
        t.ok(t.method() + " " + t.target() + " " + body,
             t.target().starts_with("/hit") ? "max-age=60" : "no-store");
    });
    proxy p(upstream);
    p.get("/hit/0");
    p.get("/hit/1");
    std::string all;
    std::vector<std::string> expected;
    for (int i = 0; i < 20; ++i) {
        std::string target;
        if (i % 4 == 3) {
            target = "/post/" + std::to_string(i);
            all += request_text("POST", target, {}, "body " + std::to_string(i));
            expected.push_back("POST " + target + " body " + std::to_string(i));
            continue;
        }
        target = i % 2 ? "/hit/" + std::to_string(i % 3 % 2) : "/miss/" + std::to_string(i);
        all += request_text("GET", target);
        expected.push_back("GET " + target + " ");
    }
    SECTION("all in one write") {
        client c = p.connect();
        REQUIRE(c.send(all));
        for (const auto& body : expected) CHECK(c.read().body == body);
    }
    SECTION("byte by byte") {
        client c = p.connect();
        std::thread sender([&] {
            for (const char byte : all) c.raw().send({&byte, 1});
        });
        std::vector<std::string> got;
        try {
            for (std::size_t i = 0; i < expected.size(); ++i) got.push_back(c.read().body);
        } catch (const std::exception& e) {
            got.push_back(e.what());
            c.raw().shutdown();
        }
        sender.join();
        CHECK(got == expected);
    }
}

TEST_CASE("request bodies reach the upstream byte for byte, by length and chunked") {
    scripted_upstream upstream(echo);
    proxy p(upstream);
    client c = p.connect();
    for (const std::size_t size : {1u, 2u, 100u, 4095u, 4096u, 65'537u, 1u << 20, 8u << 20}) {
        INFO(size << " bytes");
        const std::string body = noise(size, size);
        const response by_length = c.ask("POST", "/length", {}, body);
        CHECK(by_length.status == 200);
        CHECK((by_length.body == body));
        for (const std::size_t piece : {size, std::min<std::size_t>(size, 7'777)}) {
            REQUIRE(c.send("PUT /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                           chunked(body, piece)));
            const response r = c.read();
            CHECK(r.status == 200);
            CHECK((r.body == body));
        }
    }
    CHECK(c.ask("POST", "/none", "Content-Length: 0\r\n").body.empty());
    REQUIRE(c.send("POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    CHECK(c.read().status == 200);
}

TEST_CASE("an upstream may answer while the request's body is still coming") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n");
        std::string piece;
        while (t.body().next(piece)) {
            t.send(chunk(piece));
            piece.clear();
        }
        t.send("0\r\n\r\n");
    });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    response r = c.read_top();
    CHECK(r.status == 200);
    body_reader body(c.raw(), r.framed);
    std::string sent;
    for (int i = 0; i < 20; ++i) { // each piece only after the one before came back
        const std::string piece = noise(1000, static_cast<std::uint64_t>(i));
        REQUIRE(c.send(chunk(piece)));
        sent += piece;
        client::read_until(body, r, sent.size());
        REQUIRE(r.body == sent);
    }
    REQUIRE(c.send("0\r\n\r\n"));
    client::read_until(body, r, sent.size() + 1);
    CHECK(r.body == sent);
    CHECK(r.complete);
}

TEST_CASE("an upstream may refuse a body early, and the client still gets the answer") {
    scripted_upstream upstream([](turn& t) {
        t.respond(413, "Connection: close\r\nCache-Control: no-store\r\n", "too much");
        t.raw().finish();
        t.body().skip(); // so that no reset destroys the answer
        t.close();
    });
    proxy p(upstream);
    client c = p.connect();
    const std::string body = noise(4 << 20);
    std::thread sender([&] {
        c.raw().send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n");
        c.raw().send(body);
    });
    response r;
    std::string problem;
    try {
        r = c.read();
    } catch (const std::exception& e) {
        problem = e.what();
        c.raw().shutdown();
    }
    sender.join();
    CHECK(problem.empty());
    CHECK(r.status == 413);
    CHECK(r.body == "too much");
}

TEST_CASE("answers pass in every framing, and stay what they were as hits") {
    const std::string body = noise(300'000);
    scripted_upstream upstream([&](turn& t) {
        const std::string top =
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Type: text/plain\r\n";
        if (t.target() == "/length") {
            t.send(top + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        } else if (t.target() == "/chunked") {
            t.send(top + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body, 12'345));
        } else if (t.target() == "/close") {
            t.send(top + "\r\n" + body);
            t.close();
        } else {
            t.send(top + "Content-Length: 0\r\n\r\n");
        }
    });
    proxy p(upstream);
    for (const char* target : {"/length", "/chunked", "/close", "/empty"}) {
        INFO(target);
        client c = p.connect();
        for (int i = 0; i < 2; ++i) {
            const response r = c.get(target);
            INFO(r.top.raw);
            CHECK(r.status == 200);
            CHECK(r.complete);
            CHECK(r.framed.kind != framing::kind_t::until_close);
            CHECK((r.body == (target == std::string("/empty") ? "" : body)));
            CHECK(r.cached().hit() == (i == 1));
        }
    }
}

TEST_CASE("answers without content pass, and the connection goes on") {
    scripted_upstream upstream([](turn& t) {
        if (t.target() == "/204")
            t.send("HTTP/1.1 204 No Content\r\n\r\n");
        else if (t.target() == "/304")
            t.send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
        else
            t.ok("after", "no-store");
    });
    proxy p(upstream);
    client c = p.connect();
    CHECK(c.get("/204").status == 204);
    CHECK(c.ask("HEAD", "/304", "If-None-Match: \"x\"\r\n").status == 304);
    CHECK(c.get("/200").body == "after");
}

TEST_CASE("HEAD is answered without content, and the length is the one of GET") {
    scripted_upstream upstream([](turn& t) { t.ok("twelve bytes", "no-store"); });
    proxy p(upstream);
    client c = p.connect();
    const response r = c.ask("HEAD", "/");
    CHECK(r.status == 200);
    CHECK(r.field("content-length") == "12");
    CHECK(c.get("/").body == "twelve bytes");
}

TEST_CASE("every method passes, unknown tokens too, and is not mistaken for GET") {
    scripted_upstream upstream([](turn& t) {
        const std::string body = t.read_body();
        t.ok(t.method() + " " + t.target() + " " + body, "max-age=60");
    });
    proxy p(upstream);
    client c = p.connect();
    CHECK(c.get("/x").body == "GET /x ");
    for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH", "get",
                               "QUERY", "A!#$%&'*+-.^_`|~9"}) {
        INFO(method);
        for (int i = 0; i < 2; ++i) {
            const response r = c.ask(method, "/x");
            CHECK(r.status == 200);
            CHECK(r.body == std::string(method) + " /x ");
            CHECK_FALSE(r.cached().hit());
        }
        CHECK(c.ask(method, "/x", {}, "with body").body == std::string(method) + " /x with body");
    }
    CHECK(c.ask("OPTIONS", "*").body == "OPTIONS * ");
}

TEST_CASE("CONNECT is refused") {
    scripted_upstream upstream([](turn& t) { t.ok("no"); });
    proxy p(upstream);
    client c = p.connect();
    REQUIRE(c.send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"));
    const response r = c.read();
    CHECK(r.status >= 400);
    CHECK(r.status < 600);
    CHECK(upstream.requests() == 0);
}

TEST_CASE("the status and its reason pass as they are") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 " + t.target().substr(1, 3) +
               " It Is So\r\nCache-Control: no-store\r\nContent-Length: 1\r\n\r\nx");
    });
    proxy p(upstream);
    client c = p.connect();
    for (const int status :
         {200, 201, 226, 299, 300, 301, 302, 307, 308, 400, 401, 404, 410, 418, 429, 451, 500, 503, 599}) {
        const response r = c.get("/" + std::to_string(status));
        CHECK(r.status == status);
        CHECK(r.top.part(2) == "It Is So");
        CHECK(r.body == "x");
    }
}
