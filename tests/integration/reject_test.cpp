// --on-hit reject: what the cache could answer is refused instead.
#include "support/catch.hpp"
#include "support/proxy.hpp"

using namespace meshcache::test;

TEST_CASE("with --on-hit reject the first request passes and the next is refused") {
    struct row {
        const char* flag;
        int status;
    };
    for (const row& r : {row{"reject", 403}, row{"reject:429", 429}, row{"reject:503", 503}}) {
        INFO(r.flag);
        scripted_upstream upstream([](turn& t) { t.ok("the answer"); });
        proxy p(upstream, {"--on-hit", r.flag});
        client c = p.connect();
        const response first = c.get("/x");
        CHECK(first.status == 200);
        CHECK(first.body == "the answer");
        CHECK(first.cached().stored());
        for (int i = 0; i < 3; ++i) {
            const response refused = c.get("/x");
            INFO(refused.summary());
            CHECK(refused.status == r.status);
            CHECK(refused.complete);
            CHECK(refused.body.find("the answer") == std::string::npos);
            CHECK(refused.cached().hit());
            CHECK(refused.cached().ttl() > 0);
            CHECK(refused.cached().detail() == "rejected");
        }
        CHECK(c.ask("HEAD", "/x").status == r.status);
        CHECK(c.get("/y").status == 200); // another key, on the same connection
        CHECK(upstream.requests() == 2);
    }
}

TEST_CASE("with --on-hit reject what is not stored is never refused") {
    scripted_upstream upstream([](turn& t) { t.ok("x", "no-store"); });
    proxy p(upstream, {"--on-hit", "reject"});
    for (int i = 0; i < 3; ++i) CHECK(p.get("/x").status == 200);
    for (int i = 0; i < 3; ++i) CHECK(p.ask("POST", "/x").status == 200);
}

TEST_CASE("with --on-hit reject an expired answer lets one request pass again") {
    scripted_upstream upstream([](turn& t) { t.ok("x", "max-age=1"); });
    proxy p(upstream, {"--on-hit", "reject"});
    CHECK(p.get("/x").status == 200);
    CHECK(p.get("/x").status == 403);
    CHECK(eventually([&] { return p.get("/x").status == 200; }));
}

TEST_CASE("with --on-hit reject one of many at the same time passes") {
    gate begin;
    scripted_upstream upstream([&](turn& t) {
        t.wait(begin);
        t.ok("x");
    });
    proxy p(upstream, {"--on-hit", "reject", "--threads", "4"});
    std::vector<client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(p.connect());
        REQUIRE(clients.back().send(request_text("GET", "/x")));
    }
    upstream.wait_for_requests(1);
    CHECK(eventually([&] { return p.stats().at("connections").get<int>() >= 20; }));
    begin.open();
    int passed = 0, refused = 0;
    for (client& c : clients) {
        const int status = c.read().status;
        passed += status == 200;
        refused += status == 403;
    }
    CHECK(passed == 1);
    CHECK(refused == 19);
    CHECK(upstream.requests() == 1);
}
