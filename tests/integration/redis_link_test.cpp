// The link against a real redis-server: two replicas that must come to hold the same, and what happens when
// Redis fails in every way that one process can fail.
#include "change_log.hpp"
#include "codec.hpp"
#include "keys.hpp"
#include "link_support.hpp"
#include "scripts.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/relay.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>
#include <meshcache/store/vary.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <future>
#include <map>
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
using std::chrono::seconds;

namespace {

std::string text_of(const store::version& v) {
    const auto b = v.bytes();
    return {b.data(), b.size()};
}

store::version random_version(std::mt19937_64& random) {
    // Every byte value turns up, 0 and 255 more often than others.
    std::string bytes(16, '\0');
    for (char& c : bytes) {
        const auto pick = random() % 4;
        c = static_cast<char>(pick == 0 ? 0 : pick == 1 ? 255 : random() % 256);
    }
    // Not ahead of the clock of Redis, and above what a floor of zero would be.
    bytes[0] = 0;
    return *store::version::from_bytes(bytes);
}

/// Calls the put script as the link does, for one record.
std::int64_t put_directly(redis_server& redis, const key_names& names, const std::string& key,
                          const std::string& record, const std::vector<std::string>& tags = {},
                          const std::map<std::string, store::version>& known = {}) {
    std::vector<std::string> arguments{"EVAL",
                                       std::string(put_script().text),
                                       "5",
                                       names.log(),
                                       names.floors(),
                                       names.groups(),
                                       names.lengths(),
                                       names.record(key),
                                       "1000",
                                       replica_name(77),
                                       "60000",
                                       "250",
                                       key,
                                       record,
                                       "600000",
                                       std::to_string(tags.size())};
    arguments.insert(arguments.end(), tags.begin(), tags.end());
    arguments.push_back(std::to_string(known.size()));
    for (const auto& [selector, floor] : known) {
        arguments.push_back(selector);
        arguments.push_back(position_text(floor));
    }
    const auto reply = redis.command(arguments);
    if (!reply.ok()) test::give_up(reply.text);
    return reply.elements.at(0).integer;
}

} // namespace

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

TEST_CASE("The put script orders random versions as bytes, whatever the locale of Redis", "[redis]") {
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    redis_server server({}, {"LC_ALL=C.UTF-8", "LANG=C.UTF-8"});
    const key_names names("default");
    const std::string key("binary\0\xff\r\n key", 14);
    std::string highest;
    int taken = 0;
    for (int n = 0; n < 500; ++n) {
        std::string record = text_of(random_version(random));
        if (!highest.empty() && random() % 3 == 0) {
            // Close by: equal up to one byte.
            record = highest;
            record[1 + random() % 15] = static_cast<char>(random() % 3 == 0 ? 0 : random());
        }
        const bool above = highest.empty() || std::memcmp(record.data(), highest.data(), 16) > 0;
        const bool same = record == highest;
        const auto verdict = static_cast<put_verdict>(put_directly(server, names, key, record + "tail"));
        if (verdict == put_verdict::ahead) continue;
        CAPTURE(n);
        REQUIRE(verdict == (above ? put_verdict::taken : same ? put_verdict::same : put_verdict::older));
        if (above) {
            highest = record;
            ++taken;
        }
        REQUIRE(server.command({"GET", names.record(key)}).text == highest + "tail");
    }
    CHECK(taken > 1);
    CHECK(server.number({"XLEN", names.log()}) == taken);
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

TEST_CASE("A purge beats what was made before it, however late that comes", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();

    const auto late = b.make("key", "late", b.now());
    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up("key"));
    a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle() && b.content("key").empty(); }));
    CHECK(server.number({"EXISTS", key_names("default").record("key")}) == 0);
    CHECK(a.count(counter::redis_invalidations) == 1);

    // A fill that was under way when the purge came: the local store refuses it, and so does Redis.
    CHECK(!b.local.insert(late, late->meta().version).took());
    b.redis.put(late);
    REQUIRE(eventually([&] { return b.idle() && b.count(counter::redis_puts_refused) == 1; }));
    CHECK(server.number({"EXISTS", key_names("default").record("key")}) == 0);

    // What is made in the knowledge of the purge is taken at once, by whomever.
    b.fill("key", "two");
    REQUIRE(eventually([&] { return b.idle(); }));
    auto found = a.look_up("key");
    REQUIRE((found && *found));
    CHECK((*found)->content() == "two");
    CHECK(b.content("key") == "two");
}

TEST_CASE("A record made by a fast clock in ignorance of a purge is refused within the skew", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto ms = static_cast<std::int64_t>(floor.stamp >> 16);
    const std::string ahead = text_of({static_cast<std::uint64_t>(ms + 100) << 16, 9});
    CHECK(put_directly(server, names, "key", ahead + "x") == 2);
    CHECK(put_directly(server, names, "key", ahead + "x", {}, {{"kkey", floor}}) == 0);
    const std::string beyond = text_of({static_cast<std::uint64_t>(ms + 251) << 16, 9});
    CHECK(put_directly(server, names, "key", beyond + "x") == 0);
    CHECK(put_directly(server, names, "other", ahead + "x") == 0);
}

TEST_CASE("A record of a fast clock that was read while a purge was on its way is not kept", "[redis]") {
    redis_server server;
    auto settings = settings_for(server.unix_address());
    settings.max_clock_skew = seconds{20}; // so that it does not matter how long a busy machine takes
    replica_under_test a(1, settings), b(2, settings);
    b.clock.shift(seconds{15});
    a.start_and_wait();
    b.start_and_wait();
    b.fill("key", "old");
    REQUIRE(eventually([&] { return b.idle(); }));

    // Redis answers the look-up before it takes the purge, and says nothing until both are on their way.
    server.pause();
    std::promise<store::response_ptr> answer;
    REQUIRE(a.redis.lookup("key", [&](store::response_ptr r) { answer.set_value(std::move(r)); }));
    a.invalidate("key");
    server.resume();
    CHECK(answer.get_future().get() == nullptr);
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto found = a.look_up("key");
    REQUIRE(found);
    CHECK(*found == nullptr);
}

TEST_CASE("A response that Redis refuses does not make way for an older one", "[redis]") {
    redis_server server;
    auto settings = settings_for(server.unix_address());
    settings.max_clock_skew = seconds{20};
    replica_under_test a(1, settings), b(2, settings);
    a.start_and_wait();
    a.invalidate("key");
    a.clock.shift(milliseconds{10}); // clear of the floor's own millisecond
    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle() && a.count(counter::redis_puts) == 1; }));

    // Made within the skew of a purge that this replica never heard of: it cannot be told from an older one.
    b.start_and_wait();
    b.clock.shift(milliseconds{20}); // its answer is the newer one, however fast all this goes
    b.fill("key", "two");
    REQUIRE(eventually([&] { return b.count(counter::redis_puts_refused) == 1; }));
    CHECK(eventually([&] { return b.content("key").empty(); }));
    REQUIRE(b.look_up("key"));
    CHECK(b.content("key").empty());

    b.clock.shift(seconds{40});
    b.fill("key", "three");
    CHECK(eventually([&] { return a.content("key") == "three"; }));
    CHECK(b.content("key") == "three");
}

TEST_CASE("Redis is told again of each floor that it has lost, whatever others it has", "[redis]") {
    redis_server server;
    const std::string floors = key_names("default").floors();
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    for (const char* key : {"lost", "older", "kept"}) a.invalidate(key);
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto score = [&](const char* selector) {
        return server.command({"ZSCORE", floors, selector}).text;
    };
    const std::string lost = score("klost"), older = score("kolder");
    REQUIRE(!lost.empty());

    // As after a failover to a replica of Redis that lagged behind.
    server.command({"EVAL",
                    "redis.call('FLUSHALL') redis.call('ZADD', KEYS[1], 5, 'kolder', ARGV[1], 'kkept')", "1",
                    floors, score("kkept")});
    server.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    CHECK(eventually([&] { return score("klost") == lost && score("kolder") == older; }));
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(a.count(counter::redis_invalidations) == 5);
}

TEST_CASE("The put script holds a variant against the floor of its URI, with the skew", "[redis]") {
    redis_server server;
    const key_names names("default");
    const std::string uri = "4:http1:h3:GET4:/;;a", part = ";6:accept1:x";
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.invalidate(uri);
    REQUIRE(eventually([&] { return a.idle(); }));
    const std::string ahead = text_of({floor.stamp + (100u << 16), 9});
    CHECK(put_directly(server, names, uri + part, ahead + "x") == 2);
    CHECK(put_directly(server, names, uri + part, ahead + "x", {}, {{"k" + uri, floor}}) == 0);
    const std::string beyond = text_of({floor.stamp + (251u << 16), 9});
    CHECK(put_directly(server, names, uri + ";6:accept1:y", beyond + "x") == 0);
    // Others of other URIs, and what is no key of this kind.
    CHECK(put_directly(server, names, uri + "5:https" + part, ahead + "x") == 0);
    CHECK(put_directly(server, names, "4:http1:h3:GET4:/;;b" + part, ahead + "x") == 0);
    CHECK(put_directly(server, names, "odd;key", ahead + "x") == 0);
}

TEST_CASE("A variant of a fast clock does not come back after a purge of its URI", "[redis]") {
    redis_server server;
    const key_names names("default");
    auto settings = settings_for(server.unix_address());
    settings.max_clock_skew = seconds{20}; // so that it does not matter how long a busy machine takes
    replica_under_test a(1, settings), b(2, settings);
    b.clock.shift(seconds{15});
    a.start_and_wait();
    b.start_and_wait();
    const std::string uri = "4:http1:h3:GET2:/a", stored = uri + ";6:accept1:x", late = uri + ";6:accept1:y";
    b.fill(stored, "old");
    const auto in_flight = b.make(late, "old", b.now());
    REQUIRE(eventually([&] { return b.idle(); }));

    a.invalidate(uri);
    REQUIRE(eventually([&] { return a.idle() && b.content(stored).empty(); }));
    // Its record stays in Redis, and whoever knows of the purge does not take it.
    CHECK(server.number({"EXISTS", names.record(stored)}) == 1);
    for (auto* r : {&a, &b}) {
        const auto found = r->look_up(stored);
        REQUIRE(found);
        CHECK(*found == nullptr);
    }
    CHECK(b.local.insert(in_flight, in_flight->meta().version).what == store::insert_result::invalidated);
    b.redis.put(in_flight);
    REQUIRE(eventually([&] { return b.idle() && b.count(counter::redis_puts_refused) == 1; }));
    CHECK(server.number({"EXISTS", names.record(late)}) == 0);
    // What is made in the knowledge of the purge is taken.
    b.fill(late, "new");
    CHECK(b.content(late) == "new");
    REQUIRE(eventually([&] { return b.idle(); }));
    CHECK(server.number({"EXISTS", names.record(late)}) == 1);
}

TEST_CASE("A record made in a floor's own millisecond, and after it, is taken", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle(); }));
    const std::string same = text_of(floor), next = text_of({floor.stamp + 1, 1});
    CHECK(put_directly(server, names, "key", same + "x", {}, {{"kkey", floor}}) == 2);
    CHECK(put_directly(server, names, "key", next + "x", {}, {{"kkey", floor}}) == 0);
}

TEST_CASE("Redis refuses records that a purge of a group covers", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const std::string key = "4:http12:shop.example3:GET6:/img/a", variant = key + "6:accept-";
    const auto put = [&](const std::string& at, const store::version& v,
                         const std::vector<std::string>& tags = {},
                         const std::map<std::string, store::version>& known = {}) {
        server.command({"DEL", names.record(at)});
        return put_directly(server, names, at, text_of(v) + "x", tags, known);
    };
    const std::string name = GENERATE("tred", "ushop.example/im", "ushop.example", "w/img/", "a",
                                      "x4:http12:shop.example3:GET6:/img/a");
    INFO(name);
    const store::version before = a.now();
    const store::version floor = a.now();
    const bool by_tag = name == "tred";
    const std::vector<std::string> tags =
        by_tag ? std::vector<std::string>{"blue", "red"} : std::vector<std::string>{};
    CHECK(put(key, before, tags) == 0);
    a.redis.purge({*store::selector::parse(name), *store::selector::parse("stgreen")}, floor, {});
    // One for everything says all that the soft one does.
    const int floors = name == "a" ? 1 : 2;
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == floors; }));
    CHECK(put(key, before, tags) == 2);
    CHECK(put(variant, before, tags) == 2);
    CHECK(put(key, {floor.stamp + 1, 2}, tags) == 2); // its clock may run ahead
    CHECK(put(key, {floor.stamp + 1, 2}, tags, {{name, floor}}) == 0);
    const store::version beyond{floor.stamp + (251u << 16), 2};
    CHECK(put(key, beyond, tags) == 0);
    if (by_tag) CHECK(put(key, before, {"blue", "green"}) == 0);
    if (name != "a" && !by_tag) CHECK(put("4:http1:h3:GET2:/x", before) == 0);
}

TEST_CASE("Too many floors of keys in Redis merge into one for everything", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const auto base = a.now();
    const auto nth = [&](std::uint64_t n) {
        return store::version{((base.stamp >> 16) - 1000 + n) << 16, 9};
    };
    const auto purge = [&](std::uint64_t n, const std::string& most) {
        const std::string key = "key" + std::to_string(n);
        const auto reply =
            server.command({"EVAL", purge_script().text, "5", names.log(), names.floors(), names.groups(),
                            names.lengths(), names.record(key), "1000", replica_name(77), "60000", "0",
                            std::to_string(floor_retention.count()), std::to_string(group_retention.count()),
                            "100", most, "k" + key, text_of(nth(n)), ""});
        if (!reply.ok()) test::give_up(reply.text);
    };
    for (std::uint64_t n = 1; n <= 4; ++n) purge(n, "4");
    CHECK(server.number({"ZCARD", names.floors()}) == 4);
    CHECK(server.number({"ZCARD", names.groups()}) == 0);
    purge(5, "3");
    CHECK(server.number({"ZCARD", names.floors()}) == 3);
    CHECK(server.command({"ZSCORE", names.groups(), "a"}).text == position_text(nth(2)));
    // What the floors held back is held back, and so is a note that would let older variants be valid. All is
    // put in the knowledge of the floors, so that the skew does not come into it.
    const auto put = [&](const std::string& key, const std::string& record) {
        return put_directly(server, names, key, record, {}, {{"a", nth(2)}, {"k" + key, nth(2)}});
    };
    CHECK(put("key1", text_of(nth(1)) + "x") == 2);
    CHECK(put("key2", text_of(nth(2)) + "x") == 2);
    CHECK(put("key2", text_of(nth(3)) + "x") == 0);
    store::response_meta meta;
    meta.version = nth(1);
    const auto first = store::make_vary_note(meta, "note", a.local.hash("note"), "accept", nullptr);
    meta.version = nth(9);
    const auto second = store::make_vary_note(meta, "note", a.local.hash("note"), "accept", first.get());
    const auto fresh = store::make_vary_note(meta, "note", a.local.hash("note"), "accept", nullptr);
    CHECK(put("note", encode(*second)) == 2);
    CHECK(put("note", encode(*fresh)) == 0);
}

TEST_CASE("What lies above all floors of groups is put without looking them up", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version floor = a.now();
    a.redis.purge({*store::selector::parse("tred"), *store::selector::parse("uh/x")}, floor, {});
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == 2 && a.idle(); }));
    const auto looked_up = [&](const store::version& v, std::int64_t verdict) {
        server.command({"CONFIG", "RESETSTAT"});
        const std::string key = "4:http1:h3:GET4:/x/" + std::to_string(verdict);
        CHECK(put_directly(server, names, key, text_of(v) + "x", {"red"}) == verdict);
        return server.command({"INFO", "commandstats"}).text.find("cmdstat_zmscore") != std::string::npos;
    };
    CHECK(looked_up({floor.stamp + (250u << 16), 9}, 2));
    CHECK_FALSE(looked_up({floor.stamp + (251u << 16), 9}, 0));
}

TEST_CASE("A purge goes to Redis as one small write, is acknowledged, and reaches the others", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    const std::string key = "4:http1:h3:GET2:/a";
    a.fill(key, "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE((b.look_up(key) && b.content(key) == "x"));
    const auto selector = *store::selector::parse("uh/");
    const store::version floor = a.now();
    a.local.raise_group(selector, store::floor_bound::own(floor, milliseconds{250}));
    std::promise<std::string> acknowledged;
    a.redis.purge({selector}, floor,
                  [&](std::string position) { acknowledged.set_value(std::move(position)); });
    auto position = acknowledged.get_future();
    REQUIRE(position.wait_for(test::patience()) == std::future_status::ready);
    CHECK(position.get().find('-') != std::string::npos);
    CHECK(a.content(key).empty());
    CHECK(eventually([&] { return b.content(key).empty(); }));
    // What its maker makes after it is good at once, on both.
    a.fill(key, "y");
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto found = b.look_up(key);
    REQUIRE((found && *found));
    CHECK((*found)->content() == "y");
}

TEST_CASE("A floor removes a note whose epoch lies below it, also one that is newer", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const store::version epoch = a.now();
    const store::version floor = a.now();
    store::response_meta meta;
    meta.life.response_time = a.clock.wall();
    meta.life.fresh_until = meta.life.response_time + seconds{600};
    meta.life.stale_until = meta.life.error_until = meta.life.fresh_until;
    meta.version = epoch;
    const auto first = store::make_vary_note(meta, "key", a.local.hash("key"), "accept", nullptr);
    meta.version = {floor.stamp + (1000u << 16), 9};
    const auto second = store::make_vary_note(meta, "key", a.local.hash("key"), "accept", first.get());
    REQUIRE(store::vary_epoch(*second) == epoch);
    CHECK(put_directly(server, names, "key", encode(*second)) == 0);
    a.redis.invalidate("key", floor);
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 0);
    CHECK(put_directly(server, names, "key", encode(*second)) == 2);
    const auto fresh = store::make_vary_note(meta, "key", a.local.hash("key"), "accept", nullptr);
    CHECK(put_directly(server, names, "key", encode(*fresh)) == 0);
}

TEST_CASE("What was begun before a gap in the log is not stored, since its floor may have been missed",
          "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    server.command({"ACL", "SETUSER", "b", "on", ">pw", "~*", "&*", "+@all"});
    auto settings = settings_for(server.tcp_address());
    settings.user = "b";
    settings.password = "pw";
    replica_under_test b(2, settings);
    a.start_and_wait();
    b.start_and_wait();
    a.fill("some", "x"); // so that b has a place in the log
    REQUIRE(eventually([&] { return b.redis.stats().log_position != "0-0"; }));
    const auto in_flight = b.make("key", "old", b.now());
    server.command({"ACL", "SETUSER", "b", "off"});
    server.command({"CLIENT", "KILL", "USER", "b"});
    REQUIRE(eventually([&] { return !b.redis.stats().following; }));
    a.invalidate("key");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"XTRIM", key_names("default").log(), "MAXLEN", "0"});
    server.command({"ACL", "SETUSER", "b", "on"});
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    CHECK(b.count(counter::log_gaps) == 1);
    CHECK(b.local.insert(in_flight, in_flight->meta().version).what == store::insert_result::invalidated);
    CHECK_FALSE(b.local.admits(b.local.view("key"), in_flight->meta().version));
    b.fill("key", "new");
    CHECK(b.content("key") == "new");
}

TEST_CASE("A replica that joins reads what was purged, and does not take for valid what a fast clock made",
          "[redis]") {
    redis_server server;
    const std::string key = "4:http1:h3:GET2:/a";
    replica_under_test a(1, settings_for(server.unix_address())),
        fast(2, settings_for(server.unix_address()));
    a.start_and_wait();
    // The log is not what tells of it: it has been trimmed when the other one comes.
    const std::string name = GENERATE("uh", "uh/", "w/a", "a", "x4:http1:h3:GET2:/a");
    INFO(name);
    fast.clock.shift(milliseconds{200});
    const auto ahead = fast.make(key, "old", fast.now());
    fast.start_and_wait();
    fast.redis.put(ahead);
    REQUIRE(eventually([&] { return fast.idle(); }));
    // As if its purger had not yet heard of the record.
    const store::version floor{ahead->meta().version.stamp - (100u << 16), 7};
    server.command({"ZADD", key_names("default").groups(), position_text(floor), name});
    server.command({"XTRIM", key_names("default").log(), "MAXLEN", "0"});
    replica_under_test late(3, settings_for(server.unix_address()));
    late.start_and_wait();
    const auto found = late.look_up(key);
    REQUIRE(found);
    CHECK(*found == nullptr);
    // What it makes itself, it makes in the knowledge of the purge.
    late.clock.shift(milliseconds{200});
    late.fill(key, "new");
    CHECK(late.content(key) == "new");
}

TEST_CASE("A replica whose connection goes while it reads what was purged reads it again", "[redis]") {
    redis_server server;
    test::relay way(server.tcp_address());
    const std::string key = "4:http1:h3:GET2:/a";
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(way.address()));
    a.start_and_wait();
    a.fill(key, "old");
    REQUIRE(eventually([&] { return a.idle(); }));
    a.redis.purge({*store::selector::parse("uh/")}, a.now(), {});
    REQUIRE(eventually([&] { return server.number({"ZCARD", key_names("default").groups()}) == 1; }));
    way.cut_at("\r\nZREVRANGE\r\n"); // the command, and not a script that has it
    b.start_and_wait();
    REQUIRE(way.has_cut());
    const auto found = b.look_up(key);
    REQUIRE(found);
    CHECK(*found == nullptr);
}

TEST_CASE("A gap in the log is not forgotten when the connection goes before it is made good", "[redis]") {
    redis_server server;
    const key_names names("default");
    test::relay way(server.tcp_address());
    const std::string key = "4:http1:h3:GET2:/a";
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(way.address()));
    a.start_and_wait();
    b.start_and_wait();
    a.fill(key, "old");
    REQUIRE(eventually([&] { return a.idle(); }));
    REQUIRE(b.look_up(key));
    REQUIRE(b.content(key) == "old");
    REQUIRE(eventually([&] { return b.redis.stats().log_position != "0-0"; }));
    const std::string nowhere = GENERATE("\r\nXREVRANGE\r\n", "\r\nZREVRANGE\r\n");
    INFO(nowhere);
    way.cut_at(nowhere);
    // Nobody listens there, so that it is away while the others go on.
    const redis_server absent{redis_server::not_started{}};
    way.lead_to(absent.tcp_address());
    REQUIRE(eventually([&] { return !b.redis.stats().following; }));
    a.redis.purge({*store::selector::parse("uh/")}, a.now(), {});
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == 1 && a.idle(); }));
    a.fill("other", "x"); // an entry that is there when the log is looked at again
    REQUIRE(eventually([&] { return server.number({"EXISTS", names.record("other")}) == 1; }));
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    way.lead_to(server.tcp_address());
    REQUIRE(eventually([&] {
        return b.count(counter::log_gaps) >= 1 && way.has_cut() && b.redis.stats().state == link_state::ready;
    }));
    CHECK(b.content(key).empty());
    const auto found = b.look_up(key);
    REQUIRE(found);
    CHECK(*found == nullptr);
}

TEST_CASE("A gap that the first entry of a new log tells of outlives the connection that told", "[redis]") {
    redis_server server;
    const key_names names("default");
    test::relay way(server.tcp_address());
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(way.address()));
    a.start_and_wait();
    b.start_and_wait();
    b.fill("key", "x");
    REQUIRE(eventually([&] { return b.idle() && b.redis.stats().log_position != "0-0"; }));
    way.cut_at("\r\nXREVRANGE\r\n");
    server.command({"FLUSHALL"});
    a.fill("other", "x");
    // Only who knows of the gap puts again what Redis has lost.
    CHECK(eventually([&] { return server.number({"EXISTS", names.record("key")}) == 1; }));
    CHECK(way.has_cut());
}

TEST_CASE("No record lives longer in Redis than the floors of groups are kept", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const auto v = a.now();
    a.redis.put(a.make("long", "x", v, std::chrono::hours{24 * 365}));
    a.redis.put(a.make("short", "x", v, std::chrono::minutes{10}));
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"PTTL", names.record("long")}) <= max_record_life.count());
    CHECK(server.number({"PTTL", names.record("long")}) > max_record_life.count() - 600'000);
    CHECK(max_record_life < group_retention);
    CHECK(server.number({"PTTL", names.record("short")}) <= 600'000);
}

TEST_CASE("A Redis that has lost what was purged is told by the first entry of its new log", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    const store::version floor = a.now();
    std::vector<store::selector> all;
    for (const char* name : {"sa", "tred", "stred", "uh/img"}) {
        all.push_back(*store::selector::parse(name));
        a.local.raise_group(all.back(), store::floor_bound::own(floor, milliseconds{250}));
    }
    a.redis.purge(all, floor, {});
    a.invalidate("key");
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.groups()}) == 4; }));
    // Apart from the others, which it would make superfluous where they wait together.
    a.redis.purge({{}}, floor, {});
    REQUIRE(eventually([&] { return a.idle() && server.number({"ZCARD", names.groups()}) == 5; }));
    const auto followed = [&] {
        const auto last = server.command({"XREVRANGE", names.log(), "+", "-", "COUNT", "1"});
        const std::string end = last.elements.at(0).elements.at(0).text;
        return a.redis.stats().log_position == end && b.redis.stats().log_position == end;
    };
    REQUIRE(eventually(followed));
    server.command({"FLUSHALL"});
    b.fill("other", "x");
    CHECK(eventually([&] {
        return server.command({"ZSCORE", names.groups(), "a"}).text == position_text(floor);
    }));
    CHECK(a.count(counter::log_gaps) == 1);
    const auto first = server.command({"XRANGE", names.log(), "-", "+", "COUNT", "1"});
    REQUIRE(first.elements.size() == 1);
    const auto& fields = first.elements.at(0).elements.at(1).elements;
    CHECK(std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.text == "n"; }));
}

TEST_CASE("A version far ahead of the clock of Redis is refused, and makes way where it got in", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address())),
        fast(2, settings_for(server.unix_address()));
    a.start_and_wait();
    fast.clock.shift(std::chrono::hours{1});
    fast.start_and_wait();
    fast.fill("key", "from the future");
    REQUIRE(eventually([&] { return fast.count(counter::versions_refused) == 1; }));
    CHECK(server.number({"EXISTS", names.record("key")}) == 0);

    // A purge by that replica works all the same, and drags nobody along.
    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    fast.invalidate("key");
    REQUIRE(eventually([&] { return a.content("key").empty(); }));
    CHECK(a.now().time() < a.clock.wall() + std::chrono::seconds{60});
    CHECK(a.count(counter::versions_refused) == 0);

    const auto future = a.make(
        "key2", "?",
        {static_cast<std::uint64_t>((a.clock.wall() + std::chrono::hours{2}).time_since_epoch().count())
             << 16,
         3});
    server.command({"SET", names.record("key2"), encode(*future)});
    auto found = a.look_up("key2");
    REQUIRE(found);
    CHECK(*found == nullptr);
    a.fill("key2", "now");
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(a.count(counter::redis_puts) == 2);
}

TEST_CASE("Whatever else stands at a record's name is a miss, and makes way", "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const auto other = a.make("another key", "x", a.now());
    const auto expired = a.make("key", "x", a.now(), milliseconds{-1});
    for (const std::string& junk : {std::string(), std::string("short"), std::string(200, 'j'),
                                    encode(*other), encode(*expired), encode(*other).substr(0, 90)}) {
        CAPTURE(junk.size());
        server.command({"SET", names.record("key"), junk});
        auto found = a.look_up("key");
        REQUIRE(found);
        CHECK(*found == nullptr);
    }
    server.command({"DEL", names.record("key")});
    server.command({"HSET", names.record("key"), "a", "b"});
    auto found = a.look_up("key");
    REQUIRE(found);
    CHECK(*found == nullptr);
    a.fill("key", "right");
    REQUIRE(eventually([&] { return a.idle(); }));
    found = a.look_up("key");
    REQUIRE((found && *found));
    CHECK((*found)->content() == "right");
    CHECK(a.count(counter::redis_records_truncated) + a.count(counter::redis_records_checksum) +
              a.count(counter::redis_records_codec) + a.count(counter::redis_records_key) >=
          4);
    CHECK(!a.redis.stats().breaker_open);
}

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
    CHECK(eventually([&] { return server.number({"DBSIZE"}) == 3000 + 2; }));
    CHECK(a.count(counter::log_gaps) <= 1);
}

TEST_CASE("A Redis that was restarted empty is filled again, and floors are not forgotten", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    for (int i = 0; i < 1000; ++i) a.fill("key" + std::to_string(i), "x");
    const auto old = a.make("gone", "old", a.now());
    a.fill("gone", "x");
    b.invalidate("gone");
    REQUIRE(eventually([&] { return a.idle() && b.idle() && a.content("gone").empty(); }));
    server.restart_empty();
    const key_names names("default");
    REQUIRE(eventually([&] { return server.number({"EXISTS", names.record("key999")}) == 1; }));
    REQUIRE(eventually([&] {
        return a.count(counter::reconciliations) >= 1 && a.idle() && a.count(counter::reconcile_put) >= 1000;
    }));
    CHECK(a.count(counter::log_gaps) >= 1);
    REQUIRE(eventually([&] { return server.number({"ZCARD", names.floors()}) == 1; }));
    CHECK(put_directly(server, names, "gone", encode(*old)) == 2);
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    REQUIRE(b.look_up("key5"));
    CHECK(b.content("key5") == "x");
}

TEST_CASE("A replica that was cut off while the log was trimmed reconciles", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    // b reaches Redis by the port only, which is then taken away from it.
    server.command({"ACL", "SETUSER", "b", "on", ">pw", "~*", "&*", "+@all"});
    auto settings = settings_for(server.tcp_address());
    settings.user = "b";
    settings.password = "pw";
    replica_under_test b(2, settings);
    a.start_and_wait();
    b.start_and_wait();
    for (const char* key : {"same", "newer", "purged", "lost"}) a.fill(key, "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    for (const char* key : {"same", "newer", "purged", "lost"}) REQUIRE(b.look_up(key));
    server.command({"ACL", "SETUSER", "b", "off"});
    server.command({"CLIENT", "KILL", "USER", "b"});
    REQUIRE(eventually([&] { return !b.redis.stats().following; }));
    REQUIRE(eventually([&] { return b.redis.stats().last_error.find("WRONGPASS") != std::string::npos; }));
    CHECK(b.redis.stats().last_error.find("pw") == std::string::npos);

    a.fill("newer", "two");
    a.invalidate("purged");
    REQUIRE(eventually([&] { return a.idle(); }));
    const key_names names("default");
    server.command({"DEL", names.record("lost")});
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    a.fill("unrelated", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"ACL", "SETUSER", "b", "on"});
    REQUIRE(eventually([&] { return b.content("newer") == "two" && b.content("purged").empty(); }));
    CHECK(b.content("same") == "one");
    CHECK(b.content("lost") == "one");
    REQUIRE(eventually([&] { return b.redis.stats().state == link_state::ready; }));
    CHECK_FALSE(b.redis.stats().reconciling);
    CHECK(b.redis.stats().reconcile_total == 4);
    CHECK(b.redis.stats().reconcile_done == 4);
    CHECK(eventually([&] { return server.number({"EXISTS", names.record("lost")}) == 1; }));
    CHECK(server.number({"EXISTS", names.record("purged")}) == 0);
    CHECK(b.count(counter::log_gaps) == 1);
    REQUIRE(eventually([&] { return b.count(counter::reconciliations) == 1; }));
    CHECK(b.count(counter::reconcile_dropped) == 2);
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
    for (int i = 0; i < 5; ++i) asked += a.redis.lookup("key", [&](store::response_ptr) { ++answers; });
    const system_clock clock;
    CHECK(a.redis.drain(clock.steady() + milliseconds{100}) == 10);
    CHECK(answers == asked);
    CHECK(a.redis.stats().state == link_state::stopped);
    CHECK(!a.redis.lookup("key", [](store::response_ptr) {}));
}

TEST_CASE("Scripts that Redis has forgotten are loaded again", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("one", "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    server.command({"SCRIPT", "FLUSH"});
    a.fill("two", "x");
    a.invalidate("one");
    REQUIRE(eventually([&] { return a.idle(); }));
    const key_names names("default");
    CHECK(server.number({"EXISTS", names.record("two")}) == 1);
    CHECK(server.number({"EXISTS", names.record("one")}) == 0);
    CHECK(a.count(counter::redis_connects) == 2);
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
    // 2000 records, the log and the list of replicas.
    CHECK(eventually([&] { return server.number({"DBSIZE"}) == 2002; }));
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

TEST_CASE("A flushed Redis is noticed while the connection stands", "[redis][slow]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    for (int i = 0; i < 10; ++i) a.fill("key" + std::to_string(i), "x");
    REQUIRE(eventually([&] { return a.idle(); }));
    // The follower has read its own entries, so it has a position to check.
    REQUIRE(eventually([&] {
        const std::string at = a.redis.stats().log_position;
        return at != "0-0" &&
               server.command({"XRANGE", key_names("default").log(), "(" + at, "+"}).elements.empty();
    }));
    server.command({"FLUSHALL"});
    CHECK(eventually([&] { return server.number({"EXISTS", key_names("default").record("key9")}) == 1; }));
    CHECK(a.count(counter::log_gaps) == 1);
}

TEST_CASE("A flushed Redis is noticed while writes go on", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    a.fill("key", "x");
    int more = 0;
    const auto write_on = [&] { a.fill("more" + std::to_string(more++), "x"); };
    // Until the log was asked for an entry once, which is what a later question is compared with.
    REQUIRE(eventually([&] {
        write_on();
        return more > 20 && a.redis.stats().log_position != "0-0";
    }));
    server.command({"FLUSHALL"});
    CHECK(eventually([&] {
        write_on();
        return server.number({"EXISTS", key_names("default").record("key")}) == 1;
    }));
    CHECK(a.count(counter::log_gaps) >= 1);
}

TEST_CASE("Too many invalidations for the queue make everything invalid, and nothing older comes back",
          "[redis]") {
    redis_server server;
    auto settings = settings_for(server.unix_address());
    settings.max_clock_skew = milliseconds{0}; // one clock made all
    replica_under_test a(1, settings), b(2, settings);
    b.start_and_wait();
    b.fill("one", "x");
    b.fill("two", "x");
    REQUIRE(eventually([&] { return b.idle(); }));
    const auto late = b.make("late", "x", b.now());
    for (int i = 0; i <= 100'000; ++i) a.redis.invalidate("key" + std::to_string(i), a.now());
    CHECK(a.redis.stats().queue_depth < 10'000);
    a.start_and_wait();
    REQUIRE(eventually([&] { return b.content("one").empty() && b.content("two").empty(); }));

    // The records are still in Redis, but nobody takes them, not even who comes later.
    replica_under_test c(3, settings);
    c.start_and_wait();
    for (auto* r : {&a, &b, &c}) {
        const auto found = r->look_up("one");
        REQUIRE(found);
        CHECK(*found == nullptr);
    }
    // A fill that was under way does not stay.
    b.local.insert(late, late->meta().version);
    b.redis.put(late);
    CHECK(b.content("late").empty());
    // And what is made from now on is as good as ever.
    b.fill("one", "y");
    REQUIRE(eventually([&] { return b.idle(); }));
    const auto found = c.look_up("one");
    REQUIRE((found && *found));
    CHECK((*found)->content() == "y");
}

TEST_CASE("A replica that was cut off for longer than floors are kept trusts nothing that Redis lacks",
          "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.clock.shift(-std::chrono::hours{25});
    a.start_and_wait();
    const auto keep = [&](const std::string& key) {
        const auto v = a.now();
        const auto r = a.make(key, "x", v, std::chrono::hours{48});
        a.local.insert(r, v);
        a.redis.put(r);
        REQUIRE(eventually([&] { return a.idle(); }));
    };
    keep("lost");
    server.kill();
    REQUIRE(eventually([&] { return !a.redis.stats().following; }));
    const auto waiting = a.make("waiting", "x", a.now(), std::chrono::hours{48});
    a.local.insert(waiting, waiting->meta().version);
    a.redis.put(waiting);
    a.clock.shift(milliseconds{0});
    server.start();
    REQUIRE(eventually([&] { return a.count(counter::reconciliations) == 1; }));
    CHECK(a.content("lost").empty());
    CHECK(a.content("waiting").empty());
    CHECK(a.idle());
    CHECK(server.number({"DBSIZE"}) == 1); // the list of replicas
    // Later gaps are judged by themselves.
    keep("kept");
    server.restart_empty();
    CHECK(eventually([&] { return server.number({"DBSIZE"}) == 3; }));
    CHECK(a.content("kept") == "x");
}

TEST_CASE("A replica that was stopped for long, with its connections open, trusts nothing that Redis lacks",
          "[redis]") {
    redis_server server;
    const key_names names("default");
    test::relay way(server.tcp_address());
    replica_under_test a(1, settings_for(way.address()));
    a.clock.shift(-std::chrono::hours{25});
    a.start_and_wait();
    const auto v = a.now();
    const auto lost = a.make("lost", "x", v, std::chrono::hours{48});
    a.local.insert(lost, v);
    a.redis.put(lost);
    // It has read its own entry, which is what it will look for.
    REQUIRE(eventually([&] { return a.idle() && a.redis.stats().log_position != "0-0"; }));
    way.freeze();
    a.clock.shift(milliseconds{0});
    CHECK(put_directly(server, names, "other", text_of(a.now()) + "x") == 0);
    server.command({"XTRIM", names.log(), "MAXLEN", "1"});
    server.command({"DEL", names.record("lost")});
    way.thaw();
    REQUIRE(eventually([&] { return a.count(counter::reconciliations) == 1; }));
    CHECK(a.count(counter::log_gaps) == 1);
    CHECK(a.content("lost").empty());
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", names.record("lost")}) == 0);
}

TEST_CASE("A replica that never reached Redis for longer than floors are kept puts nothing that it holds",
          "[redis]") {
    redis_server server(redis_server::not_started{});
    replica_under_test a(1, settings_for(server.unix_address()));
    const auto v = a.now();
    const auto held = a.make("held", "x", v, std::chrono::hours{48});
    a.local.insert(held, v);
    a.redis.put(held);
    a.clock.shift(std::chrono::hours{24});
    a.start();
    server.start();
    REQUIRE(eventually([&] { return a.count(counter::reconciliations) == 1; }));
    CHECK(a.content("held").empty());
    CHECK(a.idle());
    CHECK(server.number({"EXISTS", key_names("default").record("held")}) == 0);
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
                    if (r.redis.lookup(key, [&answered, &r, begun](store::response_ptr found) {
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

TEST_CASE("TLS is refused at start-up where hiredis has none", "[redis]") {
    link_settings s = settings_for({"127.0.0.1", 1, {}});
    CHECK(replica::link::check(s).empty());
    s.tls = true;
#if !defined(MESHCACHE_HIREDIS_SSL)
    CHECK(replica::link::check(s) == "rediss:// needs hiredis 1.x built with SSL");
#endif
}
