#include "purge_sweep.hpp"
#include "support/catch.hpp"

#include <meshcache/store/cache.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace meshcache;
using app::purge_sweep;

store::version nth(std::uint64_t n) { return {.stamp = n << 16, .replica = 1}; }

void fill(store::cache& cache, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        const std::string key = "GET http://h/" + std::to_string(i);
        store::response_meta meta;
        meta.version = nth(1);
        const std::string_view content[] = {"content"};
        auto response = store::stored_response::make(meta, key, cache.hash(key),
                                                     "HTTP/1.1 200 OK\r\nSurrogate-Key: red\r\n", content);
        REQUIRE(cache.insert(std::move(response), nth(1)).took());
    }
}

TEST_CASE("However much a purge covers, a step of the sweep looks at a bounded number of responses",
          "[sweep]") {
    store::cache cache({.bytes = 64u << 20});
    constexpr std::size_t n = 10 * purge_sweep::responses;
    fill(cache, n);
    purge_sweep sweep(cache);
    CHECK_FALSE(sweep.step()); // nothing was purged
    CHECK(cache.stats().objects == n);

    cache.raise_group({store::selector_kind::tag, false, {}, "red"}, store::floor_bound::same(nth(2)));
    std::size_t held = n, steps = 0;
    for (bool more = true; more; ++steps) {
        more = sweep.step();
        const std::size_t left = cache.stats().objects;
        CHECK(held - left <= purge_sweep::responses);
        held = left;
    }
    CHECK(held == 0);
    CHECK(steps >= n / purge_sweep::responses);
    CHECK_FALSE(sweep.step()); // once for each purge
}

TEST_CASE("A purge while the sweep is under way has a sweep of its own", "[sweep]") {
    store::cache cache({.bytes = 64u << 20});
    fill(cache, 4 * purge_sweep::responses);
    purge_sweep sweep(cache);
    cache.raise_group({store::selector_kind::tag, false, {}, "blue"}, store::floor_bound::same(nth(2)));
    CHECK(sweep.step());
    cache.raise_group({store::selector_kind::tag, false, {}, "red"}, store::floor_bound::same(nth(2)));
    while (sweep.step()) {
    }
    CHECK(cache.stats().objects > 0); // the first walk had passed them
    while (sweep.step()) {
    }
    CHECK(cache.stats().objects == 0);
    CHECK_FALSE(sweep.step());
}

} // namespace
