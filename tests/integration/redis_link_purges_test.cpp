// Purges against what is on its way, late, or made by a fast clock.
#include "change_log.hpp"
#include "codec.hpp"
#include "keys.hpp"
#include "link_support.hpp"
#include "script_support.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/relay.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>
#include <meshcache/store/vary.hpp>

#include <future>
#include <optional>
#include <string>
#include <utility>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::put_directly;
using meshcache::test::redis_server;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;
using std::chrono::seconds;

TEST_CASE("What a soft purge makes useless before Redis has it counts as refused", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    const auto response = a.fill_and_hold("key", "of no use when it is stale");
    a.local.raise_group(*store::selector::parse("sa"), store::floor_bound::own(a.now(), milliseconds{0}));
    a.clock.shift(milliseconds{100});
    a.start_and_wait();
    REQUIRE(eventually([&] { return a.idle(); }));
    CHECK(server.number({"EXISTS", key_names("default").record("key")}) == 0);
    std::optional<settlement> said;
    REQUIRE(a.redis.settle(response, [&](settlement what) { said = what; }));
    CHECK(said == settlement::refused);
}

TEST_CASE("What comes to Redis after a soft purge, and was made in ignorance of it, is stale elsewhere",
          "[redis]") {
    redis_server server;
    const key_names names("default");
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    const auto floor = a.now();
    a.redis.purge({*store::selector::parse("sa")}, floor, {});
    REQUIRE(eventually([&] { return a.idle() && b.count(counter::log_events) == 1; }));
    const auto after = [&](milliseconds by) {
        return store::version{floor.stamp + (static_cast<std::uint64_t>(by.count()) << 16), 77};
    };
    const auto is_fresh = [&](const std::string& key, const store::version& version) {
        REQUIRE(put_directly(server, names, key, encode(*b.make(key, "x", version))) == 0);
        const auto got = b.look_up(key);
        REQUIRE((got && *got));
        return (*got)->meta().life.fresh_until > b.clock.wall();
    };
    const milliseconds skew = link_settings{}.max_clock_skew;
    CHECK_FALSE(is_fresh("by a clock that runs ahead", after(skew - milliseconds{10})));
    CHECK(is_fresh("by none that may run so far ahead", after(skew + milliseconds{10})));
}

TEST_CASE("What waits for Redis when its own replica invalidates it counts as refused", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    const bool by_operator = GENERATE(false, true);
    INFO("by an operator: " << by_operator);
    server.kill();
    a.start();
    const auto response = a.fill_and_hold("key", "not sent yet");
    const auto floor = a.now();
    if (by_operator)
        a.redis.purge({{.kind = store::selector_kind::key, .host = {}, .text = "key"}}, floor, {});
    else
        a.redis.invalidate("key", floor);
    // Unknown, while it waits; for good, once it was given up.
    std::optional<settlement> said;
    CHECK(eventually([&] {
        const bool asked = a.redis.settle(response, [&](settlement what) { said = what; });
        return !asked || said == settlement::refused;
    }));
    CHECK(said == settlement::refused);
    CHECK_FALSE(a.redis.settle(a.make("key", "made after it", a.now()), [](settlement) {}));
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
    REQUIRE(a.redis.lookup("key", [&](store::response_ptr r, bool) { answer.set_value(std::move(r)); }));
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
