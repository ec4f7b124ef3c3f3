// Redis fails in every way that one process can fail.
#include "keys.hpp"
#include "link_support.hpp"
#include "script_support.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::redis_server;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;
using meshcache::test::text_of;

TEST_CASE("What is put while Redis is away reaches it when it comes", "[redis]") {
    redis_server server{redis_server::not_started{}};
    replica_under_test a(1, settings_for(server.tcp_address()));
    a.start();
    for (int i = 0; i < 300; ++i) a.fill("key" + std::to_string(i), "x");
    a.invalidate("key0");
    CHECK(!a.look_up("key1"));
    REQUIRE(eventually([&] { return a.redis.stats().last_error.find("refused") != std::string::npos; }));
    CHECK(a.redis.stats().state == link_state::connecting);
    CHECK(!a.redis.stats().following);
    CHECK(a.redis.stats().queue_depth == 300);
    server.start();
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(a.count(counter::redis_puts) >= 299);
    CHECK(server.number({"EXISTS", key_names("default").record("key299")}) == 1);
    CHECK(eventually([&] { return a.count(counter::redis_lookups_skipped) == 1; }));
}

TEST_CASE("What is put while Redis is dead reaches it after its restart", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.tcp_address())), b(2, settings_for(server.tcp_address()));
    a.start_and_wait();
    b.start_and_wait();
    a.fill("kept", "old");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up("kept"));
    server.stop(true);
    REQUIRE(eventually([&] { return !a.redis.stats().following && !b.redis.stats().following; }));
    CHECK(!b.look_up("kept"));
    a.fill("kept", "new");
    for (int i = 0; i < 100; ++i) a.fill("key" + std::to_string(i), "x");
    server.start();
    REQUIRE(eventually([&] { return a.idle() && b.content("kept") == "new"; }));
    CHECK(b.count(counter::log_gaps) == 0);
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    REQUIRE(b.look_up("key99"));
    CHECK(b.content("key99") == "x");
}

TEST_CASE("A Redis that was killed in the middle of many writes loses none of them for good", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    for (int i = 0; i < 2000; ++i) a.fill("key" + std::to_string(i), std::string(500, 'x'));
    server.kill();
    for (int i = 2000; i < 3000; ++i) a.fill("key" + std::to_string(i), "x");
    REQUIRE(eventually([&] { return a.redis.stats().state == link_state::connecting; }));
    server.start(); // empty: nothing was saved
    const key_names names("default");
    // What was acknowledged before comes back by reconciliation, the rest from the queue.
    CHECK(eventually([&] { return server.number({"DBSIZE"}) == 3000 + 3; }));
    CHECK(a.count(counter::log_gaps) <= 1);
}

TEST_CASE("A Redis that hangs costs a look-up its deadline, and then nothing", "[redis]") {
    redis_server server;
    auto settings = settings_for(server.unix_address());
    settings.lookup_timeout = milliseconds{50};
    settings.command_timeout = milliseconds{1000};
    replica_under_test a(1, settings);
    a.start_and_wait();
    a.fill("key", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.pause();
    int asked = 0;
    REQUIRE(eventually([&] {
        const auto found = a.look_up("absent");
        if (!found) return true; // the breaker, or the connection was given up
        REQUIRE(*found == nullptr);
        ++asked;
        return false;
    }));
    CHECK(asked <= 10);
    CHECK(a.count(counter::redis_lookup_timeouts) > 0);
    a.fill("key", "y");
    REQUIRE(eventually([&] { return !a.redis.stats().following; }));
    server.resume();
    REQUIRE(eventually([&] { return a.idle() && a.redis.stats().state == link_state::ready; }));
    REQUIRE(eventually([&] {
        const auto found = a.look_up("key");
        return found && *found && (*found)->content() == "y";
    }));
}

TEST_CASE("A Redis that hangs and never comes back does not hold up the end", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    server.pause();
    for (int i = 0; i < 10; ++i) a.fill("key" + std::to_string(i), "x");
    std::atomic<int> answers{0};
    int asked = 0;
    for (int i = 0; i < 5; ++i) asked += a.redis.lookup("key", [&](store::response_ptr, bool) { ++answers; });
    const system_clock clock;
    CHECK(a.redis.drain(clock.steady() + milliseconds{100}) == 10);
    CHECK(answers == asked);
    CHECK(a.redis.stats().state == link_state::stopped);
    CHECK(!a.redis.lookup("key", [](store::response_ptr, bool) {}));
}

TEST_CASE("A full Redis keeps what waits until there is room", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    server.command({"CONFIG", "SET", "maxmemory", "1"});
    a.fill("key", "x");
    REQUIRE(eventually([&] { return a.redis.stats().last_error.find("OOM") != std::string::npos; }));
    CHECK(a.redis.stats().queue_depth == 1);
    CHECK(a.redis.stats().following);
    server.command({"CONFIG", "SET", "maxmemory", "0"});
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", key_names("default").record("key")}) == 1);
}

TEST_CASE("A Redis that became a read-only replica keeps what waits until it is one no more", "[redis]") {
    redis_server server;
    redis_server primary;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    server.command({"REPLICAOF", "127.0.0.1", std::to_string(primary.tcp_address().port)});
    a.fill("key", "x");
    REQUIRE(eventually([&] { return a.redis.stats().last_error.find("READONLY") != std::string::npos; }));
    CHECK(a.redis.stats().queue_depth == 1);
    server.command({"REPLICAOF", "NO", "ONE"});
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", key_names("default").record("key")}) == 1);
}

TEST_CASE("An overflowing queue drops the oldest records, and puts them again afterwards", "[redis]") {
    redis_server server{redis_server::not_started{}};
    auto settings = settings_for(server.unix_address());
    settings.queue_bytes = 256u << 10;
    replica_under_test a(1, settings);
    a.start();
    for (int i = 0; i < 2000; ++i) {
        a.fill("key" + std::to_string(i), std::string(300, 'x'));
        REQUIRE(a.redis.stats().queue_bytes <= settings.queue_bytes);
    }
    REQUIRE(eventually([&] { return a.count(counter::redis_puts_dropped_full) > 0; }));
    server.start();
    // 2000 records, the log, its number of entries and the list of replicas.
    CHECK(eventually([&] { return server.number({"DBSIZE"}) == 2003; }));
}

TEST_CASE("Whatever Redis goes through, look-ups are answered once and replicas agree in the end",
          "[redis]") {
    redis_server server;
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    auto settings = settings_for(server.unix_address());
    settings.lookup_timeout = milliseconds{20};
    settings.command_timeout = milliseconds{500};
    std::vector<std::unique_ptr<replica_under_test>> all;
    for (std::uint64_t id = 1; id <= 2; ++id) {
        all.push_back(std::make_unique<replica_under_test>(id, settings));
        all.back()->start_and_wait();
    }
    constexpr int keys = 50;
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> asked{0}, answered{0};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            auto& r = *all[i % 2];
            std::mt19937_64 random(seed + i);
            while (!stop.load()) {
                const std::string key = "key" + std::to_string(random() % keys);
                switch (random() % 8) {
                case 0:
                    r.invalidate(key);
                    break;
                case 1:
                case 2:
                    r.fill(key, std::to_string(random()));
                    break;
                default: {
                    const auto begun = r.now();
                    if (r.redis.lookup(key, [&answered, &r, begun](store::response_ptr found, bool) {
                            if (found) r.local.insert(std::move(found), begun);
                            ++answered;
                        }))
                        ++asked;
                    break;
                }
                }
                std::this_thread::yield();
            }
        });
    std::mt19937_64 random(seed);
    const auto worked = [&] {
        // Until something has come through again.
        const auto before = all[0]->count(counter::redis_batches);
        REQUIRE(eventually([&] { return all[0]->count(counter::redis_batches) > before + 20; }));
    };
    for (std::size_t n = 0; n < test::volume(12, 8, 5); ++n) {
        worked();
        switch (random() % 4) {
        case 0:
            server.restart_empty();
            break;
        case 1:
            server.restart_with_data();
            break;
        case 2:
            server.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
            break;
        default:
            server.pause();
            REQUIRE(eventually([&] { return !all[0]->redis.stats().following; }));
            server.resume();
        }
    }
    worked();
    stop.store(true);
    for (auto& t : threads) t.join();
    CHECK(eventually([&] { return asked.load() == answered.load(); }));
    REQUIRE(eventually([&] {
        return std::all_of(all.begin(), all.end(),
                           [](auto& r) { return r->idle() && r->redis.stats().state == link_state::ready; });
    }));
    const key_names names("default");
    CHECK(eventually([&] {
        for (int k = 0; k < keys; ++k) {
            const std::string key = "key" + std::to_string(k);
            const std::string in_redis = server.command({"GETRANGE", names.record(key), "0", "15"}).text;
            for (auto& r : all) {
                const auto held = r->local.peek(r->local.view(key));
                if (held && text_of(held->meta().version) != in_redis) return false;
            }
        }
        return true;
    }));
}
