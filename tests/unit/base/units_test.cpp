#include "support/catch.hpp"

#include <meshcache/base/units.hpp>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace meshcache;

namespace {

struct good_size {
    std::string text;
    std::uint64_t bytes;
};

struct bad_text {
    std::string text;
    std::string error;
};

} // namespace

TEST_CASE("sizes are bytes or a whole number with a binary unit") {
    const std::vector<good_size> rows{
        {"0", 0},
        {"123", 123},
        {"007", 7},
        {"64KiB", 64 * 1024},
        {"64MiB", 64ULL << 20U},
        {"1GiB", 1ULL << 30U},
        {"2TiB", 2ULL << 40U},
        {"0MiB", 0},
        {"4611686018427387904", 1ULL << 62U},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const auto size = parse_size(row.text);
        REQUIRE(size);
        CHECK(*size == row.bytes);
    }
}

TEST_CASE("a size that could be misread is refused with the spelling that was meant") {
    const std::string form = " is not a size; write bytes or a unit: 4096, 64KiB, 64MiB, 1GiB";
    const std::string misread = " has a unit that can be misread; write ";
    const std::vector<bad_text> rows{
        {"", "''" + form},
        {"-1", "'-1'" + form},
        {"+1", "'+1'" + form},
        {"MiB", "'MiB'" + form},
        {"1.5GiB", "'1.5GiB'" + form},
        {"12x", "'12x'" + form},
        {" 12", "' 12'" + form},
        {"12 ", "'12 '" + form},
        {"64K", "'64K'" + misread + "64KiB"},
        {"64k", "'64k'" + misread + "64KiB"},
        {"64M", "'64M'" + misread + "64MiB"},
        {"64MB", "'64MB'" + misread + "64MiB"},
        {"64mib", "'64mib'" + misread + "64MiB"},
        {"64 MiB", "'64 MiB'" + misread + "64MiB"},
        {"1G", "'1G'" + misread + "1GiB"},
        {"1Gi", "'1Gi'" + misread + "1GiB"},
        {"1T", "'1T'" + misread + "1TiB"},
        {"4611686018427387905", "'4611686018427387905' is too large"},
        {"99999999999999999999999", "'99999999999999999999999' is too large"},
        {"18014398509481984KiB", "'18014398509481984KiB' is too large"},
    };
    for (const auto& row : rows) {
        const auto size = parse_size(row.text);
        CHECK_FALSE(size);
        CHECK(size.error == row.error);
    }
}

TEST_CASE("a size is written in the largest unit that is exact") {
    CHECK(format_size(0) == "0");
    CHECK(format_size(1023) == "1023");
    CHECK(format_size(1024) == "1KiB");
    CHECK(format_size(1536 * 1024) == "1536KiB");
    CHECK(format_size(64ULL << 20U) == "64MiB");
    CHECK(format_size(1ULL << 40U) == "1TiB");
}

TEST_CASE("durations are a whole number with its unit") {
    const std::vector<std::pair<std::string, milliseconds>> rows{
        {"0s", milliseconds(0)},       {"250ms", milliseconds(250)},      {"10s", milliseconds(10'000)},
        {"5m", milliseconds(300'000)}, {"24h", milliseconds(86'400'000)}, {"0ms", milliseconds(0)},
        {"0h", milliseconds(0)},       {"1500ms", milliseconds(1'500)},
    };
    for (const auto& [text, expected] : rows) {
        INFO(text);
        const auto d = parse_duration(text);
        REQUIRE(d);
        CHECK(*d == expected);
    }
}

TEST_CASE("a duration without its unit, or with another one, is refused with what would be right") {
    const std::string form = " is not a duration; write a whole number and its unit: 250ms, 10s, 5m, 24h";
    const std::string units =
        " is not a duration; write one whole number and one unit (ms, s, m, h): 250ms, 10s, 5m, 24h";
    const std::vector<bad_text> rows{
        {"", "''" + form},
        {"-1s", "'-1s'" + form},
        {"s", "'s'" + form},
        {"10", "'10' has no unit; write 10ms, 10s, 10m or 10h"},
        {"0", "'0' has no unit; write 0ms, 0s, 0m or 0h"},
        {"1.5s", "'1.5s'" + units},
        {"1m30s", "'1m30s'" + units},
        {"10 s", "'10 s'" + units},
        {"10S", "'10S'" + units},
        {"10sec", "'10sec'" + units},
        {"1d", "'1d'" + units},
        {"99999999999999999999s", "'99999999999999999999s' is too long"},
        {"9223372036854775807ms", "'9223372036854775807ms' is too long"},
    };
    for (const auto& row : rows) {
        const auto d = parse_duration(row.text);
        CHECK_FALSE(d);
        CHECK(d.error == row.error);
    }
}

TEST_CASE("a duration is written in the largest unit that is exact") {
    CHECK(format_duration(milliseconds(0)) == "0s");
    CHECK(format_duration(milliseconds(250)) == "250ms");
    CHECK(format_duration(milliseconds(1'000)) == "1s");
    CHECK(format_duration(milliseconds(60'000)) == "1m");
    CHECK(format_duration(milliseconds(90'000)) == "90s");
    CHECK(format_duration(milliseconds(86'400'000)) == "24h");
}

TEST_CASE("what is written is read back as the same size and duration") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 2'000; ++i) {
        const std::uint64_t n = random() >> (2 + random() % 62);
        const auto size = parse_size(format_size(n));
        REQUIRE(size);
        REQUIRE(*size == n);
        const milliseconds d(static_cast<milliseconds::rep>(n % 1'000'000'000'000));
        const auto again = parse_duration(format_duration(d));
        REQUIRE(again);
        REQUIRE(*again == d);
    }
}

TEST_CASE("counts are digits that fit, and nothing else") {
    CHECK(*parse_count("0") == 0);
    CHECK(*parse_count("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
    for (const std::string text : {"", "-1", "+1", "1e3", "1_000", "0x10", "1 ", " 1", "1KiB"}) {
        const auto n = parse_count(text);
        CHECK_FALSE(n);
        CHECK(n.error == "'" + text + "' is not a whole number; write digits only, such as 1000");
    }
    CHECK(parse_count("18446744073709551616").error == "'18446744073709551616' is too large");
}

TEST_CASE("switches are true or false, and nothing else") {
    CHECK(*parse_switch("true"));
    CHECK_FALSE(*parse_switch("false"));
    for (const std::string text : {"", "True", "1", "0", "yes", "on"}) {
        const auto on = parse_switch(text);
        CHECK_FALSE(on);
        CHECK(on.error == "'" + text + "' is not a switch; write true or false");
    }
}

TEST_CASE("quoted text is bounded and shows control characters") {
    CHECK(in_quotes("a b") == "'a b'");
    CHECK(in_quotes(std::string("a\0\n\x1b[2J\x7f", 8)) == "'a\\x00\\x0a\\x1b[2J\\x7f'");
    CHECK(in_quotes(std::string(200, 'x')) == "'" + std::string(80, 'x') + "...'");
}
