// Floors of several replicas whose clocks differ: the later one may be the lower, and must hold all the same.
#include "change_log.hpp"
#include "keys.hpp"
#include "link_support.hpp"
#include "scripts.hpp"
#include "support/catch.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

#include <meshcache/replica/link.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace meshcache;
using namespace meshcache::replica;
using meshcache::test::eventually;
using meshcache::test::redis_server;
using meshcache::test::replica_under_test;
using meshcache::test::settings_for;
using std::chrono::seconds;

namespace {

constexpr std::string_view key = "4:http12:shop.example3:GET6:/img/a";

/// Wide, so that it does not matter how long a busy machine takes.
link_settings with_wide_skew(const redis_server& server) {
    auto settings = settings_for(server.unix_address());
    settings.max_clock_skew = seconds{20};
    return settings;
}

/// Invalidates the key: by a floor of its own, or by one of a group.
store::version purge(replica_under_test& r, const std::optional<store::selector>& group) {
    if (!group) return r.invalidate(std::string(key));
    const store::version floor = r.now();
    r.local.raise_group(*group, store::floor_bound::own(floor, seconds{20}));
    r.redis.purge({*group}, floor, {});
    return floor;
}

std::optional<store::selector> some_selector() {
    const std::string name = GENERATE("", "ushop.example/im", "x4:http12:shop.example3:GET6:/img/a", "a");
    return name.empty() ? std::nullopt : store::selector::parse(name);
}

/// Whether Redis has come to have the floor, or one above it.
bool has_reached(redis_server& server, const store::version& floor,
                 const std::optional<store::selector>& group) {
    const key_names names("default");
    const std::string set = group ? names.groups() : names.floors();
    const std::string selector = group ? group->name() : "k" + std::string(key);
    return eventually([&] {
        const auto stands = version_at_score(server.command({"ZSCORE", set, selector}).text);
        return stands && stands->stamp >= floor.stamp;
    });
}

bool has_read_the_log(const replica_under_test& r, redis_server& server) {
    return eventually([&] {
        const auto last = server.command({"XREVRANGE", key_names("default").log(), "+", "-", "COUNT", "1"});
        return r.idle() && !last.elements.empty() &&
               r.redis.stats().log_position == last.elements.at(0).elements.at(0).text;
    });
}

bool in_redis(redis_server& server) {
    return server.number({"EXISTS", key_names("default").record(key)}) == 1;
}

} // namespace

TEST_CASE("A later floor of a slow clock is not hidden by one of a fast clock that comes after it",
          "[redis]") {
    redis_server server;
    const auto group = some_selector();
    INFO((group ? group->name() : "the key"));
    replica_under_test slow(1, with_wide_skew(server)), fast(2, with_wide_skew(server));
    fast.clock.shift(seconds{10});
    // Cut off from each other, and in this order.
    const auto early = purge(fast, group);
    const auto version = fast.fill(std::string(key), "old");
    REQUIRE(version > early);
    slow.start_and_wait();
    const auto late = purge(slow, group);
    REQUIRE(late < early);
    REQUIRE(has_reached(server, late, group));
    REQUIRE(has_read_the_log(slow, server));

    fast.start_and_wait();
    REQUIRE(has_read_the_log(fast, server));
    CHECK(eventually([&] { return fast.content(std::string(key)).empty(); }));
    REQUIRE(has_read_the_log(fast, server));
    CHECK_FALSE(in_redis(server));
    const auto found = slow.look_up(std::string(key));
    REQUIRE(found);
    CHECK(*found == nullptr);
}

TEST_CASE("A later floor of a slow clock is not hidden by one of a fast clock that came before it",
          "[redis]") {
    redis_server server;
    const auto group = some_selector();
    INFO((group ? group->name() : "the key"));
    replica_under_test slow(1, with_wide_skew(server)), fast(2, with_wide_skew(server));
    fast.clock.shift(seconds{10});
    fast.start_and_wait();
    const auto early = purge(fast, group);
    REQUIRE(has_reached(server, early, group));
    REQUIRE(has_read_the_log(fast, server));
    const store::version in_flight = fast.now();
    const auto late = purge(slow, group); // knows nothing of the other one yet
    REQUIRE(late < early);
    slow.start_and_wait();
    REQUIRE(has_read_the_log(slow, server));
    REQUIRE(has_read_the_log(fast, server));

    const auto old = fast.make(std::string(key), "old", in_flight);
    CHECK(fast.local.insert(old, in_flight).what == store::insert_result::invalidated);
    fast.redis.put(old);
    REQUIRE(has_read_the_log(fast, server));
    CHECK_FALSE(in_redis(server));

    // Both have read in the log what became of the two, and what they make from now on is taken.
    for (auto* r : {&fast, &slow}) {
        r->fill(std::string(key), "new");
        REQUIRE(has_read_the_log(fast, server));
        REQUIRE(has_read_the_log(slow, server)); // or its next version would be an older one
        CHECK(r->count(counter::redis_puts) == 1);
        CHECK(r->content(std::string(key)) == "new");
    }
}

TEST_CASE("A floor of a replica that knew of the one before it is taken as it is", "[redis]") {
    redis_server server;
    const auto group = some_selector();
    INFO((group ? group->name() : "the key"));
    const key_names names("default");
    replica_under_test a(1, with_wide_skew(server)), b(2, with_wide_skew(server));
    a.start_and_wait();
    b.start_and_wait();
    const std::string selector = group ? group->name() : "k" + std::string(key);
    const std::string set = group ? names.groups() : names.floors();
    for (auto* r : {&a, &a, &b}) {
        const auto floor = purge(*r, group);
        REQUIRE(has_reached(server, floor, group));
        REQUIRE(has_read_the_log(*r, server));
        CHECK(version_at_score(server.command({"ZSCORE", set, selector}).text)->stamp == floor.stamp);
        r->fill(std::string(key), "new"); // what it makes in the knowledge of both is taken at once
        REQUIRE(has_read_the_log(*r, server));
        CHECK(in_redis(server));
        REQUIRE(has_read_the_log(a, server));
        REQUIRE(has_read_the_log(b, server));
    }
}

TEST_CASE("What a fast clock made, and was read while an invalidation was being made, is not kept",
          "[redis]") {
    redis_server server;
    replica_under_test a(1, with_wide_skew(server)), fast(2, with_wide_skew(server));
    fast.clock.shift(seconds{10});
    a.start_and_wait();
    const bool by_operator = GENERATE(false, true);
    INFO("by an operator: " << by_operator);
    const auto floor = a.now();
    const auto read = a.make(std::string(key), "old", fast.now());
    REQUIRE(read->meta().version > floor);
    a.versions.observe(read->meta().version); // as the link does
    REQUIRE(a.local.insert(read, a.now()).took());

    if (by_operator)
        a.redis.purge({{.kind = store::selector_kind::key, .host = {}, .text = std::string(key)}}, floor, {});
    else
        CHECK(a.redis.invalidate(key, floor));
    CHECK(eventually([&] { return a.content(std::string(key)).empty(); }));
    CHECK(a.local.insert(read, a.now()).what == store::insert_result::invalidated);
    a.fill(std::string(key), "new");
    CHECK(a.content(std::string(key)) == "new");
}
