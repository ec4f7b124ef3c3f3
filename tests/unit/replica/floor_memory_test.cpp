#include "floor_memory.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <string>

namespace {

using namespace meshcache::replica;
using meshcache::store::floor_bound;
using meshcache::store::version;

version at(std::uint64_t ms, std::uint64_t replica) { return {ms << 16, replica}; }
constexpr meshcache::http::key_view key{"key", 7};

TEST_CASE("of several makers' floors the higher one is told again, and all of them hold") {
    floor_memory floors(1 << 20);
    floors.raise(key, at(200, 1), floor_bound::same(at(200, 1)));
    // A later one of a slower clock: what this replica made after its own one alone is covered.
    floors.raise(key, at(150, 2), floor_bound::heard(at(150, 2), at(260, 1)));
    const auto* const held = floors.find(key);
    REQUIRE(held != nullptr);
    CHECK(held->floor == at(200, 0)); // nobody's
    CHECK(held->bound.covers(at(220, 1)));
    CHECK(held->bound.covers(at(220, 3)));
    CHECK_FALSE(held->bound.covers(at(261, 1)));
    CHECK(held->bound.mine == at(260, 1));
}

TEST_CASE("what was heard of a key is remembered beside its floors, until the log is lost") {
    floor_memory floors(1 << 20);
    floors.hear(key, at(5, 2));
    CHECK(floors.find(key) == nullptr);
    floors.raise(key, at(10, 1), floor_bound::same(at(10, 1)));
    CHECK(floors.find(key)->heard == version{});
    floors.hear(key, at(10, 1));
    floors.hear(key, at(5, 2));
    CHECK(floors.find(key)->heard == at(10, 1));
    floors.raise(key, at(20, 1), floor_bound::same(at(20, 1)));
    CHECK(floors.find(key)->heard == at(10, 1));
    floors.forget_heard();
    CHECK(floors.find(key)->heard == version{});
    CHECK(floors.find(key)->floor == at(20, 1));
}

TEST_CASE("the memory of floors keeps the highest of each key, and forgets those of long ago") {
    floor_memory floors(1 << 20);
    CHECK(floors.find(key) == nullptr);
    floors.raise(key, at(5, 1), floor_bound::same(at(5, 1)));
    floors.raise(key, at(3, 1), floor_bound::same(at(3, 1)));
    REQUIRE(floors.find(key) != nullptr);
    CHECK(floors.find(key)->floor == at(5, 1));
    CHECK(floors.find(key)->bound == floor_bound::same(at(5, 1)));
    floors.raise({"b", 8}, at(7, 1), floor_bound::same(at(7, 1)));
    CHECK(floors.size() == 2);
    CHECK(floors.all().size() == 2);
    floors.expire(at(6, 1).time());
    CHECK(floors.find(key) == nullptr);
    CHECK(floors.find({"b", 8}) != nullptr);
}

TEST_CASE("the memory of floors forgets those first that were raised longest ago") {
    floor_memory floors(5000); // some thirty of these
    for (std::uint64_t n = 1; n <= 1000; ++n) {
        const std::string name = "key" + std::to_string(n);
        floors.raise({name, n}, at(n, 1), floor_bound::same(at(n, 1)));
        floors.raise({"often", 2000}, at(n, 1), floor_bound::same(at(n, 1)));
    }
    CHECK(floors.size() >= 20);
    CHECK(floors.size() <= 40);
    CHECK(floors.find({"key1", 1}) == nullptr);
    CHECK(floors.find({"key1000", 1000}) != nullptr);
    CHECK(floors.find({"often", 2000}) != nullptr);
}

} // namespace
