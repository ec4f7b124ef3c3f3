// Warm start as an operator sees it: a replica that comes to others that have something.
#include "support/catch.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

void say_target(turn& t) { t.ok("this is " + t.target(), "max-age=600"); }

std::vector<std::string> with(const std::string& redis, std::vector<std::string> more = {}) {
    std::vector<std::string> flags{"--redis", redis, "--redis-backoff-max", "200ms"};
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
}

} // namespace

TEST_CASE("a new replica that is ready after its warm start answers from its memory at once") {
    redis_server redis;
    scripted_upstream upstream(say_target);
    proxy first(upstream, with(redis.url()));
    REQUIRE(first.wait_for_redis("ready"));
    constexpr int count = 200;
    for (int i = 0; i < count; ++i) first.get("/" + std::to_string(i));
    REQUIRE(first.wait_for_flush());

    proxy second(upstream, with(redis.url(), {"--ready-after-warm", "--warm-timeout", "10m"}));
    // The stage has waited for /readyz.
    const auto stats = second.stats();
    CHECK(stats.at("warm_start").at("state") == "done");
    CHECK(stats.at("warm_start").at("end") == "complete");
    CHECK(stats.at("warm_start").at("loaded") == count);
    CHECK(second.ask_admin("/readyz").body == "ready, 200 records loaded\n");
    // A request of this kind does not ask Redis.
    for (int i = 0; i < count; ++i) {
        const std::string target = "/" + std::to_string(i);
        const response r = second.get(target, "Cache-Control: only-if-cached\r\n");
        INFO(r.summary());
        REQUIRE(r.status == 200);
        CHECK(r.body == "this is " + target);
        CHECK(r.cached().hit());
    }
    CHECK(upstream.requests() == count);
}

TEST_CASE(
    "without Redis a replica that waits for its warm start is ready after --warm-timeout, and says why") {
    scripted_upstream upstream(say_target);
    proxy p(upstream,
            with("redis://" + unused_port().to_string(), {"--ready-after-warm", "--warm-timeout", "300ms"}));
    const response r = p.ask_admin("/readyz");
    CHECK(r.status == 200);
    CHECK(r.body == "ready, although the warm start has not begun: Redis could not be reached\n");
    CHECK(p.stats().at("warm_start").at("state") == "waiting");
    CHECK(p.get("/x").body == "this is /x");
}

TEST_CASE("with --warm-start off nothing is loaded, and nothing waits for it") {
    redis_server redis;
    scripted_upstream upstream(say_target);
    proxy first(upstream, with(redis.url()));
    REQUIRE(first.wait_for_redis("ready"));
    first.get("/a");
    REQUIRE(first.wait_for_flush());
    proxy second(upstream, with(redis.url(), {"--warm-start", "off", "--ready-after-warm"}));
    REQUIRE(second.wait_for_redis("ready"));
    CHECK(second.ask_admin("/readyz").body == "ready\n");
    CHECK(second.stats().at("warm_start").at("state") == "off");
    CHECK(second.get("/a", "Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(second.get("/a").cached().hit());
    CHECK(second.stats().at("warm_start").at("loaded") == 0);
}

TEST_CASE("with --replicate all a replica answers what only the other one was asked for") {
    redis_server redis;
    scripted_upstream upstream(say_target);
    proxy first(upstream, with(redis.url(), {"--replicate", "all"}));
    proxy second(upstream, with(redis.url(), {"--replicate", "all"}));
    REQUIRE((first.wait_for_redis("ready") && second.wait_for_redis("ready")));
    first.get("/a");
    CHECK(eventually([&] { return second.get("/a", "Cache-Control: only-if-cached\r\n").status == 200; }));
    CHECK(upstream.requests() == 1);
}
