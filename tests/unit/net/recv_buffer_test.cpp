#include "recv_buffer.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace {

using namespace meshcache::net;

/// Puts all of `bytes` in; false when the buffer has no room for them within `max`.
bool put(recv_buffer& in, std::string_view bytes, std::size_t first, std::size_t max) {
    while (!bytes.empty()) {
        const auto room = in.prepare(first, max);
        if (room.empty()) return false;
        const auto n = std::min(room.size(), bytes.size());
        std::copy_n(bytes.begin(), n, room.begin());
        in.commit(n);
        bytes.remove_prefix(n);
    }
    return true;
}

TEST_CASE("a receive buffer holds no memory until it is used, and gives it back only when it is empty") {
    recv_buffer in;
    CHECK(in.empty());
    CHECK(in.view().empty());
    CHECK(in.capacity() == 0);
    REQUIRE(put(in, "abc", 8, 64));
    CHECK(in.capacity() == 8);
    in.release();
    CHECK(in.view() == "abc");
    in.consume(3);
    in.release();
    CHECK(in.capacity() == 0);
    REQUIRE(put(in, "again", 8, 64));
    CHECK(in.view() == "again");
}

TEST_CASE("a receive buffer doubles up to its bound, which is exact") {
    recv_buffer in;
    const std::string bytes(100, 'x');
    CHECK(put(in, bytes.substr(0, 10), 10, 100));
    CHECK(in.capacity() == 10);
    CHECK(put(in, bytes.substr(0, 11), 10, 100));
    CHECK(in.capacity() == 40);
    CHECK(put(in, bytes.substr(0, 79), 10, 100));
    CHECK(in.size() == 100);
    CHECK(in.capacity() == 100);
    CHECK(in.prepare(10, 100).empty());
    // One byte that is used up is room for one more.
    in.consume(1);
    CHECK(in.prepare(10, 100).size() == 1);
}

TEST_CASE("the first memory is no larger than the bound") {
    recv_buffer in;
    CHECK(in.prepare(4096, 16).size() == 16);
}

TEST_CASE("what was not used moves to the front instead of growing the buffer") {
    recv_buffer in;
    REQUIRE(put(in, "0123456789", 10, 100));
    in.consume(7);
    CHECK(in.prepare(10, 100).size() == 7);
    CHECK(in.capacity() == 10);
    CHECK(in.view() == "789");
}

TEST_CASE("more is never dropped than there is") {
    recv_buffer in;
    REQUIRE(put(in, "abc", 8, 64));
    in.consume(100);
    CHECK(in.empty());
    CHECK(in.prepare(8, 64).size() == 8);
}

TEST_CASE("reserve() makes room beforehand, but only for an empty buffer") {
    recv_buffer in;
    in.reserve(100);
    CHECK(in.capacity() == 100);
    in.reserve(50);
    CHECK(in.capacity() == 100);
    REQUIRE(put(in, "abc", 8, 100));
    in.reserve(1000);
    CHECK(in.capacity() == 100);
    CHECK(in.view() == "abc");
}

TEST_CASE("bytes come out of a receive buffer as they went in, whatever the steps") {
    const std::uint64_t seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    recv_buffer in;
    std::string model;
    char next = 0;
    for (int step = 0; step < 20'000; ++step) {
        if (below(2) == 0) {
            const std::size_t max = 200;
            const auto room = in.prepare(16, max);
            REQUIRE(room.empty() == (model.size() >= max));
            const auto n = room.empty() ? 0 : below(room.size() + 1);
            for (std::size_t i = 0; i < n; ++i) model += room[i] = next++;
            in.commit(n);
        } else {
            const auto n = below(40);
            in.consume(n);
            model.erase(0, n);
        }
        if (below(50) == 0) in.release();
        REQUIRE(in.view() == model);
        REQUIRE(in.capacity() <= 200);
    }
}

} // namespace
