#include "support/catch.hpp"

#include <meshcache/store/version.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace meshcache;
using store::hybrid_clock;
using store::version;

wall_time at(std::int64_t ms) { return wall_time{milliseconds{ms}}; }

TEST_CASE("the bytes of a version are big-endian and come back") {
    const version v{0x0102'0304'0506'0708, 0x1112'1314'1516'1718};
    const auto b = v.bytes();
    CHECK(std::string_view(b.data(), b.size()) ==
          "\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18");
    CHECK(version::from_bytes({b.data(), b.size()}) == v);
    CHECK(!version::from_bytes({b.data(), 15}));
    CHECK(!version::from_bytes(""));
    CHECK(!version::from_bytes(std::string_view("01234567890123456", 17)));
}

TEST_CASE("the order of the bytes is the order of the versions") {
    const std::vector<version> ascending = {{0, 0},
                                            {0, 1},
                                            {0, UINT64_MAX},
                                            {1, 0},
                                            {0xff, 7},
                                            {0x100, 0},
                                            {0x7fff'ffff'ffff'ffff, 3},
                                            {0x8000'0000'0000'0000, 0},
                                            {UINT64_MAX, UINT64_MAX}};
    for (std::size_t i = 0; i < ascending.size(); ++i)
        for (std::size_t j = 0; j < ascending.size(); ++j) {
            const auto a = ascending[i].bytes(), b = ascending[j].bytes();
            const int order = std::string_view(a.data(), 16).compare(std::string_view(b.data(), 16));
            CHECK((order < 0) == (ascending[i] < ascending[j]));
            CHECK((order == 0) == (ascending[i] == ascending[j]));
        }
}

TEST_CASE("a version reads well in a log") {
    CHECK(version{(std::uint64_t{1700000000123} << 16) | 42, 0xabc}.to_string() == "1700000000123.42@abc");
    CHECK(version{}.to_string() == "0.0@0");
}

TEST_CASE("a version knows its time, and whether it can be believed") {
    const version v{std::uint64_t{100'000} << 16 | 5, 1};
    CHECK(v.time() == at(100'000));
    CHECK(!too_far_ahead(v, at(40'000)));
    CHECK(too_far_ahead(v, at(39'999)));
}

TEST_CASE("the clock follows the wall and never repeats itself") {
    hybrid_clock clock(7);
    const auto a = clock.next(at(1000));
    CHECK(a == version{std::uint64_t{1000} << 16, 7});
    const auto b = clock.next(at(1000));
    CHECK(b == version{(std::uint64_t{1000} << 16) + 1, 7});
    CHECK(clock.next(at(2000)).time() == at(2000));
    const auto d = clock.next(at(500)); // the wall jumped back
    CHECK(d == version{(std::uint64_t{2000} << 16) + 1, 7});
}

TEST_CASE("a full counter carries into the milliseconds") {
    hybrid_clock clock(1);
    clock.observe({(std::uint64_t{1000} << 16) | 0xfffe, 9});
    CHECK(clock.next(at(1000)).stamp == ((std::uint64_t{1000} << 16) | 0xffff));
    const auto carried = clock.next(at(1000));
    CHECK(carried.stamp == std::uint64_t{1001} << 16);
    CHECK(carried.time() == at(1001));
    CHECK(clock.next(at(1001)).stamp == ((std::uint64_t{1001} << 16) | 1));
}

TEST_CASE("the clock rises above what it observes and ignores what lies behind it") {
    hybrid_clock clock(3);
    const version seen{(std::uint64_t{5000} << 16) | 10, 99};
    clock.observe(seen);
    CHECK(clock.next(at(1)) > seen);
    clock.observe({1, 1});
    CHECK(clock.next(at(1)).stamp == seen.stamp + 2);
}

TEST_CASE("times outside of 48 bits are clamped") {
    hybrid_clock clock(0);
    CHECK(clock.next(at(-5)).stamp == 1);
    CHECK(clock.next(at(std::int64_t{1} << 50)).time() == at((std::int64_t{1} << 48) - 1));
}

TEST_CASE("threads never get the same version, and each sees them rise") {
    hybrid_clock clock(1);
    constexpr int threads = 4, each = 20'000;
    std::vector<std::vector<std::uint64_t>> got(threads);
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                if (i % 16 == 0) clock.observe({static_cast<std::uint64_t>(i) << 17, 5});
                got[static_cast<std::size_t>(t)].push_back(clock.next(at(i)).stamp);
            }
        });
    for (auto& t : running) t.join();
    std::vector<std::uint64_t> all;
    for (const auto& g : got) {
        CHECK(std::is_sorted(g.begin(), g.end()));
        all.insert(all.end(), g.begin(), g.end());
    }
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

} // namespace
