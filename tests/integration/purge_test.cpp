// Purges by the operator: POST /purge on the admin port, what they take away here and on other replicas, and
// what must not come back.
#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

/// Answers for each target with a number that grows by one with every request for it.
class numbered {
  public:
    void operator()(turn& t) {
        t.read_body();
        const std::lock_guard lock(state_->mutex);
        const std::string number = std::to_string(++state_->counts[t.target()]);
        if (t.target().starts_with("/red")) {
            t.respond(200,
                      "Cache-Control: max-age=600, stale-if-error=600\r\nSurrogate-Key: red all-of-it\r\n",
                      t.target() + " #" + number);
            return;
        }
        t.ok(t.target() + " #" + number, "max-age=600");
    }

  private:
    struct state {
        std::mutex mutex;
        std::map<std::string, int> counts;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// All replicas have one clock, and so need not keep away from what was made soon after a purge.
std::vector<std::string> of_one_clock(const redis_server& redis) {
    return with_redis(redis, {"--max-clock-skew", "0ms"});
}

struct answered {
    int status = 0;
    nlohmann::json json;
    std::string body;
};

answered purge(const proxy& p, const std::string& query, const std::string& content = {}) {
    client c(p.admin());
    const response r = c.ask("POST", "/purge" + (query.empty() ? "" : "?" + query),
                             std::string("Host: localhost\r\n") +
                                 (content.empty() ? "" : "Content-Type: application/json\r\n"),
                             content);
    answered out{r.status, nullptr, r.body};
    if (r.field("content-type").starts_with("application/json")) out.json = nlohmann::json::parse(r.body);
    return out;
}

/// Waits until `p` answers `target` with `body` without asking the upstream: from its memory, or from Redis.
bool holds(const proxy& p, const std::string& target, const std::string& body) {
    return eventually([&] {
        const response r = p.get(target);
        return r.status == 200 && r.body == body && r.cached().hit();
    });
}
bool gone(const proxy& p, const std::string& target) {
    return eventually([&] { return p.get(target, "Cache-Control: only-if-cached\r\n").status == 504; });
}

} // namespace

TEST_CASE("a purge of a URL takes it away at once, and nothing else") {
    scripted_upstream upstream{numbered{}};
    proxy p(upstream);
    CHECK(p.get("/a?x=1").body == "/a?x=1 #1");
    CHECK(p.get("/b").body == "/b #1");
    const auto done = purge(p, "url=http://SHOP.example:80/a?x=1");
    CHECK(done.status == 200);
    CHECK(done.json.at("applied") == true);
    CHECK(done.json.at("acknowledged") == true);
    CHECK(done.json.at("shared") == false);
    CHECK(p.get("/a?x=1").body == "/a?x=1 #2");
    CHECK(p.get("/b").body == "/b #1");
}

TEST_CASE("a purge of a URL reaches the other replica, and Redis has it before it is acknowledged") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, of_one_clock(redis)), b(upstream, of_one_clock(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/a").body == "/a #1");
    CHECK(a.get("/b").body == "/b #1");
    REQUIRE(a.wait_for_flush());
    REQUIRE(holds(b, "/a", "/a #1"));
    REQUIRE(holds(b, "/b", "/b #1"));
    const auto done = purge(b, "", R"({"url": ["http://shop.example/a"]})");
    CHECK(done.status == 200);
    CHECK(done.json.at("acknowledged") == true);
    CHECK(done.json.at("position").get<std::string>().find('-') != std::string::npos);
    CHECK(redis.number({"ZCARD", "mc:{default:0}:floors"}) == 1);
    CHECK(redis.number({"EXISTS", "mc:{default:0}:r:4:http12:shop.example3:GET2:/a"}) == 0);
    CHECK(gone(a, "/a"));
    CHECK(a.get("/a").body == "/a #2");
    CHECK(a.get("/b").body == "/b #1");
    REQUIRE(a.wait_for_flush()); // or the other one asks the application by itself
    CHECK(holds(b, "/a", "/a #2"));
}

TEST_CASE("a purge of everything leaves nothing, here or elsewhere") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, of_one_clock(redis)), b(upstream, of_one_clock(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    for (const char* target : {"/a", "/b", "/c"}) {
        CHECK(a.get(target).status == 200);
        REQUIRE(a.wait_for_flush());
        REQUIRE(holds(b, target, std::string(target) + " #1"));
    }
    const auto done = purge(a, "all=1");
    CHECK(done.status == 200);
    CHECK(done.json.at("acknowledged") == true);
    for (const char* target : {"/a", "/b", "/c"}) {
        INFO(target);
        CHECK(gone(a, target));
        CHECK(gone(b, target));
    }
    CHECK(b.get("/a").body == "/a #2");
}

TEST_CASE("purges of tags, prefixes and hosts take away what they cover, on all replicas") {
    struct row {
        const char* query;
        std::vector<std::string> covered, kept;
    };
    const auto [query, covered, kept] = GENERATE(values<row>({
        {"tag=red", {"/red/1", "/red/2"}, {"/img/1", "/other"}},
        {"prefix=http://shop.example/img/", {"/img/1", "/img/2?x"}, {"/img", "/red/1"}},
        {"prefix=http://shop.example/im", {"/img/1", "/img"}, {"/other", "/red/1"}},
        {"prefix=/img/2", {"/img/2?x"}, {"/img/1", "/other"}},
        {"host=shop.EXAMPLE", {"/red/1", "/img/1", "/other"}, {}},
        {"prefix=http://other.example/", {}, {"/red/1", "/img/1", "/other"}},
    }));
    INFO(query);
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, of_one_clock(redis)), b(upstream, of_one_clock(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    for (const auto& list : {covered, kept})
        for (const auto& target : list) {
            CHECK(a.get(target).body == target + " #1");
            REQUIRE(a.wait_for_flush());
            REQUIRE(holds(b, target, target + " #1"));
        }
    const auto done = purge(a, query);
    CHECK(done.status == 200);
    CHECK(done.json.at("acknowledged") == true);
    CHECK(redis.number({"ZCARD", "mc:{default:0}:groups"}) == 1);
    for (const auto& target : covered) {
        INFO(target);
        CHECK(a.get(target, "Cache-Control: only-if-cached\r\n").status == 504); // at once
        CHECK(gone(b, target));
    }
    // The records are in Redis still, and nobody takes them: neither these nor who comes later.
    proxy late(upstream, of_one_clock(redis));
    REQUIRE(late.wait_for_redis("ready"));
    for (const auto& target : covered) {
        INFO(target);
        CHECK(late.get(target).body == target + " #2");
        REQUIRE(late.wait_for_flush());
        CHECK(holds(a, target, target + " #2"));
        CHECK(holds(b, target, target + " #2"));
    }
    for (const auto& target : kept) {
        INFO(target);
        CHECK(a.get(target).body == target + " #1");
        CHECK(b.get(target).body == target + " #1");
        CHECK(late.get(target).body == target + " #1");
    }
}

TEST_CASE("a soft purge makes stale everywhere, and leaves what answers when the upstream fails") {
    redis_server redis;
    auto upstream = std::make_unique<scripted_upstream>(numbered{});
    const std::string address = upstream->flag();
    proxy a(address, of_one_clock(redis)), b(address, of_one_clock(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/red/1").body == "/red/1 #1");
    REQUIRE(a.wait_for_flush());
    REQUIRE(holds(b, "/red/1", "/red/1 #1"));
    const std::string query =
        GENERATE("tag=red", "url=http://shop.example/red/1", "all=1", "host=shop.example");
    INFO(query);
    const auto done = purge(a, query + "&soft=1");
    CHECK(done.status == 200);
    CHECK(gone(a, "/red/1")); // nothing fresh
    CHECK(gone(b, "/red/1"));
    upstream.reset();
    for (const proxy* p : {&a, &b}) {
        const response r = p->get("/red/1");
        INFO(r.summary());
        CHECK(r.status == 200);
        CHECK(r.body == "/red/1 #1");
    }
}

TEST_CASE("a fill that was in flight when its tag was purged leaves nothing behind") {
    gate held;
    scripted_upstream upstream([&](turn& t) {
        t.read_body();
        if (t.target() == "/slow") held.wait();
        t.respond(200, "Cache-Control: max-age=600\r\nCache-Tag: slow, x\r\n", "content");
    });
    proxy p(upstream);
    client c = p.connect();
    c.send(request_text("GET", "/slow"));
    REQUIRE(eventually([&] { return upstream.requests() == 1; }));
    CHECK(purge(p, "tag=slow").status == 200);
    held.open();
    CHECK(c.read().body == "content");
    CHECK(p.get("/slow", "Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(p.get("/slow").body == "content");
    CHECK(p.get("/slow").cached().hit());
    CHECK(upstream.requests() == 2);
}

TEST_CASE("a request that comes after a purge does not get what was asked for before it") {
    const std::string query = GENERATE("tag=slow", "url=http://shop.example/slow", "host=shop.example",
                                       "all=1", "tag=slow&soft=1", "all=1&soft=1");
    INFO(query);
    gate held;
    std::atomic<int> asked{0};
    scripted_upstream upstream([&](turn& t) {
        t.read_body();
        const int number = ++asked;
        if (number == 1) held.wait();
        t.respond(200, "Cache-Control: max-age=600\r\nSurrogate-Key: slow\r\n", "#" + std::to_string(number));
    });
    proxy p(upstream, {"--threads", "2"});
    client first = p.connect(), second = p.connect();
    first.send(request_text("GET", "/slow"));
    REQUIRE(eventually([&] { return upstream.requests() == 1; }));
    CHECK(purge(p, query).status == 200);
    second.send(request_text("GET", "/slow"));
    // Where the tag is not known before the answer, the second one waits; else it has its own.
    if (!query.starts_with("tag")) CHECK(second.read().body == "#2");
    held.open();
    CHECK(first.read().body == "#1");
    if (query.starts_with("tag")) CHECK(second.read().body == "#2");
    const response hit = p.get("/slow");
    CHECK(hit.body == "#2");
    CHECK(hit.cached().hit());
}

TEST_CASE("purges are counted by what they name") {
    scripted_upstream upstream{numbered{}};
    proxy p(upstream);
    CHECK(purge(p, "tag=a&tag=b&url=http://shop.example/x&prefix=/a/&prefix=http://shop.example/").status ==
          200);
    CHECK(purge(p, "host=shop.example&all=1&soft=1").status == 200);
    client c(p.admin());
    const std::string page = c.ask("GET", "/metrics", "Host: localhost\r\n").body;
    const auto counted = [&](const char* kind, const char* mode, int n) {
        const std::string line = std::string("meshcache_purges_total{kind=\"") + kind + "\",mode=\"" + mode +
                                 "\"} " + std::to_string(n) + "\n";
        INFO(line);
        CHECK(page.find(line) != std::string::npos);
    };
    counted("tag", "hard", 2);
    counted("url", "hard", 1);
    counted("prefix", "hard", 1);
    counted("host", "hard", 1);
    counted("host", "soft", 1);
    counted("all", "soft", 1);
    counted("all", "hard", 0);
}

TEST_CASE("a replica that was away while a tag was purged serves nothing of it when it is back") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, of_one_clock(redis)), b(upstream, of_one_clock(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/red/1").body == "/red/1 #1");
    REQUIRE(a.wait_for_flush());
    REQUIRE(holds(b, "/red/1", "/red/1 #1"));
    b.process().signal(SIGSTOP);
    CHECK(purge(a, "tag=red").status == 200);
    redis.command({"XTRIM", "mc:{default:0}:log", "MAXLEN", "0"});
    b.process().signal(SIGCONT);
    CHECK(gone(b, "/red/1"));
    CHECK(b.get("/red/1").body == "/red/1 #2");
}

TEST_CASE("without Redis a purge is applied here, queued, and answered with 202") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    auto flags = of_one_clock(redis);
    flags.insert(flags.end(), {"--redis-command-timeout", "300ms"});
    proxy p(upstream, flags);
    REQUIRE(p.wait_for_redis("ready"));
    CHECK(p.get("/a").body == "/a #1");
    redis.kill();
    REQUIRE(p.wait_for_redis("connecting"));
    const auto done = purge(p, "url=http://shop.example/a");
    CHECK(done.status == 202);
    CHECK(done.json.at("applied") == true);
    CHECK(done.json.at("acknowledged") == false);
    CHECK(p.get("/a").body == "/a #2");
    redis.start();
    CHECK(eventually([&] { return redis.number({"ZCARD", "mc:{default:0}:floors"}) == 1; }));
}

TEST_CASE("a purge that cannot be understood changes nothing, and says why") {
    scripted_upstream upstream{numbered{}};
    proxy p(upstream, {"--admin-token", "secret"});
    const std::string token = "Authorization: Bearer secret\r\n", json = "Content-Type: application/json\r\n";
    CHECK(p.get("/a").body == "/a #1");
    const auto ask = [&](const char* method, const std::string& target, const std::string& fields,
                         const std::string& body = {}) {
        client c(p.admin());
        return c.ask(method, target, fields, body);
    };
    CHECK(ask("POST", "/purge?all=1", "").status == 401);
    const response get = ask("GET", "/purge?all=1", token);
    CHECK(get.status == 405);
    CHECK(get.field("allow") == "POST");
    CHECK(ask("POST", "/purge", token).status == 400);
    CHECK(ask("POST", "/purge?url=/a", token).status == 400);
    CHECK(ask("POST", "/purge?al=1", token).body.find("'al'") != std::string::npos);
    CHECK(ask("POST", "/purge?url=%zz", token).status == 400);
    CHECK(ask("POST", "/purge?tag=a%20b", token).status == 400);
    CHECK(ask("POST", "/purge?host=a/b", token).status == 400);
    CHECK(ask("POST", "/purge?prefix=img", token).status == 400);
    CHECK(ask("POST", "/purge?all=maybe", token).status == 400);
    CHECK(ask("POST", "/purge?all=0&soft=1", token).status == 400);
    CHECK(ask("POST", "/purge", token + json, "{").status == 400);
    CHECK(ask("POST", "/purge", token + json, "[]").status == 400);
    CHECK(ask("POST", "/purge", token + json, R"({"url": 7})").status == 400);
    CHECK(ask("POST", "/purge", token + "Content-Type: text/plain\r\n", R"({"all": true})").status == 415);
    CHECK(ask("POST", "/purge?all=1", token + "Origin: http://evil.example\r\n").status == 403);
    CHECK(p.get("/a").body == "/a #1");
}

TEST_CASE("purges that wait for Redis keep no probe out, however many come") {
    redis_server redis;
    scripted_upstream upstream{numbered()};
    proxy p(upstream, with_redis(redis, {"--redis-command-timeout", "60s"}));
    REQUIRE(p.wait_for_redis("ready"));
    redis.pause();
    const std::string request =
        "POST /purge?tag=red HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    std::vector<client> waiting;
    for (int i = 0; i < 48; ++i) {
        waiting.emplace_back(p.admin());
        REQUIRE(waiting.back().send(request));
    }
    const auto purges = [&] {
        return p.ask_admin("/metrics").body.find("meshcache_purges_total{kind=\"tag\",mode=\"hard\"} 48\n") !=
               std::string::npos;
    };
    REQUIRE(eventually(purges));
    std::vector<client> more;
    for (int i = 0; i < 80; ++i) {
        more.emplace_back(p.admin());
        REQUIRE(more.back().send(request));
        CHECK(more.back().read().status == 503); // nothing was done
        CHECK(p.ask_admin("/healthz").status == 200);
        CHECK(p.ask_admin("/readyz").complete);
    }
    redis.resume();
    for (client& c : waiting) CHECK(c.read().status == 200);
}
