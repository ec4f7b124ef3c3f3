// Stale responses are validated with the upstream (RFC 9111, section 4.3), and clients' conditions are
// answered from the store, seen from outside. An answer with an Age as high as its max-age is stale from the
// start, so that nothing here waits for time to pass.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/wait.hpp"

#include <atomic>
#include <string>

using namespace meshcache::test;

namespace {

constexpr const char* stale_fields = "Cache-Control: max-age=60\r\nAge: 60\r\nETag: \"one\"\r\n";

/// Answers 200 with those fields and the body "one", and 304 with `renewed` to a request with the tag "one".
struct versioned {
    std::string fields = stale_fields;
    std::string renewed = "Cache-Control: max-age=60\r\nETag: \"one\"\r\n";
    void operator()(turn& t) const {
        if (t.asked().field("if-none-match") == "\"one\"") {
            t.send("HTTP/1.1 304 Not Modified\r\n" + renewed + "\r\n");
            return;
        }
        t.respond(200, fields, "one");
    }
};

} // namespace

TEST_CASE("a stale response is validated with its entity tag, and a 304 makes it fresh again") {
    scripted_upstream upstream(versioned{.renewed = "Cache-Control: max-age=60\r\nX-New: yes\r\nAge: 5\r\n"});
    proxy p(upstream, {"--threads=1"}); // each has its own connections
    const response first = p.get("/");
    CHECK(first.cached().stored());
    CHECK(first.body == "one");

    const response second = p.get("/");
    INFO(second.summary());
    CHECK(second.status == 200);
    CHECK(second.body == "one");
    CHECK(second.cached().fwd() == "stale");
    CHECK(second.cached().parameter("fwd-status") == "304");
    CHECK(second.cached().stored());
    CHECK(second.field("x-new") == "yes");
    CHECK(second.field("etag") == "\"one\"");
    CHECK(second.field("content-length") == "3");
    CHECK(std::stol(second.field("age")) >= 5);

    const response third = p.get("/");
    CHECK(third.cached().hit());
    CHECK(third.body == "one");
    CHECK(third.field("x-new") == "yes");
    REQUIRE(upstream.requests() == 2);
    CHECK(upstream.connections() == 1);
    CHECK(upstream.seen()[0].field("if-none-match").empty());
    CHECK(upstream.seen()[1].field("if-none-match") == "\"one\"");
}

TEST_CASE("a stale response is validated with Last-Modified") {
    constexpr const char* modified = "Sat, 01 Jan 2000 00:00:00 GMT";
    scripted_upstream upstream([&](turn& t) {
        if (t.asked().field("if-modified-since") == modified) {
            t.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n");
        } else {
            t.respond(200,
                      std::string("Cache-Control: max-age=60\r\nAge: 60\r\nLast-Modified: ") + modified +
                          "\r\n",
                      "old");
        }
    });
    proxy p(upstream);
    p.get("/");
    CHECK(p.get("/").body == "old");
    CHECK(p.get("/").cached().hit());
    CHECK(upstream.requests() == 2);
}

TEST_CASE("a new answer to a validation takes the place of the stale one") {
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        const auto tag = std::to_string(++n);
        t.respond(200,
                  "Cache-Control: max-age=60\r\nAge: " + std::string(n == 1 ? "60" : "0") + "\r\nETag: \"" +
                      tag + "\"\r\n",
                  tag);
    });
    proxy p(upstream);
    CHECK(p.get("/").body == "1");
    CHECK(p.get("/").body == "2");
    const response hit = p.get("/");
    CHECK(hit.cached().hit());
    CHECK(hit.body == "2");
    CHECK(upstream.seen()[1].field("if-none-match") == "\"1\"");
}

TEST_CASE("what must be validated before each use is stored, validated, and never shared unvalidated") {
    for (const char* cc : {"no-cache", "max-age=0", "max-age=0, must-revalidate"}) {
        INFO(cc);
        const std::string fields = std::string("Cache-Control: ") + cc + "\r\nETag: \"one\"\r\n";
        scripted_upstream upstream(versioned{.fields = fields, .renewed = fields});
        proxy p(upstream);
        CHECK(p.get("/").cached().stored());
        for (int i = 0; i < 3; ++i) {
            const response r = p.get("/");
            INFO(r.summary());
            CHECK_FALSE(r.cached().hit());
            CHECK(r.cached().parameter("fwd-status") == "304");
            CHECK(r.body == "one");
        }
        CHECK(upstream.requests() == 4);
    }
}

TEST_CASE("a 304 about another version has the request sent again without conditions") {
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        if (!t.asked().field("if-none-match").empty()) {
            t.send("HTTP/1.1 304 Not Modified\r\nETag: \"other\"\r\n\r\n");
        } else {
            t.respond(200, stale_fields, std::to_string(++n));
        }
    });
    proxy p(upstream);
    CHECK(p.get("/").body == "1");
    const response second = p.get("/");
    INFO(second.summary());
    CHECK(second.status == 200);
    CHECK(second.body == "2");
    CHECK(upstream.requests() == 3);
}

TEST_CASE("a 304 that nobody asked for is a failure of the upstream, and nothing is stored") {
    scripted_upstream upstream([](turn& t) {
        t.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: \"x\"\r\n\r\n");
    });
    proxy p(upstream);
    for (const char* method : {"GET", "HEAD", "POST"}) {
        const response r = p.ask(method, "/");
        INFO(r.summary());
        CHECK(r.status == 502);
        CHECK(r.cached().detail() == "upstream-malformed");
    }
    CHECK(p.stats().at("objects").get<int>() == 0);
}

TEST_CASE("a 304 that forbids storing answers its client, and the stored response goes") {
    for (const char* said : {"no-store", "private"}) {
        INFO(said);
        scripted_upstream upstream(versioned{.renewed = std::string("Cache-Control: ") + said + "\r\n"});
        proxy p(upstream);
        p.get("/");
        const response second = p.get("/");
        CHECK(second.body == "one");
        CHECK_FALSE(second.cached().stored());
        CHECK(p.stats().at("objects").get<int>() == 0);
        p.get("/");
        CHECK(upstream.last().field("if-none-match").empty());
    }
}

TEST_CASE("an answer that may not be stored ends a stale response, unless a client can provoke it") {
    struct row {
        int status;
        const char* fields;
        int objects;
    };
    const row rows[] = {
        {200, "Cache-Control: no-store\r\n", 0},
        {200, "Set-Cookie: a=b\r\nCache-Control: max-age=9\r\n", 0},
        {404, "", 0},
        {410, "Cache-Control: no-store\r\n", 0},
        {302, "Location: /b\r\n", 0},
        {400, "", 1},
        {401, "", 1},
        {403, "", 1},
        {429, "", 1},
        {500, "", 1},
        {503, "Cache-Control: no-store\r\n", 1},
    };
    for (const row& r : rows) {
        INFO(r.status << " " << r.fields);
        std::atomic<int> n{0};
        scripted_upstream upstream([&](turn& t) {
            if (++n == 1) {
                t.respond(200, stale_fields, "one");
            } else {
                t.respond(r.status, r.fields, "other");
            }
        });
        proxy p(upstream);
        p.get("/");
        CHECK(p.get("/").status == r.status);
        CHECK(p.stats().at("objects").get<int>() == r.objects);
    }
}

TEST_CASE("many clients that find a stale response are one validation") {
    gate open;
    scripted_upstream upstream([&](turn& t) {
        if (t.asked().field("if-none-match").empty()) {
            t.respond(200, "Cache-Control: max-age=60\r\nAge: 59\r\nETag: \"one\"\r\n", "one");
            return;
        }
        t.wait(open);
        t.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n");
    });
    proxy p(upstream);
    p.get("/");
    REQUIRE(eventually([&] { return p.get("/", "Cache-Control: only-if-cached\r\n").status == 504; }));
    std::vector<client> clients;
    for (int i = 0; i < 10; ++i) {
        clients.push_back(p.connect());
        REQUIRE(clients.back().send(request_text("GET", "/")));
        if (i == 0) upstream.wait_for_requests(2);
    }
    open.open(); // whoever comes after the validation has ended is a hit, which makes no request either
    for (auto& c : clients) {
        const response r = c.read();
        INFO(r.summary());
        CHECK(r.status == 200);
        CHECK(r.body == "one");
    }
    CHECK(upstream.requests() == 2);
}

TEST_CASE("a client's own conditions are held against the validated response, and never reach the upstream") {
    scripted_upstream upstream(versioned{});
    proxy p(upstream);
    p.get("/");
    const response same = p.get("/", "If-None-Match: \"one\"\r\nCache-Control: no-cache\r\n");
    CHECK(same.status == 304);
    CHECK(same.body.empty());
    const response other = p.get("/", "If-None-Match: \"two\"\r\nCache-Control: no-cache\r\n");
    CHECK(other.status == 200);
    CHECK(other.body == "one");
    CHECK(upstream.last().field("if-none-match") == "\"one\"");
    CHECK(upstream.last().top.fields.count("if-none-match") == 1);
}

TEST_CASE("no-cache and max-age=0 of a request validate a response that is still fresh") {
    for (const char* cc : {"no-cache", "max-age=0"}) {
        INFO(cc);
        scripted_upstream upstream(versioned{.fields = "Cache-Control: max-age=60\r\nETag: \"one\"\r\n"});
        proxy p(upstream);
        p.get("/");
        const response r = p.get("/", std::string("Cache-Control: ") + cc + "\r\n");
        CHECK(r.cached().fwd() == "request");
        CHECK(r.cached().parameter("fwd-status") == "304");
        CHECK(r.body == "one");
        CHECK(upstream.requests() == 2);
    }
}

TEST_CASE("HEAD of a stale response updates it, or shows that it is out of date") {
    struct row {
        const char* fields;
        int objects;
        bool fresh;
    };
    const row rows[] = {
        {"Cache-Control: max-age=60\r\nETag: \"one\"\r\nContent-Length: 3\r\nX-New: yes\r\n", 1, true},
        {"Cache-Control: max-age=60\r\nETag: \"two\"\r\nContent-Length: 3\r\n", 0, false},
        {"Cache-Control: max-age=60\r\nETag: \"one\"\r\nContent-Length: 4\r\n", 0, false},
        {"Cache-Control: no-store\r\nETag: \"one\"\r\nContent-Length: 3\r\n", 0, false},
    };
    for (const row& r : rows) {
        INFO(r.fields);
        scripted_upstream upstream([&](turn& t) {
            if (t.method() == "HEAD") {
                t.send(std::string("HTTP/1.1 200 OK\r\n") + r.fields + "\r\n");
            } else {
                t.respond(200, stale_fields, "one");
            }
        });
        proxy p(upstream);
        p.get("/");
        CHECK(p.ask("HEAD", "/").status == 200);
        CHECK(p.stats().at("objects").get<int>() == r.objects);
        const response after = p.get("/");
        CHECK(after.cached().hit() == r.fresh);
        if (r.fresh) CHECK(after.field("x-new") == "yes");
    }
}

TEST_CASE("a variant is validated for those whom it answers, and the others stay as they are") {
    scripted_upstream upstream([](turn& t) {
        const auto language = t.asked().field("accept-language");
        const std::string tag = "\"" + language + "\"";
        if (t.asked().field("if-none-match") == tag) {
            t.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nVary: Accept-Language\r\n\r\n");
        } else {
            t.respond(
                200, "Vary: Accept-Language\r\nCache-Control: max-age=60\r\nAge: 60\r\nETag: " + tag + "\r\n",
                language);
        }
    });
    proxy p(upstream);
    for (int round = 0; round < 3; ++round) {
        for (const char* language : {"de", "fr"}) {
            const response r = p.get("/", std::string("Accept-Language: ") + language + "\r\n");
            INFO(r.summary());
            CHECK(r.body == language);
            CHECK(r.cached().hit() == (round == 2));
        }
    }
    CHECK(upstream.requests() == 4);
}

TEST_CASE("an unsafe method invalidates what its answer names of the same origin, and nothing of another") {
    scripted_upstream upstream([](turn& t) {
        t.read_body();
        if (t.method() == "POST") {
            t.respond(
                201,
                "Location: /things/../made\r\nContent-Location: http://SHOP.example:80/dir/page?x=1#part\r\n",
                "");
        } else {
            t.ok(t.target());
        }
    });
    proxy p(upstream);
    for (const char* target : {"/made", "/dir/page?x=1", "/dir/page", "/other"}) p.get(target);
    p.ask("POST", "/things", {}, "x");
    CHECK_FALSE(p.get("/made").cached().hit());
    CHECK_FALSE(p.get("/dir/page?x=1").cached().hit());
    CHECK(p.get("/dir/page").cached().hit());
    CHECK(p.get("/other").cached().hit());

    for (const char* location : {"http://elsewhere.example/made", "http://shop.example:81/made",
                                 "https://shop.example/made", "//elsewhere.example/made"}) {
        INFO(location);
        upstream.play([location](turn& t) {
            t.read_body();
            t.respond(201, std::string("Location: ") + location + "\r\n", "");
        });
        p.ask("POST", "/things", {}, "x");
        CHECK(p.get("/made").cached().hit());
    }
}
