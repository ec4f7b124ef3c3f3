#include "support/catch.hpp"

#include <meshcache/base/metrics.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace meshcache;

TEST_CASE("the total of a counter is the sum of what every thread counted") {
    metrics all;
    constexpr std::uint64_t each = 10'000;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i)
            threads.emplace_back([&slab = all.make_slab()] {
                for (std::uint64_t n = 0; n < each; ++n) slab.add(counter::stored);
                slab.add(counter::client_bytes_in, 5);
            });
    }
    CHECK(all.total(counter::stored) == 3 * each);
    CHECK(all.total(counter::client_bytes_in) == 15);
    CHECK(all.total(counter::redis_puts) == 0);
}

TEST_CASE("counters of one name stand together, differ in their labels, and the first has the help") {
    std::set<std::string> names;
    std::set<std::pair<std::string, std::string>> rows;
    std::string last;
    for (std::size_t i = 0; i < counter_count; ++i) {
        const auto& info = describe(static_cast<counter>(i));
        INFO(info.name << " " << info.labels);
        const std::string name(info.name);
        CHECK(name.starts_with("meshcache_"));
        CHECK(name.ends_with("_total"));
        CHECK(rows.emplace(name, info.labels).second);
        if (name != last) {
            CHECK(names.insert(name).second);
            CHECK_FALSE(info.help.empty());
        }
        last = name;
    }
}

TEST_CASE("a value falls into the bucket whose bound is the first that is not below it") {
    metrics all;
    auto& slab = all.make_slab();
    const auto bounds = bounds_of(histogram_unit::microseconds);
    for (const std::uint64_t bound : bounds)
        for (const std::uint64_t value : {bound - 1, bound, bound + 1})
            slab.observe(histogram::propagation, value);
    const auto total = all.total(histogram::propagation);
    CHECK(total.count() == 3 * bounds.size());
    CHECK(total.counts[0] == 2);
    for (std::size_t i = 1; i < bounds.size(); ++i) CHECK(total.counts[i] == 3);
    CHECK(total.counts[bounds.size()] == 1);
    std::uint64_t sum = 0;
    for (const std::uint64_t bound : bounds) sum += 3 * bound;
    CHECK(total.sum == sum);
    CHECK(all.total(histogram::batch_records).count() == 0);
}

TEST_CASE("a histogram is the sum of what every thread observed, and can be read meanwhile") {
    metrics all;
    constexpr std::uint64_t each = 10'000;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i)
            threads.emplace_back([&slab = all.make_slab()] {
                for (std::uint64_t n = 0; n < each; ++n) slab.observe(histogram::batch_records, n % 100);
            });
        CHECK(all.total(histogram::batch_records).count() <= 3 * each);
    }
    CHECK(all.total(histogram::batch_records).count() == 3 * each);
    CHECK(all.total(histogram::batch_records).sum == 3 * each / 100 * 4950);
}

TEST_CASE("durations are whole microseconds, and none is negative") {
    CHECK(in_microseconds(std::chrono::nanoseconds{-5}) == 0);
    CHECK(in_microseconds(std::chrono::nanoseconds{1999}) == 1);
    CHECK(in_microseconds(std::chrono::seconds{2}) == 2'000'000);
}

TEST_CASE("bounds ascend, and histograms of one name stand together with one help and one unit") {
    for (const auto unit : {histogram_unit::microseconds, histogram_unit::records, histogram_unit::bytes}) {
        const auto bounds = bounds_of(unit);
        REQUIRE_FALSE(bounds.empty());
        CHECK(std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>{}) == bounds.end());
    }
    std::set<std::string> names;
    const histogram_info* last = nullptr;
    for (std::size_t i = 0; i < histogram_count; ++i) {
        const auto& info = describe(static_cast<histogram>(i));
        INFO(info.name << " " << info.labels);
        if (last == nullptr || last->name != info.name) {
            CHECK(names.emplace(info.name).second);
            CHECK_FALSE(info.help.empty());
        } else {
            CHECK(last->unit == info.unit);
            CHECK(last->labels != info.labels);
        }
        CHECK(info.name.ends_with(info.unit == histogram_unit::microseconds ? "_seconds"
                                  : info.unit == histogram_unit::bytes      ? "_bytes"
                                                                            : "_records"));
        last = &info;
    }
}
