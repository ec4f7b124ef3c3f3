#include "backoff.hpp"
#include "breaker.hpp"
#include "support/catch.hpp"

#include <random>

using namespace meshcache;
using namespace meshcache::replica;

namespace {

random_source always(double x) {
    return [x] { return x; };
}

steady_time at(int ms) { return steady_time{} + milliseconds{ms}; }

/// With jitter at its most: pauses of 100, 200, 400, 800, 800 ms.
breaker make_breaker() { return {3, backoff(milliseconds{100}, milliseconds{800}, always(1.0))}; }

} // namespace

TEST_CASE("The back-off doubles up to its bound, and starts over after a success", "[backoff]") {
    backoff b(milliseconds{50}, milliseconds{300}, always(1.0));
    for (const int ms : {50, 100, 200, 300, 300}) CHECK(b.next() == milliseconds{ms});
    b.reset();
    CHECK(b.next() == milliseconds{50});
}

TEST_CASE("Jitter takes away up to half", "[backoff]") {
    backoff b(milliseconds{50}, milliseconds{300}, always(0.0));
    for (const int ms : {25, 50, 100, 150, 150}) CHECK(b.next() == milliseconds{ms});
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    backoff j(milliseconds{64}, milliseconds{64},
              [&] { return std::generate_canonical<double, 53>(random); });
    for (int n = 0; n < 1000; ++n) {
        const auto delay = j.next();
        CHECK(delay >= milliseconds{32});
        CHECK(delay <= milliseconds{64});
    }
}

TEST_CASE("A back-off never waits for nothing, whatever its settings", "[backoff]") {
    backoff b(milliseconds{0}, milliseconds{0}, always(0.0));
    CHECK(b.next() == milliseconds{1});
    CHECK(b.next() == milliseconds{1});
}

TEST_CASE("The breaker opens after failures in a row, not after failures in all", "[breaker]") {
    breaker b = make_breaker();
    for (int n = 0; n < 10; ++n) {
        b.failure(at(n));
        b.failure(at(n));
        b.success();
    }
    CHECK(b.allow(at(10)));
    for (int n = 0; n < 3; ++n) {
        CHECK_FALSE(b.is_open());
        b.failure(at(20));
    }
    CHECK(b.is_open());
    CHECK_FALSE(b.allow(at(20)));
    CHECK_FALSE(b.allow(at(119)));
}

TEST_CASE("An open breaker lets one probe through each pause, and pauses grow", "[breaker]") {
    breaker b = make_breaker();
    for (int n = 0; n < 3; ++n) b.failure(at(0));
    CHECK(b.allow(at(100)));
    CHECK_FALSE(b.allow(at(100)));
    b.failure(at(110));
    CHECK_FALSE(b.allow(at(299)));
    CHECK(b.allow(at(300)));
    // A probe whose outcome is never told does not keep it shut for good.
    CHECK_FALSE(b.allow(at(699)));
    CHECK(b.allow(at(700)));
    b.success();
    CHECK_FALSE(b.is_open());
    CHECK(b.allow(at(701)));
    for (int n = 0; n < 3; ++n) b.failure(at(1000));
    CHECK_FALSE(b.allow(at(1099)));
    CHECK(b.allow(at(1100)));
}

TEST_CASE("A new connection closes the breaker", "[breaker]") {
    breaker b = make_breaker();
    for (int n = 0; n < 3; ++n) b.failure(at(0));
    b.reset();
    CHECK_FALSE(b.is_open());
    CHECK(b.allow(at(0)));
    b.failure(at(0));
    CHECK(b.allow(at(0)));
}
