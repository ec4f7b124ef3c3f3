#include "support/catch.hpp"

#include <meshcache/base/turn_meter.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>

using namespace meshcache;
using std::chrono::microseconds;

namespace {

/// A thread that runs, or waits, for as long as it is told.
class told_clock final : public clock_source {
  public:
    wall_time wall() const noexcept override { return {}; }
    steady_time steady() const noexcept override { return steady_time(now_); }
    std::chrono::nanoseconds thread_time() const noexcept override {
        ++reads_;
        return spent_;
    }
    void wait(microseconds d) noexcept { now_ += d; }
    void work(microseconds d) noexcept {
        now_ += d;
        spent_ += d;
    }
    int reads() const noexcept { return reads_; }

  private:
    std::chrono::nanoseconds now_{seconds{1}}, spent_{seconds{7}};
    mutable int reads_ = 0;
};

struct metered_loop {
    told_clock clock;
    metrics all;
    turn_meter meter{clock, all.make_slab(), histogram::turn_redis};

    metered_loop() { meter.begin(); }

    histogram_total total() const { return all.total(histogram::turn_redis); }
};

} // namespace

TEST_CASE("what was done before the loop began is none of its turns") {
    told_clock clock;
    metrics all;
    turn_meter meter(clock, all.make_slab(), histogram::turn_main);
    clock.work(microseconds{5000});
    meter.begin();
    clock.work(microseconds{300});
    meter.ended();
    CHECK(all.total(histogram::turn_main).sum == 300);
}

TEST_CASE("a turn is observed by what the loop worked, not by what it waited") {
    metered_loop loop;
    loop.clock.wait(seconds{5});
    loop.clock.work(microseconds{700});
    loop.meter.ended();
    CHECK(loop.total().count() == 1);
    CHECK(loop.total().sum == 700);
    loop.clock.wait(seconds{1});
    loop.clock.work(microseconds{30});
    loop.meter.ended();
    CHECK(loop.total().count() == 2);
    CHECK(loop.total().sum == 730);
    CHECK(loop.total().counts[0] == 1);
}

TEST_CASE("short turns in a row count as one, and cost no look at the thread's clock") {
    metered_loop loop;
    const int before = loop.clock.reads();
    for (int i = 0; i < 9; ++i) {
        loop.clock.work(microseconds{11});
        loop.meter.ended();
    }
    CHECK(loop.clock.reads() == before);
    CHECK(loop.total().count() == 0);
    loop.clock.work(microseconds{11});
    loop.meter.ended();
    CHECK(loop.clock.reads() == before + 1);
    CHECK(loop.total().count() == 1);
    CHECK(loop.total().sum == 110);
}

TEST_CASE("a millisecond is a bound of the turns' buckets") {
    metered_loop loop;
    for (const int us : {1000, 1001}) {
        loop.clock.work(microseconds{us});
        loop.meter.ended();
    }
    const auto bounds = bounds_of(histogram_unit::microseconds);
    const auto at = static_cast<std::size_t>(std::find(bounds.begin(), bounds.end(), 1000) - bounds.begin());
    REQUIRE(at < bounds.size());
    CHECK(loop.total().counts[at] == 1);
    CHECK(loop.total().counts[at + 1] == 1);
}
