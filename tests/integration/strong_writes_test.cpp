// --consistency strong: what does not come to Redis is not confirmed, or makes what others have out of date.
#include "strong_support.hpp"
#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/message.hpp"
#include "support/poisoning.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::test;

TEST_CASE("what the full queue drops is not confirmed, nor kept, and nobody waits for it") {
    redis_server redis;
    gate answers;
    const std::string content = noise(60'000); // what sockets hold, although nobody reads
    scripted_upstream upstream([&](turn& t) {
        if (t.wait(answers)) t.ok(content, "max-age=600");
    });
    const bool refuses = GENERATE(true, false);
    INFO("503: " << refuses);
    proxy p(upstream, strongly(redis, {"--on-unconfirmed", refuses ? "503" : "upstream", "--queue-memory",
                                       "1MiB", "--max-object", "512KiB", "--redis-command-timeout", "60s"}));
    REQUIRE(p.wait_for_redis("ready"));
    constexpr long count = 24;
    const auto target = [](long i) { return "/" + std::to_string(i); };
    std::vector<client> clients;
    for (long i = 0; i < count; ++i) {
        clients.push_back(p.connect());
        REQUIRE(clients.back().send(request_text("GET", target(i))));
    }
    upstream.wait_for_requests(count);
    REQUIRE(redis.command({"CLIENT", "PAUSE", "600000", "WRITE"}).ok());
    answers.open();
    const long most = (1 << 20) / 60'000;
    const auto unconfirmed = [&] { return metric(p, "meshcache_unconfirmed_total{what=\"write\"}"); };
    CHECK(eventually([&] { return unconfirmed() >= count - most; }));
    REQUIRE(redis.command({"CLIENT", "UNPAUSE"}).ok());
    long whole = 0;
    for (client& c : clients) {
        const response r = c.read();
        if (r.status == 200 && r.complete) ++whole;
    }
    const long lost = unconfirmed();
    CHECK(lost < count);
    CHECK(whole == (refuses ? count - lost : count));
    long again = 0;
    for (long i = 0; i < count; ++i) {
        CHECK(eventually([&] {
            const response r = p.get(target(i));
            return r.cached().hit() && r.cached().detail().empty();
        }));
        if (upstream.requests_for(target(i)) > 1) ++again;
    }
    CHECK(again >= lost);
}

TEST_CASE("what is of no use to others makes what they have out of date, for all at once") {
    redis_server redis;
    const std::string kind = GENERATE("max-age=0", "no-cache", "varies", "too large", "over budget");
    INFO(kind);
    const std::string large = noise(5'000'000);
    std::atomic<bool> stores{true};
    std::atomic<int> number{0};
    scripted_upstream upstream([&](turn& t) {
        const std::string body = std::to_string(++number) + " ";
        const std::string fields =
            "Cache-Control: " +
            std::string(stores || kind == "too large" || kind == "over budget" ? "max-age=600"
                        : kind == "no-cache"                                   ? "no-cache"
                                                                               : "max-age=0") +
            "\r\nETag: \"" + body + "\"\r\n" + (kind == "varies" ? "Vary: X-V\r\n" : "");
        if (stores || (kind != "too large" && kind != "over budget")) {
            t.respond(200, fields, body);
            return;
        }
        // Its length is not known before it has come.
        const auto much = std::string_view(large).substr(0, kind == "too large" ? large.size() : 3'000'000);
        if (t.send("HTTP/1.1 200 OK\r\n" + fields + "Transfer-Encoding: chunked\r\n\r\n" +
                   chunk(body + std::string(much))))
            t.send("0\r\n\r\n");
    });
    // An eighth of the memory is for what is being fetched.
    const auto flags = strongly(redis, {"--memory", "16MiB", "--max-object", "4MiB"});
    proxy a(upstream, flags), b(upstream, flags);
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    client on_a = a.connect(), on_b = b.connect();
    for (std::size_t i = 0; i < volume(60, 30, 8); ++i) {
        stores = true;
        // Where the memory is short, what is of no use to others is not stored here either.
        REQUIRE(on_a.get("/x", "Cache-Control: no-cache\r\n").status == 200);
        REQUIRE(on_b.get("/x").status == 200);
        stores = false;
        const response last = on_a.get("/x", "Cache-Control: no-cache\r\n");
        REQUIRE(last.complete);
        const response r = on_b.get("/x");
        INFO(r.summary());
        REQUIRE(std::stoi(r.body) > std::stoi(last.body));
    }
    CHECK(metric(a, "meshcache_unconfirmed_total{what=\"write\"}") == 0);
}

TEST_CASE("what is of no use to others costs no word to Redis where they have nothing") {
    redis_server redis;
    scripted_upstream upstream([](turn& t) {
        if (t.asked().field("if-none-match") == "\"e\"") {
            t.respond(304, "ETag: \"e\"\r\n", "");
            return;
        }
        t.respond(200, "Cache-Control: no-cache\r\nETag: \"e\"\r\n", "always asked for");
    });
    proxy a(upstream, strongly(redis)), b(upstream, strongly(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    std::size_t validated = 0;
    for (int i = 0; i < 5; ++i)
        for (const proxy* p : {&a, &b}) {
            const response r = p->get("/x");
            INFO(r.summary());
            CHECK(r.body == "always asked for");
            if (upstream.last().field("if-none-match") == "\"e\"") ++validated;
        }
    CHECK(validated == 8); // each replica keeps what it has
    for (const proxy* p : {&a, &b}) CHECK(metric(*p, "meshcache_redis_invalidations_total") == 0);
}

TEST_CASE("what is of no use to others leaves the other variants alone") {
    redis_server redis;
    scripted_upstream upstream([](turn& t) {
        const std::string v = t.asked().field("x-v");
        t.respond(200,
                  "Cache-Control: " + std::string(v == "1" ? "max-age=600" : "max-age=0") +
                      "\r\nVary: X-V\r\nETag: \"e\"\r\n",
                  v);
    });
    proxy a(upstream, strongly(redis)), b(upstream, strongly(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/x", "X-V: 1\r\n").body == "1");
    CHECK(a.get("/x", "X-V: 2\r\nCache-Control: no-cache\r\n").body == "2");
    CHECK(b.get("/x", "X-V: 2\r\n").body == "2");
    for (const proxy* p : {&a, &b}) CHECK(p->get("/x", "X-V: 1\r\n").cached().hit());
}

TEST_CASE("what cannot be put out of date at the others is not confirmed") {
    redis_server redis;
    std::atomic<bool> stores{true};
    const std::string useless = GENERATE("max-age=0", "no-store");
    INFO(useless);
    scripted_upstream upstream([&](turn& t) {
        t.respond(200, "ETag: \"e\"\r\nCache-Control: " + (stores ? "max-age=600" : useless) + "\r\n", "x");
    });
    const auto flags = [&](const std::string& mode) {
        return strongly(redis, {"--on-unconfirmed", mode, "--redis-command-timeout", "300ms"});
    };
    proxy refusing(upstream, flags("503")), lenient(upstream, flags("upstream"));
    for (const proxy* p : {&refusing, &lenient}) {
        REQUIRE(p->wait_for_redis("ready"));
        REQUIRE(p->get("/x").status == 200);
    }
    stores = false;
    REQUIRE(redis.command({"CLIENT", "PAUSE", "600000", "WRITE"}).ok());
    const response refused = refusing.get("/x", "Cache-Control: no-cache\r\n");
    CHECK(refused.status == 503);
    CHECK(refused.cached().detail() == "unconfirmed");
    const response passed = lenient.get("/x", "Cache-Control: no-cache\r\n");
    CHECK(passed.status == 200);
    CHECK(passed.cached().detail() == "unconfirmed");
    for (const proxy* p : {&refusing, &lenient})
        CHECK(metric(*p, "meshcache_unconfirmed_total{what=\"write\"}") == 1);
    REQUIRE(redis.command({"CLIENT", "UNPAUSE"}).ok());
}

TEST_CASE("what others found not to be shareable is looked for in Redis all the same") {
    redis_server redis;
    std::atomic<bool> stores{false};
    std::atomic<int> number{0};
    scripted_upstream upstream(
        [&](turn& t) { t.ok(std::to_string(++number), stores ? "max-age=600" : "no-store"); });
    proxy a(upstream, strongly(redis)), b(upstream, strongly(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/x").body == "1"); // and so it is remembered there that nobody is to wait for such an answer
    stores = true;
    CHECK(b.get("/x").body == "2");
    stores = false;
    const response r = a.get("/x");
    INFO(r.summary());
    CHECK(r.body == "2");
    CHECK(b.get("/x").body == "2");
}

TEST_CASE("requests that insist on newer answers at the same moment get one fetch each") {
    redis_server redis;
    std::atomic<int> number{0};
    scripted_upstream upstream([&](turn& t) { t.ok(std::to_string(++number), "max-age=600"); });
    proxy p(upstream, strongly(redis, {"--on-unconfirmed", "503"}));
    REQUIRE(p.wait_for_redis("ready"));
    std::vector<client> clients;
    for (int i = 0; i < 16; ++i) clients.push_back(p.connect());
    const std::size_t rounds = volume(40, 20, 5);
    for (std::size_t i = 0; i < rounds; ++i) {
        for (client& c : clients) REQUIRE(c.send(request_text("GET", "/x", "Cache-Control: no-cache\r\n")));
        for (client& c : clients) REQUIRE(c.read().status == 200);
    }
    CHECK(metric(p, "meshcache_unconfirmed_total{what=\"write\"}") == 0);
    CHECK(upstream.requests() <= rounds * clients.size());
}
