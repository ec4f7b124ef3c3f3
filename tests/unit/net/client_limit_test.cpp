#include "support/catch.hpp"

#include <meshcache/net/client_limit.hpp>

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace meshcache::net;
using boost::asio::ip::make_address;

TEST_CASE("an IPv4 address counts for itself, an IPv6 address for its /64") {
    const auto block = [](const char* text) { return block_of(make_address(text)); };
    CHECK(block("192.0.2.1") == block("192.0.2.1"));
    CHECK(block("192.0.2.1") != block("192.0.2.2"));
    CHECK(block("192.0.2.1") == block("::ffff:192.0.2.1"));
    CHECK(block("2001:db8::1") == block("2001:db8::ffff:1:2:3"));
    CHECK(block("2001:db8:0:1::1") != block("2001:db8::1"));
    CHECK(block("::1") != block("0.0.0.1"));
    CHECK(block("::1") == block("::2"));
    CHECK(block("ffff::1") != block("0.0.0.0"));
}

TEST_CASE("a client has as many places as the limit says, and gets them back") {
    client_limit limit(2);
    const client_block a = block_of(make_address("192.0.2.1")), b = block_of(make_address("192.0.2.2"));
    {
        const auto one = limit.enter(a);
        auto two = limit.enter(a);
        CHECK(one.has_value());
        CHECK(two.has_value());
        CHECK_FALSE(limit.enter(a).has_value());
        CHECK(limit.enter(b).has_value());
        CHECK(limit.enter(std::nullopt).has_value());
        CHECK(limit.blocks() == 1);
        two.reset();
        const auto again = limit.enter(a);
        CHECK(again.has_value());
        CHECK_FALSE(limit.enter(a).has_value());
    }
    CHECK(limit.blocks() == 0);
}

TEST_CASE("a place that is moved is given back once") {
    client_limit limit(1);
    const client_block a = 1;
    auto first = limit.enter(a);
    REQUIRE(first);
    {
        const client_limit::place moved(std::move(*first));
        first.reset();
        CHECK_FALSE(limit.enter(a).has_value());
    }
    CHECK(limit.enter(a).has_value());
}

TEST_CASE("without a limit nothing is counted") {
    client_limit limit(0);
    std::vector<std::optional<client_limit::place>> places;
    for (int i = 0; i < 100; ++i) places.push_back(limit.enter(client_block{1}));
    for (const auto& p : places) CHECK(p.has_value());
    CHECK(limit.blocks() == 0);
}

TEST_CASE("threads share the limit") {
    client_limit limit(3);
    std::atomic<int> most{0}, now{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                const auto p = limit.enter(client_block{7});
                if (!p) continue;
                const int n = ++now;
                for (int seen = most; n > seen && !most.compare_exchange_weak(seen, n);) {
                }
                --now;
            }
        });
    }
    for (auto& t : threads) t.join();
    CHECK(most <= 3);
    CHECK(limit.blocks() == 0);
}
