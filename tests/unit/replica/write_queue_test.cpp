#include "replica_support.hpp"
#include "support/catch.hpp"
#include "write_queue.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::replica;
using namespace meshcache::replica::test;

namespace {

std::vector<std::string> keys_of(const batch_ptr& batch) {
    std::vector<std::string> out;
    if (batch)
        for (const auto& r : batch->puts) out.emplace_back(r->key());
    return out;
}

std::vector<std::string> floors_of(const batch_ptr& batch) {
    std::vector<std::string> out;
    if (batch)
        for (const auto& f : batch->floors)
            out.push_back(f.is_key() ? std::string(f.key()) : f.is_everything() ? "*" : f.name);
    return out;
}

using strings = std::vector<std::string>;

/// A queue for tests in which it does not matter when something was queued.
struct test_queue : write_queue {
    using write_queue::put, write_queue::invalidate, write_queue::purge;
    using write_queue::write_queue;
    put_result put(store::response_ptr r) { return put(std::move(r), steady_time{}); }
    void invalidate(http::key_view key, const store::version& floor) {
        invalidate(key, floor, steady_time{});
    }
    void purge(std::string_view name, std::uint64_t hash, const store::version& floor) {
        purge(name, hash, floor, steady_time{});
    }
};

} // namespace

TEST_CASE("What is queued comes out in its order", "[write_queue]") {
    test_queue q(queue_limits{});
    CHECK(q.empty());
    CHECK(q.take() == nullptr);
    for (const char* key : {"a", "b", "c"}) CHECK(q.put(make_response(key, at_ms(1))) == put_result::queued);
    CHECK(q.depth() == 3);
    CHECK(q.bytes() > 0);
    const auto batch = q.take();
    CHECK(keys_of(batch) == strings{"a", "b", "c"});
    CHECK(q.take() == nullptr);
    CHECK_FALSE(q.empty());
    q.acknowledge(batch->id);
    CHECK(q.empty());
    CHECK(q.bytes() == 0);
}

TEST_CASE("A queue knows which keys it holds", "[write_queue]") {
    test_queue q(queue_limits{});
    CHECK_FALSE(q.holds(view_of("a")));
    q.put(make_response("a", at_ms(1)));
    q.put(make_response("b", at_ms(1)));
    CHECK(q.holds(view_of("a")));
    const auto batch = q.take();
    CHECK(q.holds(view_of("a")));
    CHECK_FALSE(q.holds(view_of("c")));
    q.acknowledge(batch->id);
    CHECK_FALSE(q.holds(view_of("a")));
}

TEST_CASE("What a queue does not keep is marked with the reason", "[write_queue]") {
    using store::reach;
    const auto stands = [](const store::response_ptr& r) { return r->meta().reached.get(); };
    test_queue q(queue_limits{.bytes = 3900});
    const auto old = make_response("a", at_ms(1)), newer = make_response("a", at_ms(2));
    q.put(old);
    CHECK(stands(old) == reach::shared);
    CHECK(q.holds(*old));
    SECTION("a newer one took its place, or was there before") {
        q.put(newer);
        CHECK(stands(old) == reach::refused);
        CHECK_FALSE(q.holds(*old));
        CHECK(q.holds(*newer));
        const auto late = make_response("a", at_ms(1, 1));
        CHECK(q.put(late) == put_result::older);
        CHECK(stands(late) == reach::refused);
        const auto again = make_response("a", at_ms(2));
        CHECK(q.put(again) == put_result::older); // the same is there
        CHECK(stands(again) == reach::shared);
        const auto batch = q.take();
        CHECK(q.put(make_response("a", at_ms(3))) == put_result::queued);
        CHECK(q.holds(*newer));
        q.put_back(batch->id);
        CHECK(stands(newer) == reach::refused);
        CHECK_FALSE(q.holds(*newer));
    }
    SECTION("a newer one is in flight") {
        q.put(newer);
        REQUIRE(q.take());
        const auto late = make_response("a", at_ms(1, 1));
        CHECK(q.put(late) == put_result::older);
        CHECK(stands(late) == reach::refused);
        CHECK(stands(newer) == reach::shared);
    }
    SECTION("a floor lies above it") {
        q.invalidate(view_of("a"), at_ms(5));
        CHECK(stands(old) == reach::refused);
        CHECK(q.put(newer) == put_result::invalidated);
        CHECK(stands(newer) == reach::refused);
        const auto batch = q.take();
        const auto above = make_response("a", at_ms(6));
        q.acknowledge(batch->id);
        q.put(above);
        q.forget_below(view_of("a"), at_ms(7));
        CHECK(stands(above) == reach::refused);
    }
    SECTION("a floor came while it was in flight, and it came back") {
        const auto batch = q.take();
        q.invalidate(view_of("a"), at_ms(5));
        CHECK(stands(old) == reach::shared); // Redis decides
        q.put_back(batch->id);
        CHECK(stands(old) == reach::refused);
    }
    SECTION("there was no room") {
        const auto b = make_response("b", at_ms(1), 3500);
        CHECK(q.put(b) == put_result::queued);
        CHECK(stands(old) == reach::lost);
        CHECK_FALSE(q.holds(*old));
        const auto huge = make_response("c", at_ms(1), 5000);
        CHECK(q.put(huge) == put_result::dropped);
        CHECK(stands(huge) == reach::lost);
        // Later there is.
        q.acknowledge(q.take()->id);
        CHECK(q.put(old) == put_result::queued);
        CHECK(stands(old) == reach::shared);
    }
    SECTION("nothing that waits is to be sent any more") {
        CHECK(q.forget_puts() == 1);
        CHECK(stands(old) == reach::lost);
    }
}

TEST_CASE("A newer version takes the place of an older one that waits", "[write_queue]") {
    test_queue q(queue_limits{});
    q.put(make_response("a", at_ms(1)));
    q.put(make_response("b", at_ms(1)));
    CHECK(q.put(make_response("a", at_ms(3))) == put_result::replaced);
    CHECK(q.put(make_response("a", at_ms(2))) == put_result::older);
    CHECK(q.put(make_response("a", at_ms(3))) == put_result::older);
    CHECK(q.depth() == 2);
    const auto batch = q.take();
    CHECK(keys_of(batch) == strings{"a", "b"});
    CHECK(batch->puts[0]->meta().version == at_ms(3));
    CHECK(q.take_counts().coalesced == 3);
    CHECK(q.take_counts().coalesced == 0);
}

TEST_CASE("A newer version of what is in flight waits for its turn", "[write_queue]") {
    test_queue q(queue_limits{});
    q.put(make_response("a", at_ms(2)));
    const auto first = q.take();
    CHECK(q.put(make_response("a", at_ms(2))) == put_result::older);
    CHECK(q.put(make_response("a", at_ms(1))) == put_result::older);
    CHECK(q.put(make_response("a", at_ms(3))) == put_result::queued);
    q.acknowledge(first->id);
    const auto second = q.take();
    REQUIRE(second);
    CHECK(second->puts[0]->meta().version == at_ms(3));
}

TEST_CASE("A batch has its bounds, and a record that is larger has one to itself", "[write_queue]") {
    test_queue q({.batch_records = 4, .batch_bytes = 4000});
    for (int n = 0; n < 6; ++n) q.put(make_response("s" + std::to_string(n), at_ms(1)));
    q.put(make_response("large", at_ms(1), 10'000));
    for (int n = 0; n < 3; ++n) q.put(make_response("m" + std::to_string(n), at_ms(1), 1500));
    CHECK(keys_of(q.take()) == strings{"s0", "s1", "s2", "s3"});
    CHECK(keys_of(q.take()) == strings{"s4", "s5"});
    CHECK(keys_of(q.take()) == strings{"large"});
    CHECK(keys_of(q.take()) == strings{"m0", "m1"});
    CHECK(keys_of(q.take()) == strings{"m2"});
    CHECK(q.take() == nullptr);
}

TEST_CASE("Many tags make a batch smaller, since Redis looks each of them up", "[write_queue]") {
    test_queue q({.batch_records = 4, .tags_as_record = 2});
    const auto tagged = [](const std::string& key, const std::string& tags) {
        store::response_meta meta;
        meta.version = at_ms(1);
        meta.status = 200;
        const std::string_view content = "c";
        return store::stored_response::make(
            meta, key, hash_of(key), "HTTP/1.1 200 OK\r\nSurrogate-Key: " + tags + "\r\n", {&content, 1});
    };
    for (int n = 0; n < 3; ++n) q.put(tagged("many" + std::to_string(n), "a b c d"));
    for (int n = 0; n < 3; ++n) q.put(tagged("one" + std::to_string(n), "a"));
    q.put(tagged("most", "a b c d e f g h i j"));
    q.put(tagged("last", "a"));
    CHECK(keys_of(q.take()) == strings{"many0", "many1"});
    CHECK(keys_of(q.take()) == strings{"many2", "one0"});
    CHECK(keys_of(q.take()) == strings{"one1", "one2", "most"});
    CHECK(keys_of(q.take()) == strings{"last"});
}

TEST_CASE("What failed waits again before everything else, in its order", "[write_queue]") {
    test_queue q({.batch_records = 2});
    for (const char* key : {"a", "b", "c", "d", "e"}) q.put(make_response(key, at_ms(1)));
    const auto one = q.take(), two = q.take();
    const std::size_t bytes = q.bytes();
    q.put_back(two->id);
    q.put_back(one->id);
    CHECK(q.bytes() == bytes);
    CHECK(q.depth() == 5);
    CHECK(keys_of(q.take()) == strings{"a", "b"});
    CHECK(keys_of(q.take()) == strings{"c", "d"});
    CHECK(keys_of(q.take()) == strings{"e"});
    q.put_back(one->id); // not in flight any more: nothing happens
    q.acknowledge(999);
    CHECK(q.depth() == 5);
}

TEST_CASE("What failed does not come back when it has been overtaken", "[write_queue]") {
    test_queue q(queue_limits{});
    for (const char* key : {"newer", "purged", "kept"}) q.put(make_response(key, at_ms(5)));
    const auto batch = q.take();
    q.put(make_response("newer", at_ms(6)));
    q.invalidate(view_of("purged"), at_ms(6));
    q.put_back(batch->id);
    CHECK(floors_of(q.take()) == strings{"purged"});
    const auto again = q.take();
    CHECK(keys_of(again) == strings{"kept", "newer"});
    CHECK(again->puts[1]->meta().version == at_ms(6));
}

TEST_CASE("An invalidation takes away what waits below it, and goes first", "[write_queue]") {
    test_queue q(queue_limits{});
    q.put(make_response("a", at_ms(1)));
    q.put(make_response("b", at_ms(1)));
    q.put(make_response("c", at_ms(9)));
    q.invalidate(view_of("b"), at_ms(5));
    q.invalidate(view_of("c"), at_ms(5));
    CHECK(q.depth() == 4);
    CHECK(q.put(make_response("b", at_ms(4))) == put_result::invalidated);
    CHECK(q.put(make_response("b", at_ms(5))) == put_result::queued);
    const auto floors = q.take();
    CHECK(floors_of(floors) == strings{"b", "c"});
    // In flight it holds just the same.
    CHECK(q.put(make_response("c", at_ms(4))) == put_result::invalidated);
    CHECK(q.floor_of(view_of("c")) == at_ms(5));
    CHECK(q.floor_of(view_of("a")) == std::nullopt);
    q.acknowledge(floors->id);
    CHECK(q.floor_of(view_of("c")) == std::nullopt);
    CHECK(keys_of(q.take()) == strings{"a", "c", "b"});
}

TEST_CASE("Invalidations of one key are one, with the higher floor", "[write_queue]") {
    test_queue q(queue_limits{});
    q.invalidate(view_of("a"), at_ms(5));
    q.invalidate(view_of("a"), at_ms(7));
    q.invalidate(view_of("a"), at_ms(6));
    const auto first = q.take();
    REQUIRE(floors_of(first) == strings{"a"});
    CHECK(first->floors[0].floor == at_ms(7));
    q.invalidate(view_of("a"), at_ms(6));
    q.put_back(first->id);
    const auto again = q.take();
    REQUIRE(floors_of(again) == strings{"a"});
    CHECK(again->floors[0].floor == at_ms(7));
    CHECK(q.take() == nullptr);
}

TEST_CASE("Another replica's floor takes away what waits, and sends nothing", "[write_queue]") {
    test_queue q(queue_limits{});
    q.put(make_response("a", at_ms(1)));
    q.put(make_response("b", at_ms(9)));
    q.forget_below(view_of("a"), at_ms(5));
    q.forget_below(view_of("b"), at_ms(5));
    q.forget_below(view_of("absent"), at_ms(5));
    CHECK(keys_of(q.take()) == strings{"b"});
    CHECK(q.take() == nullptr);
}

TEST_CASE("Floors of groups wait beside those of keys, each name once", "[write_queue]") {
    test_queue q(queue_limits{});
    q.put(make_response("a", at_ms(1)));
    q.purge("tred", 7, at_ms(5));
    q.purge("stred", 8, at_ms(6));
    q.purge("tred", 7, at_ms(4));
    q.invalidate(view_of("b"), at_ms(7));
    CHECK(q.depth() == 4);
    CHECK_FALSE(q.floor_of(view_of("a")));
    const auto batch = q.take();
    CHECK(floors_of(batch) == strings{"tred", "stred", "b"});
    CHECK(batch->floors[0].floor == at_ms(5));
    q.purge("tred", 7, at_ms(9));
    q.put_back(batch->id);
    const auto again = q.take();
    CHECK(floors_of(again) == strings{"stred", "b", "tred"});
    CHECK(again->floors[2].floor == at_ms(9));
    q.purge("a", 99, at_ms(20));
    CHECK(q.floor_of(view_of("a")) == at_ms(20));
    CHECK(q.put(make_response("c", at_ms(19))) == put_result::invalidated);
    q.purge("tblue", 9, at_ms(20)); // everything covers it
    CHECK(q.depth() == 5);
}

TEST_CASE("Too many soft purges merge into a soft one, and hard ones stay hard", "[write_queue]") {
    test_queue q({.floors = 10});
    for (unsigned n = 0; n < 6; ++n) {
        q.purge("t" + std::to_string(n), n, at_ms(10 + n));
        q.purge("st" + std::to_string(n), 100 + n, at_ms(20 + n));
    }
    const auto batch = q.take();
    CHECK(floors_of(batch) == strings{"*", "sa", "st5"});
    CHECK(batch->floors[0].floor == at_ms(15));
    CHECK(batch->floors[1].floor == at_ms(24));
}

TEST_CASE("When the queue is full the oldest responses go, and invalidations stay", "[write_queue]") {
    const std::size_t each = make_response("k00", at_ms(1), 1000)->charge() + 96;
    test_queue q({.bytes = 10 * each});
    q.invalidate(view_of("gone"), at_ms(1));
    for (int n = 0; n < 30; ++n) {
        const std::string key = "k" + std::to_string(10 + n);
        CHECK(q.put(make_response(key, at_ms(1), 1000)) == put_result::queued);
        CHECK(q.bytes() <= 10 * each);
    }
    const auto counts = q.take_counts();
    CHECK(counts.full == 21);
    CHECK(counts.overflowed);
    CHECK(floors_of(q.take()) == strings{"gone"});
    CHECK(keys_of(q.take()) == strings{"k31", "k32", "k33", "k34", "k35", "k36", "k37", "k38", "k39"});
    // All that is left is in flight, and that cannot go.
    CHECK(q.put(make_response("late", at_ms(1), 1000)) == put_result::dropped);
    CHECK(q.bytes() <= 10 * each);
    CHECK(q.put(make_response("large", at_ms(1), 20 * each)) == put_result::dropped);
    const auto later = q.take_counts();
    CHECK(later.full == 1);
    CHECK(later.too_large == 1);
}

TEST_CASE("Too many invalidations merge into one for everything", "[write_queue]") {
    test_queue q({.floors = 100});
    q.put(make_response("old", at_ms(1)));
    for (int n = 0; n <= 100; ++n)
        q.invalidate(view_of("k" + std::to_string(n)), at_ms(1000 - static_cast<unsigned>(n)));
    CHECK(q.depth() == 2);
    CHECK(q.take_counts().merged == 1);
    CHECK(q.floor_of(view_of("never seen")) == at_ms(1000));
    // One that it covers adds nothing; one above does.
    q.invalidate(view_of("k5"), at_ms(999));
    q.invalidate(view_of("k6"), at_ms(1001));
    const auto batch = q.take();
    CHECK(floors_of(batch) == strings{"*", "k6"});
    CHECK(batch->floors[0].floor == at_ms(1000));
    q.put_back(batch->id);
    CHECK(floors_of(q.take()) == strings{"*", "k6"});
}

TEST_CASE("Long keys to invalidate merge by their bytes, too", "[write_queue]") {
    test_queue q({.bytes = 1u << 20});
    for (int n = 0; n < 1000; ++n) {
        q.invalidate(view_of(std::string(8000, 'k') + std::to_string(n)),
                     at_ms(static_cast<unsigned>(n) + 1));
        CHECK(q.bytes() <= (1u << 20));
    }
    CHECK(q.floor_of(view_of("x")).has_value());
}

TEST_CASE("Giving up all responses leaves the invalidations", "[write_queue]") {
    test_queue q(queue_limits{});
    q.put(make_response("a", at_ms(1)));
    q.put(make_response("b", at_ms(1)));
    q.invalidate(view_of("c"), at_ms(1));
    CHECK(q.forget_puts() == 2);
    CHECK(floors_of(q.take()) == strings{"c"});
    CHECK(q.take() == nullptr);
}

TEST_CASE("The consumer is woken once, and only when it had found nothing", "[write_queue]") {
    shared_write_queue q({});
    CHECK_FALSE(q.put(make_response("a", at_ms(1)), {}).wake); // it has not asked yet
    const auto batch = q.take();
    CHECK(batch);
    CHECK_FALSE(q.put(make_response("b", at_ms(1)), {}).wake);
    CHECK(q.take());
    CHECK(q.take() == nullptr);
    CHECK(q.put(make_response("c", at_ms(1)), {}).wake);
    CHECK_FALSE(q.put(make_response("d", at_ms(1)), {}).wake);
    CHECK_FALSE(q.invalidate(view_of("e"), at_ms(1), {}));
    while (q.take()) {
    }
    CHECK(q.put(make_response("c", at_ms(1)), {}).what == put_result::older);
    CHECK(q.invalidate(view_of("e"), at_ms(2), {}));
}

TEST_CASE("How long something has waited counts from when it was queued, whatever became of it",
          "[write_queue]") {
    write_queue q({.floors = 2});
    const auto at = [](int s) { return steady_time{} + seconds{s}; };
    q.put(make_response("a", at_ms(1)), at(1));
    q.put(make_response("b", at_ms(1)), at(2));
    q.put(make_response("a", at_ms(2)), at(3)); // the newer one is what waits
    auto batch = q.take();
    CHECK(batch->puts_since == std::vector{at(3), at(2)});
    q.put_back(batch->id);
    batch = q.take();
    CHECK(batch->puts_since == std::vector{at(3), at(2)});
    q.invalidate(view_of("x"), at_ms(9), at(4));
    q.invalidate(view_of("x"), at_ms(10), at(5)); // since the first one
    q.purge("tred", 7, at_ms(9), at(6));
    batch = q.take();
    REQUIRE(batch->floors.size() == 2);
    CHECK(batch->floors[0].since == at(4));
    CHECK(batch->floors[1].since == at(6));
    q.put_back(batch->id);
    q.purge("tblue", 8, at_ms(9), at(7)); // too many: one, as old as the oldest
    batch = q.take();
    REQUIRE(floors_of(batch) == strings{"*"});
    CHECK(batch->floors[0].since == at(4));
}

TEST_CASE("The queue knows which version of a key is on its way", "[write_queue]") {
    test_queue q(queue_limits{});
    CHECK_FALSE(q.version_of(view_of("a")));
    q.put(make_response("a", at_ms(2)));
    CHECK(q.version_of(view_of("a")) == at_ms(2));
    const auto batch = q.take();
    CHECK(q.version_of(view_of("a")) == at_ms(2));
    q.put(make_response("a", at_ms(3)));
    CHECK(q.version_of(view_of("a")) == at_ms(3));
    CHECK_FALSE(q.version_of(view_of("b")));
    const auto next = q.take();
    q.acknowledge(next->id);
    CHECK(q.version_of(view_of("a")) == at_ms(2));
    q.acknowledge(batch->id);
    CHECK_FALSE(q.version_of(view_of("a")));
}

TEST_CASE("Every response that does not reach Redis is counted by reason", "[write_queue]") {
    const std::size_t each = make_response("k0", at_ms(1), 1000)->charge() + 96;
    test_queue q({.bytes = 3 * each});
    const auto counts_are = [&](std::uint64_t coalesced, std::uint64_t full, std::uint64_t large,
                                std::uint64_t below) {
        const auto c = q.take_counts();
        CHECK(c.coalesced == coalesced);
        CHECK(c.full == full);
        CHECK(c.too_large == large);
        CHECK(c.below == below);
    };
    q.put(make_response("large", at_ms(1), 4 * each));
    counts_are(0, 0, 1, 0);
    for (int n = 0; n < 4; ++n) q.put(make_response("k" + std::to_string(n), at_ms(1), 1000));
    counts_are(0, 1, 0, 0);
    q.put(make_response("k1", at_ms(2), 1000));
    q.put(make_response("k1", at_ms(1), 1000));
    counts_are(2, 0, 0, 0);
    auto batch = q.take();
    q.put(make_response("k1", at_ms(2), 1000));
    counts_are(1, 0, 0, 0);
    q.forget_below(view_of("k2"), at_ms(5)); // in flight: Redis decides
    counts_are(0, 0, 0, 0);
    q.invalidate(view_of("k2"), at_ms(5));
    q.put_back(batch->id);
    counts_are(0, 0, 0, 1);
    q.put(make_response("k2", at_ms(4), 10));
    counts_are(0, 0, 0, 1);
    q.forget_below(view_of("k3"), at_ms(5));
    counts_are(0, 0, 0, 1);
    CHECK(q.forget_puts() == 1);
    counts_are(0, 0, 0, 0);
}

TEST_CASE("Under random use Redis ends with the newest of every key above its floor", "[write_queue]") {
    // Redis as the scripts make it, and a queue in front whose batches fail now and then.
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    for (int run = 0; run < 40; ++run) {
        test_queue q({.batch_records = 1 + random() % 5});
        std::map<std::string, store::version> redis, redis_floor, newest, floor;
        std::vector<batch_ptr> flying;
        std::uint64_t clock = 1;
        const auto deliver = [&](const batch_ptr& batch) {
            for (const auto& f : batch->floors) {
                const std::string key(f.key());
                auto& level = redis_floor[key];
                level = std::max(level, f.floor);
                if (redis.contains(key) && redis[key] < f.floor) redis.erase(key);
            }
            for (const auto& r : batch->puts) {
                const std::string key(r->key());
                const store::version& v = r->meta().version;
                if (v < redis_floor[key]) continue;
                if (!redis.contains(key) || redis[key] < v) redis[key] = v;
            }
        };
        const auto step = [&](bool finish) {
            if (flying.size() < 2)
                if (auto batch = q.take()) flying.push_back(batch);
            if (flying.empty()) return;
            const batch_ptr batch = flying.front();
            const auto fate = finish ? 0 : random() % 4;
            if (fate == 1) return; // still on its way
            flying.erase(flying.begin());
            // Fate 2: Redis did it, but the answer was lost.
            if (fate != 3) deliver(batch);
            if (fate == 0)
                q.acknowledge(batch->id);
            else
                q.put_back(batch->id);
        };
        for (int n = 0; n < 400; ++n) {
            const std::string key(1, static_cast<char>('a' + random() % 6));
            switch (random() % 4) {
            case 0: {
                const auto f = at_ms(++clock);
                floor[key] = f;
                if (newest.contains(key) && newest[key] < f) newest.erase(key);
                q.invalidate(view_of(key), f);
                break;
            }
            case 1:
                step(false);
                break;
            default: {
                // Some were begun long before they are done.
                const auto v =
                    random() % 3 == 0 && clock > 20 ? at_ms(clock - random() % 20, 1) : at_ms(++clock);
                q.put(make_response(key, v));
                if (v >= floor[key] && (!newest.contains(key) || newest[key] < v)) newest[key] = v;
                break;
            }
            }
        }
        while (!q.empty()) step(true);
        CHECK(q.bytes() == 0);
        CHECK(redis == newest);
    }
}
