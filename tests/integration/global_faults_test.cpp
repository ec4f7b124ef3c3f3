// The global cache while Redis comes, goes, hangs and forgets, and when the replicas stop.
#include "global_support.hpp"

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace meshcache::test;

TEST_CASE("without Redis at the start everything is served, and shared once it is there") {
    redis_server redis{redis_server::not_started{}};
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    CHECK(a.ask_admin("/readyz").status == 200);
    CHECK(a.stats().at("redis_state") != "ready");
    CHECK(a.get("/x").body == "/x #1");
    CHECK(a.get("/x").cached().hit());
    CHECK(b.get("/y").body == "/y #1");
    redis.start();
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    // What was stored before is not lost to the others either.
    REQUIRE(a.wait_for_flush());
    CHECK(b.get("/x").body == "/x #1");
    REQUIRE(b.wait_for_flush());
    CHECK(a.get("/y").body == "/y #1");
    CHECK(upstream.requests() == 2);
}

TEST_CASE("Redis dies, hangs, comes back with and without its data: no client notices, and all converge") {
    struct row {
        const char* name;
        std::function<void(redis_server&)> down, up;
    };
    const row rows[] = {
        {"killed and restarted empty", [](redis_server& r) { r.kill(); }, [](redis_server& r) { r.start(); }},
        {"stopped and restarted with data", [](redis_server& r) { r.stop(true); },
         [](redis_server& r) { r.start(); }},
        {"paused", [](redis_server& r) { r.pause(); }, [](redis_server& r) { r.resume(); }},
        {"flushed", [](redis_server& r) { r.command({"FLUSHALL"}); }, [](redis_server&) {}},
        {"scripts flushed",
         [](redis_server& r) {
             r.command({"SCRIPT", "FLUSH"});
         },
         [](redis_server&) {}},
        {"clients cut",
         [](redis_server& r) {
             r.command({"CLIENT", "KILL", "TYPE", "normal"});
         },
         [](redis_server&) {}},
        {"full",
         [](redis_server& r) {
             r.command({"CONFIG", "SET", "maxmemory", "1"});
         },
         [](redis_server& r) {
             r.command({"CONFIG", "SET", "maxmemory", "0"});
         }},
    };
    for (const row& r : rows) {
        INFO(r.name);
        redis_server redis;
        scripted_upstream upstream{numbered{}};
        const auto flags = with_redis(redis, {"--redis-command-timeout", sanitized() ? "2s" : "300ms"});
        proxy a(upstream, flags), b(upstream, flags);
        REQUIRE(a.wait_for_redis("ready"));
        REQUIRE(b.wait_for_redis("ready"));

        std::atomic<bool> done{false};
        std::atomic<int> served{0};
        std::mutex mutex;
        std::vector<std::string> failures;
        std::vector<std::thread> threads;
        for (proxy* p : {&a, &b})
            threads.emplace_back([&, p] {
                try {
                    client c = p->connect();
                    for (int i = 0; !done; ++i) {
                        const std::string target = "/" + std::to_string(i % 100);
                        // Some are told to fetch anew, so that there is always something to write.
                        const response got = c.get(target, i % 7 ? "" : "Cache-Control: no-cache\r\n");
                        if (got.status != 200 || !got.complete || !got.body.starts_with(target + " #"))
                            throw std::runtime_error(got.summary());
                        ++served;
                    }
                } catch (const std::exception& e) {
                    const std::lock_guard lock(mutex);
                    failures.emplace_back(e.what());
                }
            });
        const auto serves_on = [&](int n) {
            const int target = served + n;
            return eventually([&] {
                const std::lock_guard lock(mutex);
                return served >= target || !failures.empty();
            });
        };
        CHECK(serves_on(500));
        r.down(redis);
        CHECK(serves_on(500));
        r.up(redis);
        CHECK(serves_on(500));
        done = true;
        for (auto& t : threads) t.join();
        CHECK(failures == std::vector<std::string>{});

        CHECK(a.wait_for_redis("ready"));
        CHECK(b.wait_for_redis("ready"));
        CHECK(a.wait_for_flush());
        CHECK(b.wait_for_flush());
        // Writes have stopped: both replicas, and one that knows only Redis, agree on every key that they
        // hold.
        proxy c(upstream, flags);
        CHECK(c.wait_for_redis("ready"));
        const std::size_t before = upstream.requests();
        std::string differing;
        const auto agree = [&] {
            differing.clear();
            for (int i = 0; i < 100; ++i) {
                const std::string target = "/" + std::to_string(i);
                const std::string only = "Cache-Control: only-if-cached\r\n";
                const response at[] = {a.get(target, only), b.get(target, only)};
                for (const response& x : at)
                    for (const response& y : at)
                        if (x.status == 200 && y.status == 200 && x.body != y.body)
                            differing += x.body + " vs " + y.body + "; ";
            }
            return differing.empty();
        };
        CHECK(eventually(agree));
        INFO(differing);
        CHECK(differing.empty());
        CHECK(upstream.requests() == before);
        int global = 0;
        for (int i = 0; i < 100; ++i) {
            const std::string target = "/" + std::to_string(i);
            const response at_a = a.get(target, "Cache-Control: only-if-cached\r\n");
            const response at_c = c.get(target);
            if (at_c.cached().hit()) {
                ++global;
                if (at_a.status == 200) CHECK(at_c.body == at_a.body);
            }
        }
        INFO(global << " of 100 keys came from Redis to a new replica");
        CHECK(global > 0);
    }
}

TEST_CASE("Redis restarted empty is filled again from what the replicas hold") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    for (int i = 0; i < 300; ++i) a.get("/" + std::to_string(i));
    REQUIRE(a.wait_for_flush());
    redis.restart_empty();
    CHECK(eventually([&] { return redis.number({"DBSIZE"}) >= 300; }));
    REQUIRE(a.wait_for_redis("ready"));
    proxy b(upstream, with_redis(redis));
    REQUIRE(b.wait_for_redis("ready"));
    for (int i = 0; i < 300; ++i)
        CHECK(b.get("/" + std::to_string(i)).body == "/" + std::to_string(i) + " #1");
    CHECK(upstream.requests() == 300);
}

TEST_CASE("SIGTERM carries everything that is queued to Redis before the process exits") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    {
        proxy a(upstream, with_redis(redis, {"--redis-command-timeout", "10s"}));
        REQUIRE(a.wait_for_redis("ready"));
        redis.pause(); // so that there surely is something in the queue
        client c = a.connect();
        for (int i = 0; i < 500; ++i) c.get("/" + std::to_string(i));
        CHECK(a.stats().at("queue_depth").get<int>() > 0);
        a.process().signal(SIGTERM);
        redis.resume();
        CHECK(a.process().wait() == 0);
        CHECK(a.stop() == 0);
    }
    proxy b(upstream, with_redis(redis));
    REQUIRE(b.wait_for_redis("ready"));
    client c = b.connect();
    for (int i = 0; i < 500; ++i) {
        const response r = c.get("/" + std::to_string(i));
        if (!r.cached().hit()) FAIL(r.summary());
    }
    CHECK(upstream.requests() == 500);
}

TEST_CASE("a stop without Redis ends by --drain-timeout, and says what was left") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis, {"--drain-timeout", "500ms"}));
    REQUIRE(a.wait_for_redis("ready"));
    redis.kill();
    for (int i = 0; i < 10; ++i) a.get("/" + std::to_string(i));
    CHECK(a.stop() == 0);
}

TEST_CASE("records in Redis that are damaged or foreign are misses, and do no harm") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    {
        proxy a(upstream, with_redis(redis));
        REQUIRE(a.wait_for_redis("ready"));
        for (int i = 0; i < 6; ++i) a.get("/" + std::to_string(i));
        REQUIRE(a.wait_for_flush());
    }
    const redis_value keys = redis.command({"KEYS", "mc:*:r:*"});
    REQUIRE(keys.elements.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) {
        const std::string& key = keys.elements[i].text;
        const std::string record = redis.command({"GET", key}).text;
        std::string bad;
        switch (i) {
        case 0:
            bad = "";
            break;
        case 1:
            bad = record.substr(0, record.size() / 2);
            break;
        case 2:
            bad = record;
            bad[record.size() - 1] = static_cast<char>(bad[record.size() - 1] ^ 1);
            break;
        case 3:
            bad = std::string(1000, '\xff');
            break;
        case 4:
            bad = redis.command({"GET", keys.elements[5].text}).text;
            break; // another key's record
        default:
            redis.command({"DEL", key});
            redis.command({"LPUSH", key, "a list"});
            continue;
        }
        redis.command({"SET", key, bad});
    }
    proxy b(upstream, with_redis(redis));
    REQUIRE(b.wait_for_redis("ready"));
    for (int i = 0; i < 6; ++i) CHECK(b.get("/" + std::to_string(i)).body == "/" + std::to_string(i) + " #2");
    CHECK(b.wait_for_redis("ready"));
}

TEST_CASE("a replica that is cut off for longer than --max-unsynced validates what it holds") {
    redis_server redis;
    scripted_upstream upstream([](turn& t) {
        if (t.asked().field("if-none-match") == "\"x\"") {
            t.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=600\r\n\r\n");
        } else {
            t.respond(200, "Cache-Control: max-age=600\r\nETag: \"x\"\r\n", "x");
        }
    });
    proxy p(upstream, with_redis(redis, {"--max-unsynced", "100ms"}));
    proxy for_ever(upstream, with_redis(redis, {"--max-unsynced", "0s"}));
    REQUIRE(p.wait_for_redis("ready"));
    REQUIRE(for_ever.wait_for_redis("ready"));
    p.get("/");
    for_ever.get("/");
    CHECK(p.get("/").cached().hit());
    redis.kill();
    CHECK(eventually([&] {
        const response r = p.get("/");
        return r.cached().detail() == "unsynced" && r.cached().parameter("fwd-status") == "304" &&
               r.body == "x";
    }));
    CHECK(for_ever.get("/").cached().hit());
    redis.start();
    REQUIRE(p.wait_for_redis("ready"));
    CHECK(eventually([&] { return p.get("/").cached().hit(); }));
}
