// --collapse global: of all replicas that miss the same thing, one asks the application.
#include "support/catch.hpp"
#include "support/poisoning.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace meshcache::test;

namespace {

std::vector<std::string> globally(const redis_server& redis, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--collapse", "global", "--collapse-timeout", "60s"});
    return with_redis(redis, std::move(more));
}

/// How often a look-up of `p` that found nothing came to `outcome`.
long leases(const proxy& p, const std::string& outcome) {
    return metric(p, "meshcache_redis_leases_total{outcome=\"" + outcome + "\"}");
}

bool waits(const proxy& p) {
    return eventually([&] { return leases(p, "waited") > 0; });
}

std::future<response> asks(const proxy& p, const std::string& target) {
    return std::async(std::launch::async, [&p, target] { return p.get(target); });
}

/// Holds the first request at a gate, and gives every answer a number.
class held_upstream {
  public:
    explicit held_upstream(std::string cache_control = "max-age=600")
        : stage_([this, cache_control](turn& t) {
              const int number = ++answers_;
              if (number == 1 && !t.wait(first_)) return;
              t.ok("#" + std::to_string(number), cache_control);
          }) {}

    scripted_upstream& stage() noexcept { return stage_; }
    void let_go() { first_.open(); }

  private:
    gate first_;
    std::atomic<int> answers_{0};
    scripted_upstream stage_; ///< last: its threads use the others
};

} // namespace

TEST_CASE("of three replicas that miss the same thing, one asks the application") {
    redis_server redis;
    held_upstream upstream;
    proxy a(upstream.stage(), globally(redis)), b(upstream.stage(), globally(redis)),
        c(upstream.stage(), globally(redis));
    for (const proxy* p : {&a, &b, &c}) REQUIRE(p->wait_for_redis("ready"));
    auto first = asks(a, "/x");
    upstream.stage().wait_for_requests(1);
    auto second = asks(b, "/x"), third = asks(c, "/x"), fourth = asks(c, "/x");
    REQUIRE(waits(b));
    REQUIRE(waits(c));
    upstream.let_go();
    CHECK(first.get().cached().stored());
    for (auto* other : {&second, &third, &fourth}) {
        const response r = other->get();
        INFO(r.summary());
        CHECK(r.body == "#1");
    }
    CHECK(upstream.stage().requests() == 1);
    CHECK(leases(a, "taken") == 1);
    CHECK(leases(b, "taken") == 0);
    // The lease has ended with the record.
    CHECK(eventually([&] { return redis.command({"KEYS", "mc:*:l:*"}).elements.empty(); }));
}

TEST_CASE("a replica that dies while it fetches holds the others up for no longer than its lease") {
    redis_server redis;
    held_upstream upstream;
    proxy a(upstream.stage(), globally(redis)), b(upstream.stage(), globally(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    auto lost = asks(a, "/x");
    upstream.stage().wait_for_requests(1);
    auto waiting = asks(b, "/x");
    REQUIRE(waits(b));
    a.kill();
    CHECK(waiting.get().body == "#2");
    CHECK(leases(b, "timeout") == 0);
}

TEST_CASE("an answer that cannot be shared lets the others go at once, and spares the next ones the wait") {
    redis_server redis;
    held_upstream upstream("private");
    proxy a(upstream.stage(), globally(redis)), b(upstream.stage(), globally(redis)),
        c(upstream.stage(), globally(redis));
    for (const proxy* p : {&a, &b, &c}) REQUIRE(p->wait_for_redis("ready"));
    auto first = asks(a, "/x");
    upstream.stage().wait_for_requests(1);
    auto second = asks(b, "/x");
    REQUIRE(waits(b));
    upstream.let_go();
    CHECK(first.get().body == "#1");
    CHECK(second.get().body == "#2");
    CHECK(c.get("/x").body == "#3");
    CHECK(leases(c, "unshareable") == 1);
    CHECK(leases(c, "waited") == 0);
    // It is remembered at home, too: no further look-up.
    CHECK(c.get("/x").body == "#4");
    CHECK(leases(c, "unshareable") == 1);
}

TEST_CASE("an answer that is too large for the cache lets the others go as soon as that is known") {
    redis_server redis;
    gate rest;
    std::atomic<int> answers{0};
    scripted_upstream upstream([&](turn& t) {
        const bool first = ++answers == 1;
        t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n");
        t.send("2000\r\n" + std::string(0x2000, 'x') + "\r\n");
        if (first && !t.wait(rest)) return;
        t.send("0\r\n\r\n");
    });
    proxy a(upstream, globally(redis, {"--max-object", "4KiB"})),
        b(upstream, globally(redis, {"--max-object", "4KiB"}));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    auto first = asks(a, "/large");
    upstream.wait_for_requests(1);
    // Whether b comes before or after it is known: it gets its answer while the first is still held.
    CHECK(b.get("/large").body.size() == 0x2000);
    rest.open();
    CHECK(first.get().body.size() == 0x2000);
}

TEST_CASE("when the application fails one replica, another tries") {
    redis_server redis;
    gate broken;
    std::atomic<int> answers{0};
    scripted_upstream upstream([&](turn& t) {
        if (++answers == 1) {
            if (t.wait(broken)) t.reset();
            return;
        }
        t.ok("good", "max-age=600");
    });
    proxy a(upstream, globally(redis)), b(upstream, globally(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    auto first = asks(a, "/x");
    upstream.wait_for_requests(1);
    auto second = asks(b, "/x");
    REQUIRE(waits(b));
    broken.open();
    CHECK(first.get().status == 502);
    CHECK(second.get().body == "good");
    CHECK(leases(b, "taken") == 1);
}

TEST_CASE("nobody waits for another replica longer than --collapse-timeout") {
    redis_server redis;
    held_upstream upstream;
    proxy a(upstream.stage(), globally(redis)),
        b(upstream.stage(), globally(redis, {"--collapse-timeout", "200ms"}));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    auto first = asks(a, "/x");
    upstream.stage().wait_for_requests(1);
    CHECK(b.get("/x").body == "#2");
    CHECK(leases(b, "waited") == 1);
    CHECK(leases(b, "timeout") == 1);
    upstream.let_go();
    CHECK(first.get().body == "#1");
}

TEST_CASE("a fetch that takes longer than a lease keeps it") {
    redis_server redis;
    held_upstream upstream;
    proxy a(upstream.stage(), globally(redis)), b(upstream.stage(), globally(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    auto first = asks(a, "/x");
    upstream.stage().wait_for_requests(1);
    auto second = asks(b, "/x");
    REQUIRE(waits(b));
    const auto held = redis.command({"KEYS", "mc:*:l:*"});
    REQUIRE(held.elements.size() == 1);
    // Renewed once its time runs down.
    const std::string name = held.elements[0].text;
    const auto left = [&] { return redis.number({"PTTL", name}); };
    REQUIRE(eventually([&] { return left() < 1100; }));
    REQUIRE(eventually([&] { return left() > 1100; }));
    upstream.let_go();
    CHECK(first.get().body == "#1");
    CHECK(second.get().body == "#1");
}

TEST_CASE("what has become stale is validated by one replica for all") {
    redis_server redis;
    gate held;
    std::atomic<int> validations{0};
    scripted_upstream upstream([&](turn& t) {
        if (t.asked().field("if-none-match").empty()) {
            t.respond(200, "Cache-Control: max-age=1, stale-if-error=600\r\nETag: \"1\"\r\n", "one");
            return;
        }
        ++validations;
        if (!t.wait(held)) return;
        t.respond(200, "Cache-Control: max-age=600\r\nETag: \"2\"\r\n", "two");
    });
    proxy a(upstream, globally(redis)), b(upstream, globally(redis)), c(upstream, globally(redis));
    for (const proxy* p : {&a, &b, &c}) REQUIRE(p->wait_for_redis("ready"));
    CHECK(a.get("/x").body == "one");
    REQUIRE(a.wait_for_flush());
    CHECK(b.get("/x").body == "one"); // c has never heard of it
    const auto is_stale = [&](const proxy& p) {
        return eventually([&] { return p.get("/x", "Cache-Control: only-if-cached\r\n").status == 504; });
    };
    REQUIRE(is_stale(a));
    REQUIRE(is_stale(b));
    auto first = asks(a, "/x");
    REQUIRE(eventually([&] { return validations == 1; }));
    auto second = asks(b, "/x"), third = asks(c, "/x");
    REQUIRE(waits(b));
    REQUIRE(waits(c));
    held.open();
    for (auto* r : {&first, &second, &third}) CHECK(r->get().body == "two");
    CHECK(validations == 1);
}

TEST_CASE("what is served stale is fetched behind it by one replica for all") {
    redis_server redis;
    gate held;
    std::atomic<int> answers{0}, renewals{0};
    scripted_upstream upstream([&](turn& t) {
        if (++answers == 1) {
            t.ok("one", "max-age=1, stale-while-revalidate=600");
            return;
        }
        ++renewals;
        if (!t.wait(held)) return;
        t.ok("two", "max-age=600");
    });
    proxy a(upstream, globally(redis)), b(upstream, globally(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/x").body == "one");
    REQUIRE(a.wait_for_flush());
    CHECK(b.get("/x").body == "one");
    REQUIRE(eventually([&] {
        const response r = a.get("/x");
        return r.cached().hit() && r.cached().ttl() < 0;
    }));
    REQUIRE(eventually([&] { return renewals == 1; }));
    // b asks for the lease, learns that another has it, and leaves it at that.
    REQUIRE(eventually([&] {
        const response r = b.get("/x");
        return r.cached().hit() && r.cached().ttl() < 0;
    }));
    CHECK(b.get("/x").body == "one");
    held.open();
    CHECK(eventually([&] { return a.get("/x").body == "two"; }));
    CHECK(eventually([&] { return b.get("/x").body == "two"; }));
    CHECK(renewals == 1);
}

TEST_CASE("a Redis that takes no writes still answers look-ups, and nobody waits for it") {
    redis_server redis;
    std::atomic<int> answers{0};
    scripted_upstream upstream([&](turn& t) { t.ok("#" + std::to_string(++answers), "max-age=600"); });
    proxy a(upstream, globally(redis)), b(upstream, globally(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/there").body == "#1");
    REQUIRE(a.wait_for_flush());
    REQUIRE(redis.command({"CONFIG", "SET", "maxmemory", "1"}).ok());
    CHECK(b.get("/there").body == "#1");
    CHECK(b.get("/new").body == "#2");
    CHECK(a.get("/new").body == "#3");
    REQUIRE(redis.command({"CONFIG", "SET", "maxmemory", "0"}).ok());
    REQUIRE(redis.command({"SCRIPT", "FLUSH"}).ok());
    CHECK(a.get("/newer").body == "#4");
    CHECK(eventually([&] {
        const std::string target = "/later/" + std::to_string(answers);
        const long before = leases(a, "taken");
        (void)a.get(target);
        return leases(a, "taken") > before;
    }));
}

TEST_CASE("with a full Redis nobody waits for what it will not have") {
    redis_server redis;
    const std::string large = noise(200'000);
    scripted_upstream upstream([&](turn& t) { t.ok(large, "max-age=600"); });
    proxy a(upstream, globally(redis)), b(upstream, globally(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    const std::string memory = redis.command({"INFO", "memory"}).text;
    const std::size_t at = memory.find("used_memory:") + 12;
    const long used = std::stol(memory.substr(at));
    REQUIRE(redis.command({"CONFIG", "SET", "maxmemory", std::to_string(used + 100'000)}).ok());
    for (const char* target : {"/1", "/2"}) {
        CHECK((a.get(target).body == large));
        CHECK((b.get(target).body == large));
    }
    CHECK(leases(b, "timeout") == 0);
}

TEST_CASE("a request after a purge does not wait for a fetch before it, on any replica") {
    redis_server redis;
    held_upstream upstream;
    proxy a(upstream.stage(), globally(redis)), b(upstream.stage(), globally(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    auto first = asks(a, "/x");
    upstream.stage().wait_for_requests(1);
    client admin(a.admin());
    REQUIRE(admin.ask("POST", "/purge?url=http://shop.example/x", "Host: localhost\r\n").status == 200);
    CHECK(a.get("/x").body == "#2");
    CHECK(b.get("/x").body == "#2");
    upstream.let_go();
    CHECK(first.get().body == "#1");
    CHECK(a.get("/x").body == "#2");
}
