#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/grammar.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;

namespace {

std::vector<std::string> members(std::string_view value) {
    std::vector<std::string> out;
    std::string_view member;
    for (list_cursor c(value); c.next(member);) out.emplace_back(member);
    return out;
}

constexpr std::int64_t the_example = 784111777; // Sun, 06 Nov 1994 08:49:37 GMT

} // namespace

TEST_CASE("tchar is what RFC 9110 lists and nothing else") {
    constexpr std::string_view all =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (unsigned c = 0; c < 256; ++c) {
        INFO("byte " << c);
        CHECK(is_tchar(static_cast<unsigned char>(c)) ==
              (all.find(static_cast<char>(c)) != std::string_view::npos));
    }
}

TEST_CASE("a token is not empty and has only tchar") {
    CHECK(is_token("a"));
    CHECK(is_token("Cache-Control"));
    for (const std::string_view s : {"", "a b", "a:", " a", "a\t", "a\"", "\xc3\xa9", "a(b)", "a,b", "a/b"})
        CHECK_FALSE(is_token(s));
}

TEST_CASE("trim removes blanks at both ends and only there") {
    CHECK(trim("  a b\t") == "a b");
    CHECK(trim("") == "");
    CHECK(trim(" \t ") == "");
    CHECK(trim("\ra\n") == "\ra\n");
}

TEST_CASE("iequals folds ASCII letters and nothing else") {
    CHECK(iequals("Content-Length", "cONTENT-lENGTH"));
    CHECK(iequals("", ""));
    CHECK_FALSE(iequals("a", "ab"));
    CHECK_FALSE(iequals("[", "{"));
    CHECK_FALSE(iequals("@", "`"));
    CHECK_FALSE(iequals("-", "\r"));
    CHECK_FALSE(iequals("\xc0", "\xe0"));
}

TEST_CASE("a list's members are trimmed, empty ones skipped and quoted commas kept") {
    using list = std::vector<std::string>;
    CHECK(members("a, b ,c") == list{"a", "b", "c"});
    CHECK(members("") == list{});
    CHECK(members(" , ,\t,") == list{});
    CHECK(members(",a,,b,") == list{"a", "b"});
    CHECK(members("a=\"x, y\", b") == list{"a=\"x, y\"", "b"});
    CHECK(members(R"(a="\",", b)") == list{R"(a="\",")", "b"});
    CHECK(members("\"open, never closed") == list{"\"open, never closed"});
    CHECK(members("a\"\\") == list{"a\"\\"});
    CHECK(members("no cache, x") == list{"no cache", "x"});
}

TEST_CASE("list_has finds whole tokens in any case") {
    CHECK(list_has("keep-alive, Close", "close"));
    CHECK_FALSE(list_has("closed, enclose", "close"));
    CHECK_FALSE(list_has("\"close\"", "close"));
    CHECK_FALSE(list_has("", "close"));
}

TEST_CASE("parse_digits takes digits that fit into 64 bits") {
    CHECK(parse_digits("0") == 0U);
    CHECK(parse_digits("007") == 7U);
    CHECK(parse_digits("18446744073709551615") == 18446744073709551615ULL);
    for (const std::string_view s : {"", "+1", "-1", "1 ", " 1", "0x1", "1_0", "18446744073709551616",
                                     "99999999999999999999", "1.0", "\xd9\xa1"}) {
        INFO(s);
        CHECK_FALSE(parse_digits(s));
    }
}

TEST_CASE("delta-seconds saturate and are never negative") {
    CHECK(parse_delta_seconds("0") == seconds{0});
    CHECK(parse_delta_seconds("3600") == seconds{3600});
    CHECK(parse_delta_seconds("2147483647") == seconds{2147483647});
    CHECK(parse_delta_seconds("2147483649") == seconds{2147483648});
    CHECK(parse_delta_seconds(std::string(400, '9')) == seconds{2147483648});
    for (const std::string_view s : {"", "-1", "+1", "1.5", "1s", "1 2", "\"1\""}) {
        INFO(s);
        CHECK_FALSE(parse_delta_seconds(s));
    }
}

TEST_CASE("the three forms of a date are read alike") {
    const wall_time now = at(1700000000);
    CHECK(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", now) == at(the_example));
    CHECK(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now) == at(the_example));
    CHECK(parse_date("Sun Nov  6 08:49:37 1994", now) == at(the_example));
    CHECK(parse_date("Thu, 01 Jan 1970 00:00:00 GMT", now) == at(0));
    CHECK(parse_date("Thu, 29 Feb 2024 23:59:59 GMT", now) == at(1709251199));
    CHECK(parse_date("Fri, 31 Dec 9999 23:59:59 GMT", now) == at(253402300799));
    CHECK(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", now) == at(1483228800));
    CHECK(parse_date("Sun Nov 16 08:49:37 1994", now) == at(the_example + 10 * 86400));
    CHECK(parse_date("Wed, 01 Jan 1601 00:00:00 GMT", now).has_value());
}

TEST_CASE("a two-digit year is at most fifty years ahead") {
    const wall_time now = at(1700000000); // 2023
    CHECK(parse_date("Thursday, 01-Jan-70 00:00:00 GMT", now) ==
          parse_date("Thu, 01 Jan 2070 00:00:00 GMT", now));
    CHECK(parse_date("Thursday, 01-Jan-73 00:00:00 GMT", now) ==
          parse_date("Thu, 01 Jan 2073 00:00:00 GMT", now));
    CHECK(parse_date("Thursday, 01-Jan-74 00:00:00 GMT", now) ==
          parse_date("Thu, 01 Jan 1974 00:00:00 GMT", now));
    CHECK(parse_date("Friday, 01-Jan-99 00:00:00 GMT", now) ==
          parse_date("Fri, 01 Jan 1999 00:00:00 GMT", now));
}

TEST_CASE("what is no date is refused") {
    const std::vector<std::string> rows = {
        "",
        "0",
        "-1",
        "Sun",
        "Sun,",
        "now",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMTX",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sux, 06 Nov 1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "Sunda, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov 32 08:49:37 1994",
        std::string("Sun, 06 Nov 1994 08:49:37\0GMT", 29),
    };
    for (const std::string& row : rows) {
        INFO(row);
        CHECK_FALSE(parse_date(row, at(1700000000)));
    }
}

TEST_CASE("dates are written as IMF-fixdate") {
    CHECK(format_date(at(the_example)) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(format_date(at(0)) == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(format_date(at(-1)) == "Wed, 31 Dec 1969 23:59:59 GMT");
    CHECK(format_date(wall_time{milliseconds{1999}}) == "Thu, 01 Jan 1970 00:00:01 GMT");
    CHECK(format_date(at(253402300799)) == "Fri, 31 Dec 9999 23:59:59 GMT");
    CHECK(format_date(wall_time::max()) == "Fri, 31 Dec 9999 23:59:59 GMT");
    CHECK(format_date(wall_time::min()).size() == date_size);
}

TEST_CASE("every date that is written reads as the same time") {
    test::random_source random;
    INFO("seed " << random.seed);
    for (int i = 0; i < 2000; ++i) {
        const wall_time t = at(static_cast<std::int64_t>(random.below(253402300800)));
        const std::string text = format_date(t);
        INFO(text);
        REQUIRE(text.size() == date_size);
        REQUIRE(parse_date(text, at(0)) == t);
    }
}
