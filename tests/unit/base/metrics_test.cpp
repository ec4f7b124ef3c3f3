#include "support/catch.hpp"

#include <meshcache/base/metrics.hpp>

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
