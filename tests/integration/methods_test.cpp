// Methods other than GET: what is answered here, what passes, and what of their answers is stored; and what
// Cache-Status says of storing before that is done.
#include "support/catch.hpp"
#include "support/proxy.hpp"

#include <string>

using namespace meshcache::test;

TEST_CASE("OPTIONS that may go no further is answered here, and counts down before") {
    scripted_upstream upstream(
        [](turn& t) { t.respond(200, "Allow: GET\r\n", t.asked().field("max-forwards")); });
    proxy p(upstream);
    client c = p.connect();
    for (const char* target : {"/x", "*"}) {
        INFO(target);
        const response here = c.ask("OPTIONS", target, "Max-Forwards: 0\r\n");
        CHECK(here.status == 200);
        CHECK(here.field("cache-status") == "meshcache; detail=max-forwards");
        CHECK(upstream.requests() == 0);
    }
    CHECK(c.ask("OPTIONS", "/x", "Max-Forwards: 1\r\n").body == "0");
    CHECK(c.ask("OPTIONS", "/x", "Max-Forwards: no number\r\n").body == "no number");
    CHECK(c.get("/x", "Max-Forwards: 0\r\n").body == "0");
    CHECK(upstream.requests() == 3);
}

TEST_CASE("the content of an OPTIONS that is answered here is no request") {
    scripted_upstream upstream([](turn& t) { t.ok("good"); });
    proxy p(upstream);
    client c = p.connect();
    const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    c.send(request_text("OPTIONS", "/x",
                        "Max-Forwards: 0\r\nContent-Length: " + std::to_string(inner.size()) + "\r\n") +
           inner);
    CHECK(c.read().status == 200);
    CHECK(c.wait_for_end() != ending::none);
    CHECK(upstream.requests() == 0);
}

TEST_CASE("an answer to POST is stored for GET where that is set, and it says so itself") {
    // RFC 9110, section 9.3.3.
    scripted_upstream upstream([](turn& t) {
        if (t.method() == "GET") return void(t.ok("from GET"));
        const std::string body = t.read_body();
        const std::string where = t.target() == "/elsewhere" ? "/x" : t.target();
        t.respond(200, "Cache-Control: max-age=60\r\nContent-Location: " + where + "\r\n", "POST " + body);
    });
    const std::string large(300'000, 'x'); // it does not fit into the buffer that a head comes with
    SECTION("set") {
        proxy p(upstream, {"--store-post"});
        client c = p.connect();
        for (const std::string& body : {std::string("a"), std::string(), large}) {
            INFO(body.size());
            CHECK(c.get("/x").status == 200); // what a POST makes invalid
            const response post = c.ask("POST", "/x", {}, body);
            CHECK(post.body == "POST " + body);
            CHECK(post.cached().fwd() == "method");
            CHECK(post.cached().stored());
            const response hit = c.get("/x");
            CHECK(hit.cached().hit());
            CHECK(hit.body == "POST " + body);
            CHECK(c.ask("HEAD", "/x").cached().hit());
        }
        const auto before = upstream.requests();
        CHECK_FALSE(c.ask("POST", "/x", {}, "b").cached().hit());
        CHECK(upstream.requests() == before + 1);
        CHECK_FALSE(c.ask("POST", "/elsewhere", {}, "c").cached().stored());
        CHECK(c.get("/elsewhere").body == "from GET");
        CHECK(c.get("/x").body == "from GET"); // its Content-Location made it invalid
    }
    SECTION("by default") {
        proxy p(upstream);
        CHECK_FALSE(p.ask("POST", "/x", {}, "a").cached().stored());
        CHECK(p.get("/x").body == "from GET");
    }
}

TEST_CASE("an answer to POST that came before the request was whole is not stored") {
    gate answered;
    scripted_upstream upstream([&](turn& t) {
        if (t.method() == "GET") return void(t.ok("from GET"));
        t.respond(200, "Cache-Control: max-age=60\r\nContent-Location: /x\r\n", "early");
        answered.open();
        (void)t.read_body();
    });
    proxy p(upstream, {"--store-post"});
    client c = p.connect();
    c.send(request_text("POST", "/x", "Content-Length: 10\r\n") + "half");
    const response early = c.read();
    CHECK(early.body == "early");
    CHECK_FALSE(early.cached().stored());
    CHECK(p.get("/x").body == "from GET");
}

TEST_CASE("stored is said of what is known to be stored, or will be if it comes whole") {
    gate more;
    const std::string fields = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
    scripted_upstream upstream([&](turn& t) {
        if (t.target() == "/chunked")
            t.send(fields + "Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n");
        if (t.target() == "/chunked-slowly") {
            t.send(fields + "Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n");
            t.wait(more);
            t.send("0\r\n\r\n");
        }
        if (t.target() == "/length-slowly") {
            t.send(fields + "Content-Length: 8\r\n\r\ngood");
            t.wait(more);
            t.send("good");
        }
    });
    proxy p(upstream);
    CHECK(p.get("/chunked").cached().stored());
    client chunked = p.connect(), by_length = p.connect();
    chunked.send(request_text("GET", "/chunked-slowly"));
    CHECK_FALSE(chunked.read_top().cached().stored());
    by_length.send(request_text("GET", "/length-slowly"));
    CHECK(by_length.read_top().cached().stored());
    more.open();
}

TEST_CASE("a stored error is fresh for --error-max at the longest") {
    scripted_upstream upstream([](turn& t) { t.respond(404, "Cache-Control: max-age=86400\r\n", "no"); });
    SECTION("by default") {
        proxy p(upstream);
        CHECK(p.get("/x").cached().ttl() <= 300);
        CHECK(p.get("/x").cached().hit());
    }
    SECTION("none at all") {
        proxy p(upstream, {"--error-max", "0s"});
        CHECK_FALSE(p.get("/x").cached().stored());
        CHECK_FALSE(p.get("/x").cached().hit());
    }
}
