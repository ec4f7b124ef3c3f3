// The global cache: replicas that share a Redis, while it comes, goes, hangs and forgets.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

using namespace meshcache::test;

namespace {

/// Answers for each target with a number that grows by one with every request for it.
class numbered {
  public:
    void operator()(turn& t) {
        t.read_body();
        const std::lock_guard lock(state_->mutex);
        if (t.method() != "GET")
            t.respond(204, "", "");
        else
            t.ok(t.target() + " #" + std::to_string(++state_->counts[t.target()]), "max-age=600");
    }

  private:
    struct state {
        std::mutex mutex;
        std::map<std::string, int> counts;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

std::vector<std::string> with_redis(const redis_server& redis, std::vector<std::string> more = {}) {
    std::vector<std::string> flags{"--redis", redis.url(),       "--redis-backoff-max",
                                   "200ms",   "--redis-timeout", sanitized() ? "2s" : "500ms"};
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
}

/// Redis holds floors in milliseconds, and refuses what was made in the very millisecond of one: an extra
/// miss, which a test that counts requests has to keep clear of.
void next_millisecond() {
    const auto wall = [] {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    };
    REQUIRE(eventually([&, now = wall()] { return wall() > now; }));
}

/// Waits until all that `p` had to say is in Redis.
bool flushed(const proxy& p) {
    return eventually([&] { return p.stats().at("queue_depth").get<int>() == 0; });
}

/// Waits until `p` answers `target` with `body`, from the cache.
bool converges(const proxy& p, const std::string& target, const std::string& body) {
    return eventually([&] {
        const response r = p.get(target, "Cache-Control: only-if-cached\r\n");
        return r.status == 200 && r.body == body && r.cached().hit();
    });
}

} // namespace

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
        REQUIRE(flushed(a));
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
    REQUIRE(flushed(a));
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
    REQUIRE(flushed(a));
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
    REQUIRE(flushed(a));
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
        REQUIRE(flushed(a));
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
    REQUIRE(flushed(a));
    CHECK(b.get("/x").body == "/x #1");
    redis.pause();
    CHECK(a.ask("DELETE", "/x").status == 204);
    CHECK(b.get("/x").body == "/x #1"); // cannot know yet
    next_millisecond();
    redis.resume();
    CHECK(eventually([&] { return b.get("/x").body != "/x #1"; }));
    REQUIRE(flushed(b));
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
    REQUIRE(flushed(a));
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
        REQUIRE(flushed(a));
        std::vector<client> clients;
        for (int i = 0; i < 50; ++i) clients.push_back(b.connect());
        for (client& c : clients) REQUIRE(c.send(request_text("GET", target)));
        for (client& c : clients) CHECK(c.read().body == target + " #1");
    }
    CHECK(upstream.requests() == 10);
}

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
    REQUIRE(flushed(a));
    CHECK(b.get("/x").body == "/x #1");
    REQUIRE(flushed(b));
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
        CHECK(flushed(a));
        CHECK(flushed(b));
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
    REQUIRE(flushed(a));
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

TEST_CASE("with --on-hit reject the first request passes, and every later one is refused on every replica") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    const auto flags = with_redis(redis, {"--on-hit", "reject:429"});
    proxy a(upstream, flags), b(upstream, flags);
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/x").status == 200);
    CHECK(a.get("/x").status == 429);
    REQUIRE(flushed(a));
    for (int i = 0; i < 2; ++i) {
        const response r = b.get("/x");
        INFO(r.summary());
        CHECK(r.status == 429);
        CHECK(r.cached().hit());
        CHECK(r.cached().detail() == "rejected");
    }
    CHECK(upstream.requests() == 1);
}

TEST_CASE("records in Redis that are damaged or foreign are misses, and do no harm") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    {
        proxy a(upstream, with_redis(redis));
        REQUIRE(a.wait_for_redis("ready"));
        for (int i = 0; i < 6; ++i) a.get("/" + std::to_string(i));
        REQUIRE(flushed(a));
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

TEST_CASE("Redis may ask for a password, and be at a unix socket") {
    redis_server redis({"--requirepass", "pa55"});
    scripted_upstream upstream{numbered{}};
    const std::string tcp = "redis://:pa55@" + redis.tcp_address().to_string() + "/3";
    const std::string file = "unix://:pa55@" + redis.unix_address().unix_path + "?db=3";
    proxy a(upstream, {"--redis", tcp, "--redis-timeout", "500ms"});
    REQUIRE(a.wait_for_redis("ready"));
    CHECK(a.get("/x").body == "/x #1");
    REQUIRE(flushed(a));
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
    for (auto& r : replicas) CHECK(flushed(*r));
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
    REQUIRE(flushed(b));
    REQUIRE(eventually([&] {
        const auto position = [](const proxy& p) { return p.stats().at("log_position").get<std::string>(); };
        return position(a) != "0-0" && position(a) == position(b);
    }));
    for (const char* body : {"1", "2"}) {
        CHECK(a.ask("POST", "/x", {}, body).cached().stored());
        CHECK(a.get("/x").cached().hit());
        REQUIRE(flushed(a));
        // What b had is gone; a GET that comes before that would be the newer answer.
        REQUIRE(eventually([&] { return b.get("/x", "Cache-Control: only-if-cached\r\n").status == 504; }));
        const response shared = b.get("/x");
        INFO(shared.summary());
        CHECK(shared.body == std::string("POST ") + body);
        CHECK(shared.cached().hit());
    }
}
