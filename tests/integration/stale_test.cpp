// Stale answers: while they are validated behind the answer, in place of errors, and while the upstream
// cannot be reached (RFC 5861; RFC 9111, section 4.2.4). An Age as high as max-age makes an answer stale from
// the start.
#include "support/catch.hpp"
#include "support/poisoning.hpp"
#include "support/wait.hpp"

#include <atomic>
#include <string>

using namespace meshcache::test;

namespace {

/// The first answer is stale, with that Cache-Control; those after it are fresh. Each says which it is.
struct stale_first {
    std::string directives;
    std::shared_ptr<std::atomic<int>> n = std::make_shared<std::atomic<int>>(0);
    void operator()(turn& t) const {
        const int i = ++*n;
        t.respond(200,
                  "Cache-Control: max-age=60" + directives + "\r\nAge: " + (i == 1 ? "60" : "0") + "\r\n",
                  "answer " + std::to_string(i));
    }
};

} // namespace

TEST_CASE("stale-while-revalidate answers at once, with one fetch behind all the answers") {
    gate open;
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        const int i = ++n;
        if (i > 1) t.wait(open);
        t.respond(200,
                  "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: " +
                      std::string(i == 1 ? "60" : "0") + "\r\n",
                  "answer " + std::to_string(i));
    });
    proxy p(upstream);
    p.get("/");
    for (int i = 0; i < 5; ++i) {
        const response r = p.get("/");
        INFO(r.summary());
        CHECK(r.cached().hit());
        CHECK(r.cached().ttl() <= 0);
        CHECK(r.body == "answer 1");
    }
    upstream.wait_for_requests(2);
    CHECK(upstream.requests() == 2);
    open.open();
    CHECK(eventually([&] { return p.get("/").body == "answer 2"; }));
    CHECK(upstream.requests() == 2);
}

TEST_CASE("fetches behind answers take half of --upstream-connections until their content has come") {
    constexpr int keys = 10;
    scripted_upstream upstream([](turn& t) {
        t.respond(200, "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 60\r\n", "old");
    });
    proxy p(upstream, {"--threads", "1", "--upstream-connections", "4"});
    for (int i = 0; i < keys; ++i) CHECK_FALSE(p.get("/" + std::to_string(i)).cached().hit());
    const std::string half = noise(1000);
    upstream.play([&](turn& t) {
        if (t.target() == "/other") return void(t.ok("other", "no-store"));
        t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2000\r\n\r\n" + half);
        t.stall();
    });
    const auto hit = [&](int i) {
        const response r = p.get("/" + std::to_string(i));
        INFO(r.summary());
        CHECK(r.body == "old");
        CHECK(r.cached().hit());
    };
    long held = 0;
    for (int i = 0; i < 2; ++i) {
        hit(i);
        // Its head has come, and a part of its content.
        REQUIRE(eventually([&] { return metric(p, "meshcache_fill_bytes") > held; }));
        held = metric(p, "meshcache_fill_bytes");
    }
    for (int i = 2; i < keys; ++i) hit(i);
    CHECK(metric(p, "meshcache_background_fetches_skipped_total") == keys - 2);
    CHECK(upstream.requests() == keys + 2);
    CHECK(p.get("/other").body == "other");
}

TEST_CASE("the fetch behind a stale answer validates it") {
    std::atomic<int> validated{0};
    scripted_upstream upstream([&](turn& t) {
        if (t.asked().field("if-none-match") == "\"x\"") {
            ++validated;
            t.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n");
        } else {
            t.respond(200,
                      "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 60\r\nETag: \"x\"\r\n",
                      "x");
        }
    });
    proxy p(upstream);
    p.get("/");
    p.get("/");
    CHECK(eventually([&] { return p.get("/").cached().ttl() > 0; }));
    CHECK(validated == 1);
    CHECK(upstream.requests() == 2);
}

TEST_CASE("HEAD of a stale response has the GET fetched behind its answer") {
    scripted_upstream upstream(stale_first{", stale-while-revalidate=600"});
    proxy p(upstream);
    p.get("/");
    const response head = p.ask("HEAD", "/");
    CHECK(head.cached().hit());
    CHECK(eventually([&] { return p.get("/").body == "answer 2"; }));
    CHECK(upstream.seen()[1].method() == "GET");
}

TEST_CASE("a fetch behind an answer that fails leaves the stale response, and is tried again") {
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        switch (++n) {
        case 1:
            t.respond(200, "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 60\r\n", "good");
            break;
        case 2:
            t.respond(500, "", "bad");
            break;
        case 3:
            t.close();
            break;
        default:
            t.ok("better");
        }
    });
    proxy p(upstream);
    p.get("/");
    CHECK(eventually([&] {
        const response r = p.get("/");
        CHECK(r.status == 200);
        return r.body == "better";
    }));
    CHECK(n >= 4);
}

TEST_CASE("stale answers do not send one fetch after the other to an upstream that refuses or fails") {
    for (const bool refuses : {true, false}) {
        INFO(refuses);
        scripted_upstream upstream([](turn& t) {
            t.respond(200, "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 60\r\n", "old");
        });
        proxy p(upstream, {"--threads", "1"});
        p.get("/a");
        p.get("/b");
        if (refuses) {
            upstream.stop();
        } else {
            upstream.play([](turn& t) { t.respond(500, "", "bad"); });
        }
        client c = p.connect();
        const auto hits_until = [&](const std::string& target, const std::string& name, long least) {
            return eventually([&] {
                CHECK(c.get(target).body == "old");
                return metric(p, name) >= least;
            });
        };
        const std::string begun = "meshcache_background_fetches_total",
                          skipped = "meshcache_background_fetches_skipped_total";
        CHECK(hits_until("/a", skipped, 5));
        // Without any upstream it is the same for all keys.
        CHECK(hits_until("/b", skipped, 10));
        // It is tried again after the pause, and so finds an upstream that is back.
        CHECK(hits_until("/a", begun, metric(p, begun) + 1));
        if (refuses) upstream.start();
        upstream.play([](turn& t) { t.ok("new"); });
        CHECK(eventually([&] { return c.get("/a").body == "new"; }));
    }
}

TEST_CASE("a fetch behind an answer that may not be stored ends the stale response") {
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        if (++n == 1) {
            t.respond(200, "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 60\r\n", "old");
        } else {
            t.respond(200, "Cache-Control: no-store\r\n", "new");
        }
    });
    proxy p(upstream);
    p.get("/");
    p.get("/");
    CHECK(eventually([&] { return p.stats().at("objects").get<int>() == 0; }));
    CHECK(p.get("/").body == "new");
}

TEST_CASE("must-revalidate and its like win over every window") {
    for (const char* directive : {"must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"}) {
        INFO(directive);
        std::atomic<int> n{0};
        scripted_upstream upstream([&](turn& t) {
            if (++n == 1) {
                t.respond(200,
                          "Cache-Control: max-age=60, " + std::string(directive) +
                              "\r\nAge: 60\r\nETag: \"x\"\r\n",
                          "old");
            } else {
                t.close();
            }
        });
        proxy p(upstream, {"--stale-while-revalidate", "1h", "--stale-if-error", "1h",
                           "--stale-if-disconnected", "1h"});
        p.get("/");
        const response r = p.get("/");
        INFO(r.summary());
        CHECK(r.status == 502);
        CHECK(p.get("/", "Cache-Control: max-stale\r\n").status == 502);
    }
}

TEST_CASE("stale-if-error answers in place of a 5xx, and of a connection that ends") {
    for (const int status : {500, 502, 503, 504, 0}) {
        INFO(status);
        std::atomic<int> n{0};
        scripted_upstream upstream([&](turn& t) {
            if (++n == 1) {
                t.respond(200, "Cache-Control: max-age=60, stale-if-error=600\r\nAge: 60\r\n", "old");
            } else if (status == 0) {
                t.close();
            } else {
                t.respond(status, "", "bad");
            }
        });
        proxy p(upstream, {"--stale-if-disconnected", "0s"});
        p.get("/");
        const response r = p.get("/");
        INFO(r.summary());
        CHECK(r.status == 200);
        CHECK(r.body == "old");
        CHECK(r.cached().fwd() == "stale");
        CHECK_FALSE(r.cached().detail().empty());
    }
}

TEST_CASE("stale-if-error of a request is for that request, and not where it is forbidden") {
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        if (++n <= 2) {
            const std::string strict = t.target() == "/strict" ? ", must-revalidate" : "";
            t.respond(200, "Cache-Control: max-age=60" + strict + "\r\nAge: 60\r\nETag: \"x\"\r\n", "old");
        } else {
            t.respond(503, "", "bad");
        }
    });
    proxy p(upstream);
    p.get("/");
    p.get("/strict");
    const response r = p.get("/", "Cache-Control: stale-if-error=600\r\n");
    INFO(r.summary());
    CHECK(r.status == 200);
    CHECK(r.body == "old");
    CHECK(r.cached().fwd() == "stale");
    CHECK(r.cached().detail() == "stale-if-error");
    CHECK(p.get("/").status == 503);
    CHECK(p.get("/", "Cache-Control: stale-if-error=0\r\n").status == 503);
    CHECK(p.get("/strict", "Cache-Control: stale-if-error=600\r\n").status == 503);
}

TEST_CASE("while the upstream cannot be reached, stale answers are served for --stale-if-disconnected") {
    scripted_upstream upstream([](turn& t) {
        const std::string never = t.target() == "/never" ? "no-cache" : "max-age=60";
        t.respond(200, "Cache-Control: " + never + "\r\nAge: 60\r\nETag: \"x\"\r\n", "old");
    });
    proxy p(upstream);
    proxy strict(upstream, {"--stale-if-disconnected", "0s"});
    for (const proxy* each : {&p, &strict}) {
        each->get("/");
        each->get("/never");
    }
    upstream.stop();
    const response r = p.get("/");
    INFO(r.summary());
    CHECK(r.status == 200);
    CHECK(r.body == "old");
    CHECK(r.cached().fwd() == "stale");
    CHECK(r.cached().detail() == "upstream-refused");
    CHECK(p.get("/never").status == 502);
    CHECK(p.get("/absent").status == 502);
    CHECK(strict.get("/").status == 502);
}

TEST_CASE("a 5xx is an answer: without stale-if-error it is passed on, whatever is stale") {
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        if (++n == 1) {
            t.respond(200, "Cache-Control: max-age=60\r\nAge: 60\r\nETag: \"x\"\r\n", "old");
        } else {
            t.respond(503, "", "bad");
        }
    });
    proxy p(upstream);
    p.get("/");
    CHECK(p.get("/").status == 503);
}

TEST_CASE("a fetch behind an answer does not keep a stopping proxy waiting") {
    std::atomic<int> n{0};
    scripted_upstream upstream([&](turn& t) {
        if (++n == 1) {
            t.respond(200, "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 60\r\n", "old");
        } else {
            t.stall();
        }
    });
    // Longer than the test may take: it would fail by its own time-out.
    proxy p(upstream, {"--drain-timeout", "1h"});
    p.get("/");
    p.get("/");
    upstream.wait_for_requests(2);
    CHECK(p.stop() == 0);
}
