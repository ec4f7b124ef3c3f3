// Purges by the operator: POST /purge on the admin port, what they take away here and on other replicas, and
// what must not come back.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <map>
#include <mutex>

using namespace meshcache::test;

namespace {

/// Answers for each target with a number that grows by one with every request for it.
class numbered {
  public:
    void operator()(turn& t) {
        t.read_body();
        const std::lock_guard lock(state_->mutex);
        t.ok(t.target() + " #" + std::to_string(++state_->counts[t.target()]), "max-age=600");
    }

  private:
    struct state {
        std::mutex mutex;
        std::map<std::string, int> counts;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

std::vector<std::string> with_redis(const redis_server& redis) {
    return {"--redis", redis.url(),       "--redis-backoff-max",
            "200ms",   "--redis-timeout", sanitized() ? "2s" : "500ms"};
}

struct answered {
    int status = 0;
    nlohmann::json json;
    std::string body;
};

answered purge(const proxy& p, const std::string& query, const std::string& content = {}) {
    client c(p.admin());
    const response r = c.ask("POST", "/purge" + (query.empty() ? "" : "?" + query),
                             content.empty() ? "" : "Content-Type: application/json\r\n", content);
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
/// Waits until all that `p` had to say is in Redis.
bool flushed(const proxy& p) {
    return eventually([&] { return p.stats().at("queue_depth").get<int>() == 0; });
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
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/a").body == "/a #1");
    CHECK(a.get("/b").body == "/b #1");
    REQUIRE(flushed(a));
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
}

TEST_CASE("a purge of everything leaves nothing, here or elsewhere") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    proxy a(upstream, with_redis(redis)), b(upstream, with_redis(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    for (const char* target : {"/a", "/b", "/c"}) {
        CHECK(a.get(target).status == 200);
        REQUIRE(flushed(a));
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

TEST_CASE("without Redis a purge is applied here, queued, and answered with 202") {
    redis_server redis;
    scripted_upstream upstream{numbered{}};
    auto flags = with_redis(redis);
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
    CHECK(ask("POST", "/purge", token + json, "{").status == 400);
    CHECK(ask("POST", "/purge", token + json, "[]").status == 400);
    CHECK(ask("POST", "/purge", token + json, R"({"url": 7})").status == 400);
    CHECK(ask("POST", "/purge", token + "Content-Type: text/plain\r\n", R"({"all": true})").status == 415);
    CHECK(ask("POST", "/purge?all=1", token + "Origin: http://evil.example\r\n").status == 403);
    CHECK(p.get("/a").body == "/a #1");
}
