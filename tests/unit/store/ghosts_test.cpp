#include "ghosts.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>

namespace {

using meshcache::store::ghosts;

TEST_CASE("a ghost is taken once") {
    ghosts g(100);
    g.push(7, 10);
    CHECK(g.take(7));
    CHECK(!g.take(7));
    CHECK(!g.take(8));
}

TEST_CASE("the oldest ghosts are forgotten first") {
    ghosts g(100);
    for (std::uint32_t i = 0; i < 10; ++i) g.push(i, 5);
    CHECK(g.size() == 5);
    for (std::uint32_t i = 0; i < 10; ++i) CHECK(g.take(i) == (i >= 5));
}

TEST_CASE("without capacity nothing is remembered") {
    ghosts g(100);
    g.push(1, 0);
    CHECK(g.size() == 0);
    CHECK(!g.take(1));
}

TEST_CASE("ghosts behave like a plain queue, within the bytes that they announce") {
    const std::uint32_t seed = GENERATE(11u, 12u, 13u);
    INFO("seed " << seed);
    std::mt19937 random(seed);
    constexpr std::size_t capacity = 1000;
    ghosts g(capacity);
    struct entry {
        std::uint32_t print;
        bool taken;
    };
    std::deque<entry> model;
    std::size_t differ = 0;
    for (int step = 0; step < 30'000; ++step) {
        const std::uint32_t print = random() % 3000;
        const auto at = std::find_if(model.begin(), model.end(),
                                     [&](const entry& e) { return e.print == print && !e.taken; });
        const bool known = at != model.end();
        if (known) at->taken = true;
        differ += g.take(print) != known;
        if (random() % 2 == 0) {
            const auto most = g.bytes() + g.growth(1);
            g.push(print, capacity);
            differ += g.bytes() > most;
            if (model.size() >= capacity) model.pop_front();
            model.push_back({print, false});
        }
        differ += g.size() != model.size();
    }
    CHECK(differ == 0);
}

TEST_CASE("memory of ghosts is given back as the queue shrinks") {
    ghosts g(100'000);
    for (std::uint32_t i = 0; i < 50'000; ++i) g.push(i, 50'000);
    const auto full = g.bytes();
    for (std::uint32_t i = 0; i < 50'000; ++i) g.push(i, 10);
    CHECK(g.size() <= 10);
    CHECK(g.bytes() < full / 2);
}

} // namespace
