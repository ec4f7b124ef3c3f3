// For how long fetches behind answers are held back, and which.
#include "fetch_pause.hpp"
#include "support/catch.hpp"

namespace {

using namespace meshcache;
using namespace meshcache::net;

constexpr steady_time start{std::chrono::hours{1}};

TEST_CASE("a key whose fetch failed is held back for a second, and no other") {
    fetch_pause pause;
    CHECK_FALSE(pause.holds(1, start));
    CHECK_FALSE(pause.holds(0, start));
    pause.after_key(1, start);
    CHECK(pause.holds(1, start));
    CHECK(pause.holds(1, start + milliseconds{999}));
    CHECK_FALSE(pause.holds(1, start + seconds{1}));
    CHECK_FALSE(pause.holds(2, start));
    CHECK_FALSE(pause.holds(0, start));
    pause.after_key(1, start + seconds{2});
    CHECK(pause.holds(1, start + milliseconds{2500}));
}

TEST_CASE("without an upstream all keys are held back") {
    fetch_pause pause;
    pause.after_upstream(start);
    for (const std::uint64_t key : {0u, 1u, 77u}) {
        CHECK(pause.holds(key, start + milliseconds{999}));
        CHECK_FALSE(pause.holds(key, start + seconds{1}));
    }
}

TEST_CASE("many keys that fail are held back, and one that was forgotten is not taken for another") {
    fetch_pause pause;
    constexpr std::uint64_t many = 100, step = std::uint64_t{1} << 50U; // they differ in high bits alone
    for (std::uint64_t i = 0; i < many; ++i) pause.after_key(i * step, start);
    std::uint64_t held = 0;
    for (std::uint64_t i = 0; i < many; ++i) held += pause.holds(i * step, start) ? 1 : 0;
    CHECK(held > many / 2);
    for (std::uint64_t i = 0; i < 10'000; ++i) CHECK_FALSE(pause.holds(i * step + 5, start));
}

} // namespace
