// The link against a real redis-server: two replicas that must come to hold the same.
#include "codec.hpp"
#include "keys.hpp"
#include "link_support.hpp"
#include "script_support.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::redis_server;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;
using meshcache::test::text_of;

TEST_CASE("What one replica stores, the other finds in Redis, both ways", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    replica_under_test b(2, settings_for(server.tcp_address()));
    a.start_and_wait();
    b.start_and_wait();

    a.fill("key-a", "from a");
    b.fill("key-b", "from b");
    REQUIRE(eventually([&] { return a.idle() && b.idle(); }));
    auto found = b.look_up("key-a");
    REQUIRE((found && *found));
    CHECK((*found)->content() == "from a");
    CHECK((*found)->head() == "HTTP/1.1 200 OK\r\n");
    CHECK(b.content("key-a") == "from a");
    found = a.look_up("key-b");
    REQUIRE((found && *found));
    CHECK((*found)->content() == "from b");
    found = a.look_up("absent");
    REQUIRE(found);
    CHECK(*found == nullptr);
    CHECK(a.count(counter::redis_lookups) == 2);
    CHECK(a.count(counter::redis_lookup_hits) == 1);
    CHECK(a.count(counter::redis_puts) == 1);
    CHECK(server.number({"PTTL", key_names("default").record("key-a")}) > 500'000);
}

TEST_CASE("A replica that holds an older copy fetches the newer one", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();

    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up("key"));
    REQUIRE(b.content("key") == "one");
    a.fill("key", "two");
    CHECK(eventually([&] { return b.content("key") == "two"; }));
    b.fill("key", "three");
    CHECK(eventually([&] { return a.content("key") == "three"; }));
    CHECK(b.redis.stats().propagation.count > 0);
    CHECK(b.counters.total(histogram::propagation).count() == 2);
    CHECK(a.counters.total(histogram::batch_records).sum == 2);
    CHECK(a.counters.total(histogram::batch_bytes).sum > 2 * record_header_size);
    CHECK(a.counters.total(histogram::command_put).count() == 2);
    CHECK(a.counters.total(histogram::queue_age).count() == 2);
    CHECK(b.counters.total(histogram::command_lookup).count() == 1);
    CHECK(a.redis.stats().log_position != "0-0");
}

TEST_CASE("Two replicas that write the same keys at once end with the same versions", "[redis]") {
    redis_server server;
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::vector<std::unique_ptr<replica_under_test>> all;
    for (std::uint64_t id = 1; id <= 3; ++id) {
        all.push_back(std::make_unique<replica_under_test>(id, settings_for(server.unix_address())));
        all.back()->start_and_wait();
    }
    constexpr int keys = 40;
    const int rounds = static_cast<int>(test::volume(3000, 1500, 500));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < all.size(); ++i)
        threads.emplace_back([&, i] {
            std::mt19937_64 random(seed + i);
            for (int n = 0; n < rounds; ++n) {
                const std::string key = "key" + std::to_string(random() % keys);
                if (random() % 10 == 0)
                    all[i]->invalidate(key);
                else
                    all[i]->fill(key, std::to_string(i) + "/" + std::to_string(n));
            }
        });
    for (auto& t : threads) t.join();

    const key_names names("default");
    REQUIRE(
        eventually([&] { return std::all_of(all.begin(), all.end(), [](auto& r) { return r->idle(); }); }));
    const auto converged = [&] {
        for (int k = 0; k < keys; ++k) {
            const std::string key = "key" + std::to_string(k);
            const std::string held = server.command({"GETRANGE", names.record(key), "0", "15"}).text;
            for (auto& r : all) {
                const auto local = r->local.peek(r->local.view(key));
                if (local && text_of(local->meta().version) != held) return false;
            }
        }
        return true;
    };
    CHECK(eventually(converged));
}

TEST_CASE("Keys and contents of any bytes and length pass through Redis", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    const std::string zeros("k\0\0\r\n\xff$-1\r\n", 12), content("\0\r\n*3\r\n\xff", 9);
    for (const std::string& key : {zeros, zeros + std::string(max_clear_key - zeros.size(), 'x'),
                                   zeros + std::string(max_clear_key, 'x'), std::string(8000, 'y')}) {
        CAPTURE(key.size());
        a.fill(key, content);
        REQUIRE(eventually([&] { return a.idle(); }));
        REQUIRE(b.look_up(key));
        CHECK(b.content(key) == content);
        b.fill(key, "newer");
        CHECK(eventually([&] { return a.content(key) == "newer"; }));
        a.invalidate(key);
        CHECK(eventually([&] { return b.content(key).empty(); }));
    }
    // As large as an object may be.
    const std::string large(1u << 20, 'z');
    a.fill("large", large);
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up("large"));
    auto found = b.look_up("large");
    REQUIRE((found && *found));
    CHECK((*found)->content() == large);
}

TEST_CASE("Draining sends everything that waits", "[redis]") {
    redis_server server;
    const key_names names("default");
    {
        replica_under_test a(1, settings_for(server.unix_address()));
        a.start();
        for (int i = 0; i < 5000; ++i) a.fill("key" + std::to_string(i), std::string(200, 'x'));
        a.invalidate("key0");
        CHECK(a.redis.drain(a.clock.steady() + test::patience()) == 0);
        CHECK(a.redis.stats().state == link_state::stopped);
    }
    CHECK(server.number({"EXISTS", names.record("key4999")}) == 1);
    CHECK(server.number({"EXISTS", names.record("key1")}) == 1);
    CHECK(server.number({"EXISTS", names.record("key0")}) == 0);
    // A batch an entry.
    CHECK(server.number({"XLEN", names.log()}) < 500);
}

TEST_CASE("A database, a user and a namespace keep replicas apart", "[redis]") {
    redis_server server({"--requirepass", "secret"});
    auto one = settings_for(server.unix_address());
    one.password = "secret";
    one.database = 3;
    auto two = one;
    two.name_space = "other";
    auto wrong = one;
    wrong.password = "guess";
    replica_under_test a(1, one), b(2, one), c(3, two), d(4, wrong);
    a.start_and_wait();
    b.start_and_wait();
    c.start_and_wait();
    d.start();
    a.fill("key", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up("key"));
    CHECK(b.content("key") == "x");
    const auto found = c.look_up("key");
    REQUIRE(found);
    CHECK(*found == nullptr);
    CHECK(eventually([&] { return d.redis.stats().last_error.starts_with("AUTH: WRONGPASS"); }));
    CHECK(!d.redis.stats().following);
}

TEST_CASE("TLS is refused at start-up where hiredis has none", "[redis]") {
    link_settings s = settings_for({"127.0.0.1", 1, {}});
    CHECK(replica::link::check(s).empty());
    s.tls = true;
#if !defined(MESHCACHE_HIREDIS_SSL)
    CHECK(replica::link::check(s) == "rediss:// needs hiredis 1.x built with SSL");
#endif
}
