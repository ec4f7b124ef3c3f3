// A7 and what is right: trailer sections of chunked messages, on their way up and down.
#include "support/attack.hpp"
#include "support/catch.hpp"

#include <memory>

using namespace meshcache::test;

namespace {

const std::string chunked_post = "Transfer-Encoding: chunked\r\n";

/// A client that keeps all bytes that it got.
struct watching_client {
    explicit watching_client(const proxy& p) : c(p.connect()), bytes(std::make_shared<std::string>()) {
        c.raw().set_tap([to = bytes](std::string_view more) { to->append(more); });
    }
    client c;
    std::shared_ptr<std::string> bytes;
};

} // namespace

TEST_CASE("A7 trailers of a request pass if they were announced, and as trailers") {
    attack_stage stage;
    watching_client w(stage.front());
    REQUIRE(w.c.send(
        "POST /up HTTP/1.1\r\nHost: shop.example\r\nTrailer: X-Sum, Host, X-Hop, Content-Length\r\n"
        "Connection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
        "X-Sum:  abc \r\nHost: evil.example\r\nX-Hop: evil\r\nX-Other: evil\r\nContent-Length: 9\r\n\r\n" +
        request_text("GET", "/next")));
    CHECK(w.c.read().body == "POST /up hello");
    CHECK(w.c.read().body == "GET /next ");
    const std::string up = stage.upstream().received();
    CHECK(up.find("\r\nTrailer: X-Sum\r\n") != std::string::npos);
    CHECK(up.find("0\r\nX-Sum: abc\r\n\r\n") != std::string::npos);
    CHECK(up.find("evil") == std::string::npos);
    CHECK(stage.upstream().seen()[0].top.fields.count("x-sum") == 0);
}

TEST_CASE("A7 trailers of an answer pass to a client that takes them, without those that could do harm") {
    scripted_upstream upstream([](turn& t) {
        t.read_body();
        t.send("HTTP/1.1 200 OK\r\nCache-Control: " +
               std::string(t.target() == "/stored" ? "max-age=60" : "no-store") +
               "\r\nTrailer: X-Sum, Set-Cookie\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n" +
               chunk("hello") +
               "0\r\nX-Sum: abc\r\nSet-Cookie: evil=1\r\nX-Hop: evil\r\nContent-Length: 9\r\nCache-Control: "
               "evil\r\n"
               "Grpc-Status: 0\r\n\r\n");
    });
    proxy p(upstream, {"--threads", "1"});
    struct row {
        const char* name;
        std::string request;
        bool passes, asked;
    };
    const std::string te = "TE: trailers\r\nConnection: TE\r\n";
    const row rows[] = {
        {"POST that takes trailers", request_text("POST", "/x", te, "body"), true, true},
        {"POST that does not", request_text("POST", "/x", {}, "body"), false, false},
        {"POST with TE of something else",
         request_text("POST", "/x", "TE: gzip\r\nConnection: TE\r\n", "body"), false, false},
        {"GET past the cache", request_text("GET", "/x", te, "body"), true, true},
        // The answer could have been for others, so it is not asked for trailers.
        {"GET whose answer is not stored", request_text("GET", "/x", te), true, false},
    };
    for (const row& r : rows) {
        INFO(r.name);
        watching_client w(p);
        REQUIRE(w.c.send(r.request));
        const response got = w.c.read();
        CHECK(got.body == "hello");
        CHECK(got.complete);
        CHECK_FALSE(got.top.fields.has("x-sum"));
        CHECK(got.field("trailer") == (r.passes ? "X-Sum" : ""));
        CHECK((w.bytes->find("0\r\nX-Sum: abc\r\nGrpc-Status: 0\r\n\r\n") != std::string::npos) == r.passes);
        CHECK(w.bytes->find("evil") == std::string::npos);
        CHECK(upstream.last().field("te") == (r.asked ? "trailers" : ""));
        CHECK(upstream.last().field("connection") == (r.asked ? "TE" : ""));
        CHECK(w.c.get("/next").body == "hello"); // in step
    }
    for (const bool hit : {false, true}) {
        INFO("a stored answer has no trailers; a hit: " << hit);
        watching_client w(p);
        const response got = w.c.get("/stored", te);
        CHECK(got.body == "hello");
        CHECK(got.cached().hit() == hit);
        CHECK(w.bytes->find("X-Sum") == std::string::npos);
        CHECK(w.bytes->find("evil") == std::string::npos);
        CHECK(w.c.get("/stored").body == "hello");
    }
    watching_client old(p);
    REQUIRE(old.c.send(
        "POST /x HTTP/1.0\r\nHost: shop.example\r\nTE: trailers\r\nContent-Length: 4\r\n\r\nbody"));
    CHECK(old.c.read().body == "hello");
    CHECK(old.bytes->find("X-Sum") == std::string::npos);
}
