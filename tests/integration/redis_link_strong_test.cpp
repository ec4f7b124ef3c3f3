// What strong writes are told of responses that do not come to Redis.
#include "keys.hpp"
#include "link_support.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <future>
#include <memory>
#include <string>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::redis_server;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;

namespace {

/// A response, and what was said of it.
struct asked {
    store::response_ptr response;
    std::atomic<int> times{0};
    std::atomic<settlement> said{settlement::stored};

    /// Whether it was put into words, now or later.
    bool ask(replica_under_test& of) {
        return of.redis.settle(response, [this](settlement what) {
            said.store(what);
            ++times;
        });
    }
    bool is_lost() const { return response->meta().reached.get() == store::reach::lost; }
};

} // namespace

TEST_CASE("Who waits for what the full queue drops is told so while Redis says nothing", "[redis]") {
    redis_server server;
    auto settings = settings_for(server.unix_address());
    settings.queue_bytes = 64u << 10;
    settings.command_timeout = test::patience();
    replica_under_test a(1, settings);
    a.start_and_wait();
    server.pause();
    std::deque<asked> all;
    for (int i = 0; i < 40; ++i) {
        all.emplace_back().response = a.fill_and_hold("key" + std::to_string(i), std::string(8000, 'x'));
        all.back().ask(a);
    }
    const auto lost = std::count_if(all.begin(), all.end(), [](const asked& one) { return one.is_lost(); });
    CHECK(lost > 0);
    CHECK(lost < 40);
    CHECK(eventually([&] {
        return std::all_of(all.begin(), all.end(),
                           [](const asked& one) { return !one.is_lost() || one.times == 1; });
    }));
    server.resume();
    REQUIRE(eventually([&] { return a.idle(); }));
    for (asked& one : all) {
        INFO(one.response->key());
        if (one.is_lost()) {
            CHECK(one.said == settlement::unknown);
            // Whoever asks later is told the same.
            REQUIRE(one.ask(a));
            CHECK(one.times == 2);
            CHECK(one.said == settlement::unknown);
        } else {
            CHECK(eventually([&] { return one.times == 1; }));
            CHECK(one.said == settlement::stored);
            CHECK_FALSE(one.ask(a));
        }
    }
}

TEST_CASE("What the queue had to drop is confirmed once it was put again", "[redis]") {
    redis_server server;
    auto settings = settings_for(server.unix_address());
    settings.queue_bytes = 64u << 10;
    replica_under_test a(1, settings);
    a.start_and_wait();
    server.pause();
    std::deque<asked> all;
    for (int i = 0; i < 20; ++i)
        all.emplace_back().response = a.fill_and_hold("key" + std::to_string(i), std::string(8000, 'x'));
    REQUIRE(std::any_of(all.begin(), all.end(), [](const asked& one) { return one.is_lost(); }));
    server.resume();
    // The queue had overflowed: so what is stored here is compared with Redis.
    CHECK(eventually([&] {
        return a.idle() &&
               std::none_of(all.begin(), all.end(), [](const asked& one) { return one.is_lost(); });
    }));
    for (asked& one : all) CHECK_FALSE(one.ask(a));
}

TEST_CASE("What Redis refuses for a clock that is far ahead is not confirmed", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.clock.shift(std::chrono::minutes{2});
    a.start_and_wait();
    asked one;
    one.response = a.fill_and_hold("key", "of a moment to come");
    REQUIRE(eventually([&] { return a.count(counter::versions_refused) == 1; }));
    REQUIRE(one.ask(a));
    CHECK(one.said == settlement::unknown);
    // Whoever waits for it is told the same.
    server.pause();
    asked other;
    other.response = a.fill_and_hold("other", "of a moment to come");
    REQUIRE(other.ask(a));
    server.resume();
    CHECK(eventually([&] { return other.times == 1; }));
    CHECK(other.said == settlement::unknown);
}

TEST_CASE("What others could not use is not carried to Redis", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address()));
    a.start_and_wait();
    const auto useful = a.make("key", "one", a.now());
    const auto useless = a.make("key", "two", a.now(), milliseconds{0});
    CHECK(link::carries(*useful, a.clock.wall()));
    CHECK_FALSE(link::carries(*useless, a.clock.wall()));
    a.redis.put(useless);
    CHECK(a.idle());
}

TEST_CASE("A look-up says whether Redis has nothing of that name", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    a.fill("key", "one");
    REQUIRE(eventually([&] { return a.idle(); }));
    const auto absent = [&](const std::string& key) {
        auto answer = std::make_shared<std::promise<bool>>();
        auto future = answer->get_future();
        REQUIRE(b.redis.lookup(key, [answer](store::response_ptr, bool is) { answer->set_value(is); }));
        REQUIRE(future.wait_for(test::patience()) == std::future_status::ready);
        return future.get();
    };
    CHECK_FALSE(absent("key"));
    CHECK(absent("another"));
}

TEST_CASE("What comes late and is older than what only one replica has is put out of date", "[redis]") {
    redis_server server;
    replica_under_test a(1, settings_for(server.unix_address())), b(2, settings_for(server.unix_address()));
    a.start_and_wait();
    b.start_and_wait();
    const bool alone = GENERATE(true, false);
    INFO((alone ? "nobody else has it" : "others are to have it"));
    const auto late = b.make("key", "asked for before", b.now());
    a.versions.observe(late->meta().version);
    const auto given = a.make("key", "given to somebody", a.now(), milliseconds{0});
    REQUIRE(a.local.insert(given, given->meta().version).took());
    if (alone) given->meta().reached.set(store::reach::alone);
    REQUIRE(b.local.insert(late, late->meta().version).took());
    b.redis.put(late);
    REQUIRE(eventually([&] {
        const auto end = server.command({"XREVRANGE", key_names("default").log(), "+", "-", "COUNT", "1"});
        return b.idle() && !end.elements.empty() &&
               a.redis.stats().log_position == end.elements.at(0).elements.at(0).text;
    }));
    if (alone) {
        CHECK(eventually([&] { return b.content("key").empty(); }));
        CHECK(a.content("key") == "given to somebody");
    } else {
        CHECK(b.content("key") == "asked for before");
    }
}
