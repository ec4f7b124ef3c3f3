// The global cache: replicas that share a Redis.
#include "global_support.hpp"

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace meshcache::test;

TEST_CASE("what one replica fetched is a hit on the other, which the upstream never sees") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    for (const std::string& target :
         {std::string("/x"), std::string("/?q=%00%ff&\"quoted\"={}"), "/long/" + std::string(2000, 'l')}) {
        INFO(target);
        const std::size_t before = upstream.requests();
        const response miss = a.get(target);
        CHECK(miss.cached().stored());
        CHECK(a.get(target).cached().hit());
        REQUIRE(a.wait_for_flush());
        const response remote = b.get(target);
        INFO(remote.summary());
        CHECK(remote.body == miss.body);
        CHECK(remote.cached().hit());
        CHECK(remote.cached().detail() == "redis");
        CHECK(remote.cached().ttl() > 0);
        CHECK(remote.top.fields.count("age") == 1);
        const response local = b.get(target);
        CHECK(local.cached().hit());
        CHECK(local.cached().detail().empty());
        CHECK(local.body == miss.body);
        CHECK(upstream.requests() == before + 1);
    }
}

TEST_CASE("a stored answer keeps its fields, status and bytes on its way through Redis") {
    redis_server redis;
    std::string body = noise(700'000);
    body[17] = '\0';
    body[18] = '\r';
    body[19] = '\n';
    scripted_upstream upstream([&](turn& t) {
        t.respond(404, "Cache-Control: max-age=60\r\nX-One: 1\r\nX-Two: 2\r\nX-One: 3\r\nETag: \"e\"\r\n",
                  body);
    });
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/").status == 404);
    const response at_a = a.get("/");
    REQUIRE(a.wait_for_flush());
    const response at_b = b.get("/");
    CHECK(at_b.cached().hit());
    CHECK(at_b.status == 404);
    CHECK((at_b.body == body));
    CHECK(at_b.top.fields.joined("x-one") == "1, 3");
    CHECK(at_b.field("etag") == "\"e\"");
    CHECK(at_b.field("date") == at_a.field("date"));
    CHECK(at_b.top.fields.count("via") == at_a.top.fields.count("via"));
    CHECK(upstream.requests() == 1);
}

TEST_CASE("variants are shared, each for itself") {
    redis_server redis;
    scripted_upstream upstream([](turn& t) {
        t.respond(200, "Cache-Control: max-age=60\r\nVary: X-V\r\n", "variant " + t.asked().field("x-v"));
    });
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    a.get("/", "X-V: 1\r\n");
    a.get("/", "X-V: 2\r\n");
    REQUIRE(a.wait_for_flush());
    for (const char* v : {"1", "2"}) {
        const response r = b.get("/", "X-V: " + std::string(v) + "\r\n");
        INFO(r.summary());
        CHECK(r.cached().hit());
        CHECK(r.body == "variant " + std::string(v));
    }
    CHECK(upstream.requests() == 2);
    CHECK(b.get("/", "X-V: 3\r\n").body == "variant 3");
}

TEST_CASE("a newer answer replaces the older one everywhere") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/x").body == "/x #1");
    REQUIRE(a.wait_for_flush());
    CHECK(b.get("/x").body == "/x #1");
    for (int i = 2; i < 6; ++i) {
        proxy& from = i % 2 ? b : a;
        proxy& to = i % 2 ? a : b;
        const std::string expected = "/x #" + std::to_string(i);
        CHECK(from.get("/x", "Cache-Control: no-cache\r\n").body == expected);
        CHECK(converges(to, "/x", expected));
    }
    CHECK(upstream.requests() == 5);
}

TEST_CASE("an unsafe request through one replica invalidates on the other") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    for (const char* method : {"POST", "PUT", "DELETE"}) {
        const std::string target = "/" + std::string(method);
        CHECK(a.get(target).body == target + " #1");
        REQUIRE(a.wait_for_flush());
        CHECK(b.get(target).body == target + " #1");
        CHECK(a.ask(method, target).status == 204);
        CHECK_FALSE(a.get(target, "Cache-Control: only-if-cached\r\n").cached().hit()); // here at once
        bool old = false;
        next_millisecond();
        // B's first answers after it may lie within --max-clock-skew of it, and count as older elsewhere:
        // that costs a fetch more. But nobody gets the old one again, and they agree in the end.
        CHECK(eventually([&] { return b.get(target).body != target + " #1"; }));
        CHECK(eventually([&] {
            const std::string at_a = a.get(target).body, at_b = b.get(target).body;
            old = old || at_a == target + " #1" || at_b == target + " #1";
            return at_a == at_b;
        }));
        CHECK_FALSE(old);
    }
}

TEST_CASE("a purge that waits for Redis beats everything that was there before it") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/x").body == "/x #1");
    REQUIRE(a.wait_for_flush());
    CHECK(b.get("/x").body == "/x #1");
    redis.pause();
    CHECK(a.ask("DELETE", "/x").status == 204);
    CHECK(b.get("/x").body == "/x #1"); // cannot know yet
    next_millisecond();
    redis.resume();
    CHECK(eventually([&] { return b.get("/x").body != "/x #1"; }));
    REQUIRE(b.wait_for_flush());
    proxy c(upstream, with_redis(redis));
    REQUIRE(c.wait_for_redis("ready"));
    CHECK(c.get("/x").body != "/x #1");
}

TEST_CASE("namespaces are apart, and replicas of one namespace together") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis, {"--namespace", "one"})),
        b(upstream, with_redis(redis, {"--namespace", "two"})),
        c(upstream, with_redis(redis, {"--namespace", "one"}));
    for (proxy* p : {&a, &b, &c}) REQUIRE(p->wait_for_redis("ready"));
    CHECK(a.get("/x").body == "/x #1");
    REQUIRE(a.wait_for_flush());
    CHECK(b.get("/x").body == "/x #2");
    CHECK(c.get("/x").body == "/x #1");
}

TEST_CASE("fifty clients on one key that only Redis has are no request upstream") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis, {"--threads", "4"}));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    for (int round = 0; round < 10; ++round) {
        const std::string target = "/" + std::to_string(round);
        CHECK(a.get(target).body == target + " #1");
        REQUIRE(a.wait_for_flush());
        std::vector<client> clients;
        for (int i = 0; i < 50; ++i) clients.push_back(b.connect());
        for (client& c : clients) REQUIRE(c.send(request_text("GET", target)));
        for (client& c : clients) CHECK(c.read().body == target + " #1");
    }
    CHECK(upstream.requests() == 10);
}

TEST_CASE("with --on-hit reject the first request passes, and every later one is refused on every replica") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    const auto flags = with_redis(redis, {"--on-hit", "reject:429"});
    proxy a(upstream, flags), b(upstream, flags);
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/x").status == 200);
    CHECK(a.get("/x").status == 429);
    REQUIRE(a.wait_for_flush());
    for (int i = 0; i < 2; ++i) {
        const response r = b.get("/x");
        INFO(r.summary());
        CHECK(r.status == 429);
        CHECK(r.cached().hit());
        CHECK(r.cached().detail() == "rejected");
    }
    CHECK(upstream.requests() == 1);
}

TEST_CASE("Redis may ask for a password, and be at a unix socket") {
    redis_server redis({"--requirepass", "pa55"});
    scripted_upstream upstream{numbered{}};
    const std::string tcp = "redis://:pa55@" + redis.tcp_address().to_string() + "/3";
    const std::string file = "unix://:pa55@" + redis.unix_address().unix_path + "?db=3";
    proxy a(upstream, {"--redis", tcp, "--redis-timeout", "500ms"});
    REQUIRE(a.wait_for_redis("ready"));
    CHECK(a.get("/x").body == "/x #1");
    REQUIRE(a.wait_for_flush());
    {
        proxy b(upstream, {"--redis", file, "--redis-timeout", "500ms"});
        REQUIRE(b.wait_for_redis("ready"));
        CHECK(b.get("/x").cached().hit());
        CHECK(b.log().find("pa55") == std::string::npos);
    }
    CHECK(a.log().find("pa55") == std::string::npos);
    proxy wrong(upstream,
                {"--redis", "redis://:wr0ng@" + redis.tcp_address().to_string(), "--drain-timeout", "1s"});
    CHECK(wrong.get("/y").body == "/y #1"); // served all the same
    CHECK(wrong.stats().at("redis_state") != "ready");
}

TEST_CASE("many replicas fill and change one key set at random, and agree when it is quiet") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    std::vector<std::unique_ptr<proxy>> replicas;
    for (int i = 0; i < 4; ++i)
        replicas.push_back(std::make_unique<proxy>(upstream, with_redis(redis, {"--threads", "1"})));
    for (auto& r : replicas) REQUIRE(r->wait_for_redis("ready"));
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::vector<std::thread> threads;
    std::atomic<int> failed{0};
    const std::size_t rounds = volume(2000, 1000, 150);
    for (unsigned i = 0; i < replicas.size(); ++i)
        threads.emplace_back([&, i] {
            std::mt19937 random(seed + i);
            try {
                client c = replicas[i]->connect();
                for (std::size_t k = 0; k < rounds; ++k) {
                    const std::string target = "/" + std::to_string(random() % 20);
                    const auto dice = random() % 10;
                    const response r = dice == 0   ? c.ask("PUT", target)
                                       : dice <= 3 ? c.get(target, "Cache-Control: no-cache\r\n")
                                                   : c.get(target);
                    if (r.status != (dice == 0 ? 204 : 200)) ++failed;
                }
            } catch (const std::exception&) {
                ++failed;
            }
        });
    for (auto& t : threads) t.join();
    CHECK(failed == 0);
    for (auto& r : replicas) CHECK(r->wait_for_flush());
    std::string differing;
    CHECK(eventually([&] {
        differing.clear();
        for (int k = 0; k < 20; ++k) {
            std::string value;
            for (auto& r : replicas) {
                const response got = r->get("/" + std::to_string(k), "Cache-Control: only-if-cached\r\n");
                if (got.status != 200) continue;
                if (!value.empty() && value != got.body) differing += value + " vs " + got.body + "; ";
                value = got.body;
            }
        }
        return differing.empty();
    }));
    INFO(differing);
    CHECK(differing.empty());
}

TEST_CASE("an answer to POST that one replica stores answers GET at the others") {
    redis_server redis;
    scripted_upstream upstream([](turn& t) {
        if (t.method() == "GET") return void(t.ok("from GET"));
        t.respond(200, "Cache-Control: max-age=60\r\nContent-Location: /x\r\n", "POST " + t.read_body());
    });
    proxy a(upstream, with_redis(redis, {"--store-post"})), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(b.get("/x").body == "from GET");
    // A change that came while a POST is answered would keep its answer out of the store.
    REQUIRE(b.wait_for_flush());
    REQUIRE(eventually([&] {
        const auto position = [](const proxy& p) { return p.stats().at("log_position").get<std::string>(); };
        return position(a) != "0-0" && position(a) == position(b);
    }));
    for (const char* body : {"1", "2"}) {
        CHECK(a.ask("POST", "/x", {}, body).cached().stored());
        CHECK(a.get("/x").cached().hit());
        REQUIRE(a.wait_for_flush());
        // What b had is gone; a GET that comes before that would be the newer answer.
        REQUIRE(eventually([&] { return b.get("/x", "Cache-Control: only-if-cached\r\n").status == 504; }));
        const response shared = b.get("/x");
        INFO(shared.summary());
        CHECK(shared.body == std::string("POST ") + body);
        CHECK(shared.cached().hit());
    }
}
