#include "store_support.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <string>

namespace {

using namespace meshcache;
using namespace meshcache::store;
using namespace meshcache::store::test;

constexpr std::size_t bound = 1u << 20;

cache_settings in_shards(std::size_t shards) {
    return {.bytes = bound, .max_object = 64u << 10, .shards = shards, .seed = 5};
}

void fill(cache& store, std::uint64_t first, std::uint64_t count, std::size_t size) {
    for (std::uint64_t n = first; n < first + count; ++n)
        store.insert(make_response(store.view("key " + std::to_string(n)), nth(1), size), nth(1));
}

TEST_CASE("what is held back of the bound is evicted, not used, and comes back") {
    const std::size_t shards = GENERATE(1u, 4u);
    cache store(in_shards(shards));
    fill(store, 0, 4000, 1000);
    const auto full = store.stats();
    REQUIRE(full.bytes > bound * 9 / 10);

    store.hold_back(bound / 8);
    const auto less = store.stats();
    CHECK(less.bytes_limit + bound / 8 == full.bytes_limit);
    CHECK(less.bytes <= less.bytes_limit);
    CHECK(less.bytes > bound * 8 / 10);
    CHECK(less.evicted > full.evicted);
    fill(store, 4000, 4000, 1000);
    CHECK(store.stats().bytes <= less.bytes_limit);

    store.hold_back(0);
    CHECK(store.stats().bytes_limit == full.bytes_limit);
    fill(store, 8000, 4000, 1000);
    CHECK(store.stats().bytes > bound * 9 / 10);
}

TEST_CASE("no more than a quarter of the bound is held back, and the largest responses still fit") {
    cache store(in_shards(1));
    fill(store, 0, 4000, 1000);
    const auto full = store.stats();
    store.hold_back(10 * bound);
    CHECK(store.stats().bytes_limit >= full.bytes_limit - bound / 4);
    const auto key = store.view("large");
    CHECK(store.insert(make_response(key, nth(1), store.settings().max_object), nth(1)).took());
    CHECK(store.peek(key) != nullptr);
}

TEST_CASE("what was used stays when something is held back") {
    cache store(in_shards(1));
    fill(store, 0, 500, 1000);
    for (int i = 0; i < 3; ++i)
        for (std::uint64_t n = 0; n < 100; ++n) (void)store.lookup(store.view("key " + std::to_string(n)));
    fill(store, 500, 4000, 1000);
    store.hold_back(bound / 5);
    std::size_t held = 0;
    for (std::uint64_t n = 0; n < 100; ++n)
        held += store.peek(store.view("key " + std::to_string(n))) != nullptr;
    CHECK(held == 100);
}

} // namespace
