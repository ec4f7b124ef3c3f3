// --consistency strong: no answer is older than what Redis had acknowledged when the request came.
#include "strong_support.hpp"
#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/message.hpp"
#include "support/poisoning.hpp"
#include "support/proxy.hpp"
#include "support/redis_server.hpp"

#include <atomic>
#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using namespace meshcache::test;

namespace {

/// What an application has under each target, which changes when the test says so.
class changing {
  public:
    void operator()(turn& t) {
        t.read_body();
        const std::lock_guard lock(state_->mutex);
        if (t.method() != "GET") {
            t.respond(204, "", "");
            return;
        }
        t.respond(200, "Cache-Control: max-age=600\r\nCache-Tag: all\r\n", std::to_string(state_->number));
    }
    std::string change() {
        const std::lock_guard lock(state_->mutex);
        return std::to_string(++state_->number);
    }

  private:
    struct state {
        std::mutex mutex;
        int number = 0;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

int purge(const proxy& p, const std::string& what) {
    client c(p.admin());
    return c.ask("POST", "/purge?" + what, "Host: localhost\r\n").status;
}

} // namespace

TEST_CASE(
    "after an acknowledged purge no replica answers with what was there before, not even the next moment") {
    redis_server redis;
    changing application;
    scripted_upstream upstream{application};
    proxy a(upstream, strongly(redis)), b(upstream, strongly(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    client on_b = b.connect();
    std::size_t hits = 0;
    const std::size_t rounds = volume(300, 150, 40);
    for (std::size_t i = 0; i < rounds; ++i) {
        REQUIRE(on_b.get("/x").status == 200);
        const std::string now = application.change();
        INFO(i);
        REQUIRE(purge(a, i % 2 == 0 ? "tag=all" : "prefix=http://shop.example/") == 200);

        const response r = on_b.get("/x");
        INFO(r.summary());
        REQUIRE(r.body == now);
        if (on_b.get("/x").cached().hit()) ++hits;
    }
    CHECK(hits == rounds);
}

TEST_CASE("who has changed something by one replica sees the change on all") {
    redis_server redis;
    changing application;
    scripted_upstream upstream{application};
    proxy a(upstream, strongly(redis)), b(upstream, strongly(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    client on_a = a.connect(), on_b = b.connect();
    for (std::size_t i = 0; i < volume(300, 150, 40); ++i) {
        REQUIRE(on_b.get("/x").status == 200);
        const std::string now = application.change();
        REQUIRE(on_a.ask("POST", "/x").status == 204);
        REQUIRE(on_b.get("/x").body == now);
        REQUIRE(on_a.get("/x").body == now);
    }
}

TEST_CASE("what one replica has answered, every other has from then on") {
    redis_server redis;
    std::atomic<int> number{0};
    scripted_upstream upstream([&](turn& t) { t.ok(std::to_string(++number), "max-age=600"); });
    proxy a(upstream, strongly(redis)), b(upstream, strongly(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    client on_a = a.connect(), on_b = b.connect();
    for (std::size_t i = 0; i < volume(300, 150, 40); ++i) {
        const std::string target = "/" + std::to_string(i);
        const std::string first = (i % 2 == 0 ? on_a : on_b).get(target).body;
        const response second = (i % 2 == 0 ? on_b : on_a).get(target);
        INFO(second.summary());
        REQUIRE(second.body == first);
    }
}

TEST_CASE("when Redis does not say what is new, the setting says what answers") {
    redis_server redis;
    changing application;
    scripted_upstream upstream{application};
    const auto flags = [&](const std::string& mode) {
        return strongly(redis, {"--on-unconfirmed", mode, "--redis-timeout", "100ms"});
    };
    proxy by_upstream(upstream, flags("upstream")), stale(upstream, flags("stale")),
        refusing(upstream, flags("503"));
    for (const proxy* p : {&by_upstream, &stale, &refusing}) {
        REQUIRE(p->wait_for_redis("ready"));
        REQUIRE(p->get("/x").body == "0");
        REQUIRE(eventually([&] { return p->get("/x").cached().hit(); }));
    }
    const std::string now = application.change();
    redis.pause();
    const response fetched = by_upstream.get("/x");
    CHECK(fetched.body == now);
    CHECK(fetched.cached().detail() == "unconfirmed");
    const response old = stale.get("/x");
    CHECK(old.body == "0");
    CHECK(old.cached().hit());
    CHECK(old.cached().detail() == "unconfirmed");
    CHECK(stale.get("/never-seen").body == now);
    const response refused = refusing.get("/x");
    CHECK(refused.status == 503);
    CHECK(refused.cached().detail() == "unconfirmed");
    // What needs no cache needs no Redis.
    CHECK(refusing.ask("PUT", "/x").status == 204);
    CHECK(metric(refusing, "meshcache_unconfirmed_total{what=\"read\"}") == 1);
    redis.resume();
    for (const proxy* p : {&by_upstream, &stale, &refusing})
        CHECK(eventually([&] {
            const response r = p->get("/x");
            return r.body == now && r.cached().hit() && r.cached().detail().empty();
        }));
}

TEST_CASE("the end of an answer waits until Redis has acknowledged it") {
    redis_server redis;
    const std::string large = noise(400'000);
    scripted_upstream upstream([&](turn& t) {
        if (t.target() == "/chunked") {
            t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n5\r\nhello\r\n");
            t.send("0\r\n\r\n");
            return;
        }
        t.ok(t.target() == "/large" ? large : "small", "max-age=600");
    });
    const auto flags = [&](const std::string& mode) {
        return strongly(redis, {"--on-unconfirmed", mode, "--redis-command-timeout", "300ms"});
    };
    proxy refusing(upstream, flags("503")), lenient(upstream, flags("upstream"));
    for (const proxy* p : {&refusing, &lenient}) REQUIRE(p->wait_for_redis("ready"));
    SECTION("it does") {
        for (const char* target : {"/small", "/large", "/chunked"})
            for (const proxy* p : {&refusing, &lenient}) {
                const response r = p->get(target);
                INFO(target << " " << r.summary());
                CHECK(r.status == 200);
                CHECK(r.complete);
            }
        CHECK((lenient.get("/large").body == large));
    }
    SECTION("it cannot be written") {
        REQUIRE(redis.command({"CLIENT", "PAUSE", "600000", "WRITE"}).ok());
        CHECK(refusing.get("/small").status == 503);
        for (const char* target : {"/large", "/chunked"}) {
            const response r = refusing.get(target);
            INFO(target << " " << r.summary());
            const bool whole = r.status == 200 && r.complete;
            CHECK_FALSE(whole);
        }
        for (const char* target : {"/small", "/large", "/chunked"}) {
            const response r = lenient.get(target);
            INFO(target << " " << r.summary());
            CHECK(r.status == 200);
            CHECK(r.complete);
        }
        CHECK(metric(lenient, "meshcache_unconfirmed_total{what=\"write\"}") >= 1);
        REQUIRE(redis.command({"CLIENT", "UNPAUSE"}).ok());
        CHECK(eventually([&] { return refusing.get("/small").status == 200; }));
    }
}

TEST_CASE("what Redis has not confirmed does not end whole, even if only its end was still to be sent") {
    redis_server redis;
    gate end;
    scripted_upstream upstream([&](turn& t) {
        t.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n" +
               chunk("hello"));
        if (t.wait(end)) t.send("0\r\n\r\n");
    });
    proxy p(upstream, strongly(redis, {"--on-unconfirmed", "503", "--redis-command-timeout", "300ms"}));
    REQUIRE(p.wait_for_redis("ready"));
    const bool refuses = GENERATE(true, false), until_close = GENERATE(true, false);
    INFO((refuses ? "Redis refuses it" : "Redis says nothing")
         << (until_close ? ", HTTP/1.0" : ", HTTP/1.1"));
    client c = p.connect();
    REQUIRE(c.send(until_close ? "GET / HTTP/1.0\r\nHost: shop.example\r\n\r\n" : request_text("GET", "/")));
    response r = c.read_top();
    REQUIRE(r.status == 200);
    CHECK(r.framed.kind == (until_close ? framing::kind_t::until_close : framing::kind_t::chunked));
    body_reader body(c.raw(), r.framed);
    client::read_until(body, r, 5);
    REQUIRE(r.body == "hello");
    if (refuses) {
        // A purge of everything, of a moment to come, of which this replica has not heard.
        const std::string floor = std::to_string((std::time(nullptr) + 50) * 1000);
        REQUIRE(redis.number({"ZADD", "mc:{default:0}:groups", floor, "a"}) == 1);
    } else {
        REQUIRE(redis.command({"CLIENT", "PAUSE", "600000", "WRITE"}).ok());
    }
    end.open();
    while (body.next(r.body)) {
    }
    CHECK(r.body == "hello");
    CHECK_FALSE(body.complete());
    CHECK(eventually([&] { return metric(p, "meshcache_unconfirmed_total{what=\"write\"}") == 1; }));
    REQUIRE(redis.command({"CLIENT", "UNPAUSE"}).ok());
}

TEST_CASE("strong answers are otherwise those of any cache: ranges, conditions, HEAD and variants") {
    redis_server redis;
    scripted_upstream upstream([](turn& t) {
        t.respond(200, "Cache-Control: max-age=600\r\nVary: X-V\r\nETag: \"e\"\r\n",
                  "variant " + t.asked().field("x-v"));
    });
    // What varies and is from about when a replica began is fetched anew, and these have only just begun.
    const auto flags = strongly(redis, {"--max-clock-skew", "0ms"});
    proxy a(upstream, flags), b(upstream, flags);
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    CHECK(a.get("/", "X-V: 1\r\n").body == "variant 1");
    CHECK(b.get("/", "X-V: 1\r\n").cached().hit());
    CHECK(b.get("/", "X-V: 2\r\n").body == "variant 2");
    CHECK(a.get("/", "X-V: 2\r\n").cached().hit());
    CHECK(a.get("/", "X-V: 2\r\nIf-None-Match: \"e\"\r\n").status == 304);
    CHECK(a.get("/", "X-V: 2\r\nRange: bytes=8-\r\n").body == "2");
    CHECK(a.ask("HEAD", "/", "X-V: 2\r\n").cached().hit());
    CHECK(upstream.requests() == 2);
}

TEST_CASE("with Redis gone nothing waits for an acknowledgement that cannot come") {
    redis_server redis;
    changing application;
    scripted_upstream upstream{application};
    proxy p(upstream, strongly(redis));
    REQUIRE(p.wait_for_redis("ready"));
    CHECK(p.get("/x").body == "0");
    redis.kill();
    REQUIRE(p.wait_for_redis("connecting"));
    for (int i = 0; i < 5; ++i) {
        const std::string now = application.change();
        CHECK(p.get("/x").body == now);
    }
    CHECK(metric(p, "meshcache_unconfirmed_total{what=\"read\"}") >= 5);
    CHECK(metric(p, "meshcache_unconfirmed_total{what=\"write\"}") == 0);
}

TEST_CASE("who was given what may not be stored has made what is stored out of date, for all at once") {
    redis_server redis;
    std::atomic<bool> stores{true};
    std::atomic<int> number{0};
    scripted_upstream upstream(
        [&](turn& t) { t.ok(std::to_string(++number), stores ? "max-age=600" : "no-store"); });
    proxy a(upstream, strongly(redis)), b(upstream, strongly(redis));
    REQUIRE(a.wait_for_redis("ready"));
    REQUIRE(b.wait_for_redis("ready"));
    client on_a = a.connect(), on_b = b.connect();
    for (std::size_t i = 0; i < volume(200, 100, 30); ++i) {
        stores = true;
        REQUIRE(on_a.get("/x").status == 200);
        REQUIRE(on_b.get("/x").status == 200);
        stores = false;
        const int newer = std::stoi(on_a.get("/x", "Cache-Control: no-cache\r\n").body);
        const response r = on_b.get("/x");
        INFO(r.summary());
        REQUIRE(std::stoi(r.body) > newer);
    }
}
