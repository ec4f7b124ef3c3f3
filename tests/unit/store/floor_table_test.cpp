#include "floor_table.hpp"
#include "store_support.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>

namespace {

using namespace meshcache::store;
using meshcache::store::test::nth;

TEST_CASE("a floor rises and never falls") {
    floor_table t(16);
    CHECK(t.of(1).floor.mine == version{});
    t.raise(1, floor_bound::same(nth(5)));
    CHECK(t.of(1).floor.mine == nth(5));
    t.raise(1, floor_bound::same(nth(3)));
    CHECK(t.of(1).floor.mine == nth(5));
    t.raise(1, floor_bound::same(nth(9)));
    CHECK(t.of(1).floor.mine == nth(9));
    CHECK(t.of(2).floor.mine == version{});
    CHECK(t.base() == version{});
}

TEST_CASE("a forgotten floor raises the base") {
    floor_table t(4);
    for (std::uint64_t i = 0; i < 6; ++i) t.raise(i, floor_bound::same(nth(100 + i)));
    CHECK(t.base() == nth(101));
    CHECK(t.of(0).floor.mine == version{});
    CHECK(t.of(1).floor.mine == version{});
    CHECK(t.of(2).floor.mine == nth(102));
}

TEST_CASE("a floor that is raised again becomes the youngest") {
    floor_table t(4);
    for (std::uint64_t i = 0; i < 4; ++i) t.raise(i, floor_bound::same(nth(i + 1)));
    t.raise(0, floor_bound::same(nth(50))); // its old place is free: nothing is forgotten but by later ones
    t.raise(9, floor_bound::same(nth(51)));
    CHECK(t.of(0).floor.mine == nth(50));
    CHECK(t.base() == nth(2));
}

TEST_CASE("no floor is ever lost: each is in the table or below the base") {
    const std::uint32_t seed = GENERATE(21u, 22u, 23u);
    INFO("seed " << seed);
    std::mt19937 random(seed);
    floor_table t(64);
    std::map<std::uint64_t, version> model;
    std::size_t lost = 0;
    version highest;
    for (int step = 0; step < 20'000; ++step) {
        const std::uint64_t hash = random() % 200 * 0x1'0001;
        const version floor = nth(random() % 100'000);
        highest = std::max(highest, floor);
        t.raise(hash, floor_bound::same(floor));
        model[hash] = std::max(model[hash], floor);
        for (const auto& [h, f] : model) lost += t.of(h).floor.mine != f && t.base() < f;
        lost += t.base() > highest;
    }
    CHECK(lost == 0);
}

} // namespace
