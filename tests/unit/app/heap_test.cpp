#include "heap.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace {

using meshcache::app::heap_keeper;
using meshcache::app::heap_watch;

constexpr std::size_t mib = 1u << 20;

TEST_CASE("The heap is looked at when resident memory has grown by a step since it was the least", "[heap]") {
    heap_watch watch(4 * mib, {.resident = 10 * mib, .used = 8 * mib});
    CHECK_FALSE(watch.due(10 * mib));
    CHECK_FALSE(watch.due(13 * mib));
    CHECK(watch.due(14 * mib));
    CHECK(watch.looked({.resident = 13 * mib, .used = 11 * mib}) == 0);
    CHECK_FALSE(watch.due(16 * mib));
    CHECK_FALSE(watch.due(9 * mib)); // the least from now on
    CHECK(watch.due(13 * mib));
}

TEST_CASE("What is resident and not used is wasted, but for what was there at the start", "[heap]") {
    heap_watch watch(mib, {.resident = 10 * mib, .used = 8 * mib});
    CHECK(watch.looked({.resident = 50 * mib, .used = 40 * mib}) == 8 * mib);
    CHECK(watch.looked({.resident = 50 * mib, .used = 49 * mib}) == 0);
    CHECK(watch.looked({.resident = 50 * mib, .used = 51 * mib}) == 0); // pages that were never touched
}

TEST_CASE("While much is wasted the heap is looked at again and again", "[heap]") {
    heap_watch watch(mib, {.resident = 10 * mib, .used = 10 * mib});
    CHECK(watch.looked({.resident = 20 * mib, .used = 15 * mib}) == 5 * mib);
    int looks = 0;
    for (int call = 0; call < 100; ++call) looks += watch.due(20 * mib);
    CHECK(looks == 10);
    CHECK(watch.looked({.resident = 20 * mib, .used = 20 * mib}) == 0);
    for (int call = 0; call < 100; ++call) looks += watch.due(20 * mib);
    CHECK(looks == 10);
}

TEST_CASE("After it has grown the heap is looked at now and then, for what it grew for may be gone",
          "[heap]") {
    heap_watch watch(4 * mib, {.resident = 10 * mib, .used = 8 * mib});
    REQUIRE(watch.due(20 * mib));
    CHECK(watch.looked({.resident = 20 * mib, .used = 18 * mib}) == 0);
    std::vector<int> at;
    for (int call = 1; call < 10'000; ++call) {
        if (!watch.due(20 * mib)) continue;
        at.push_back(call);
        CHECK(watch.looked({.resident = 20 * mib, .used = 18 * mib}) == 0);
    }
    CHECK(at == std::vector<int>{40, 120, 280, 600, 1240, 2520});
}

TEST_CASE("Pages that were freed between others are given back, and what cannot be is named", "[heap]") {
    heap_keeper keeper(64 * mib);
    std::vector<std::unique_ptr<char[]>> all;
    constexpr std::size_t size = 1400;
    for (std::size_t i = 0; i < 64 * mib / size; ++i) all.push_back(std::make_unique<char[]>(size));
    const auto full = keeper.tend();
    if (!full) {
        WARN("skipped: this is not glibc's malloc");
        return;
    }
    CHECK(*full < 2 * mib);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (i % 10 != 0) all[i].reset();
    // Each of those that stay keeps a page or two, of which it uses a third.
    std::optional<std::size_t> wasted;
    for (int call = 0; call < 10 && !wasted; ++call) {
        all.push_back(
            std::make_unique<char[]>(2 * mib)); // so that resident memory grows, and there is a look
        wasted = keeper.tend();
    }
    REQUIRE(wasted);
    CHECK(*wasted > 4 * mib);
    CHECK(*wasted < 32 * mib);
}

} // namespace
