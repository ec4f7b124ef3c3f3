#include "support/catch.hpp"
#include "validation_support.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/range.hpp>
#include <meshcache/http/stored_head.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;
using test::stored;
using kind = requested_ranges::kind;

namespace {

/// "0-4 7-9" for half-open spans [0,5) [7,10); "whole" or "416" for the rest.
std::string shown(const requested_ranges& r) {
    if (r.what() == kind::whole) return r.spans().empty() ? "whole" : "whole with spans";
    if (r.what() == kind::unsatisfiable) return r.spans().empty() ? "416" : "416 with spans";
    std::string out;
    for (const byte_span& s : r.spans()) {
        if (!out.empty()) out += ' ';
        out += std::to_string(s.begin) + "-" + std::to_string(s.end - 1);
    }
    return out;
}

constexpr range_limits tight{most_spans, most_range_specs, 2, 0}; ///< joins only what touches

/// `n` specs of one byte each, `step` bytes apart.
std::string bytes_apart(std::size_t n, std::size_t step) {
    std::string out = "bytes=";
    for (std::size_t i = 0; i < n; ++i) {
        if (i != 0) out += ',';
        out += std::to_string(i * step) + "-" + std::to_string(i * step);
    }
    return out;
}

} // namespace

TEST_CASE("Range is read as the RFC has it") {
    struct row {
        std::string value;
        std::uint64_t length;
        std::string expected;
    };
    const std::string huge(40, '9'), zeros(40, '0');
    const std::vector<row> rows = {
        // one int-range
        {"bytes=0-0", 10, "0-0"},
        {"bytes=0-9", 10, "0-9"},
        {"bytes=0-4", 10, "0-4"},
        {"bytes=9-9", 10, "9-9"},
        {"bytes=5-5", 10, "5-5"},
        {"bytes=0-10", 10, "0-9"},
        {"bytes=9-100", 10, "9-9"},
        {"bytes=0-", 10, "0-9"},
        {"bytes=9-", 10, "9-9"},
        {"bytes=10-", 10, "416"},
        {"bytes=10-10", 10, "416"},
        {"bytes=10-20", 10, "416"},
        {"bytes=0-0", 1, "0-0"},
        {"bytes=1-1", 1, "416"},
        {"bytes=007-008", 10, "7-8"},
        {"bytes=" + zeros + "1-" + zeros + "2", 10, "1-2"},
        // one suffix-range
        {"bytes=-1", 10, "9-9"},
        {"bytes=-10", 10, "0-9"},
        {"bytes=-11", 10, "0-9"},
        {"bytes=-0", 10, "416"},
        {"bytes=-00", 10, "416"},
        {"bytes=-01", 10, "9-9"},
        // numbers beyond 64 bits
        {"bytes=18446744073709551615-", 10, "416"},
        {"bytes=18446744073709551616-", 10, "416"},
        {"bytes=0-18446744073709551615", 10, "0-9"},
        {"bytes=0-18446744073709551616", 10, "0-9"},
        {"bytes=-18446744073709551616", 10, "0-9"},
        {"bytes=" + huge + "-", 10, "416"},
        {"bytes=" + huge + "-" + huge, 10, "416"},
        {"bytes=1-" + huge, 10, "1-9"},
        {"bytes=-" + huge, 10, "0-9"},
        {"bytes=" + huge + "-1", 10, "whole"},
        {"bytes=0-18446744073709551615", std::numeric_limits<std::uint64_t>::max(), "0-18446744073709551614"},
        {"bytes=18446744073709551614-", std::numeric_limits<std::uint64_t>::max(),
         "18446744073709551614-18446744073709551614"},
        // empty content
        {"bytes=0-", 0, "416"},
        {"bytes=0-0", 0, "416"},
        {"bytes=-0", 0, "416"},
        {"bytes=-1", 0, "whole"},
        {"bytes=0-0,-1", 0, "whole"},
        // the unit
        {"BYTES=0-0", 10, "0-0"},
        {"Bytes=0-0", 10, "0-0"},
        {"byte=0-0", 10, "whole"},
        {"bytess=0-0", 10, "whole"},
        {"pages=0-0", 10, "whole"},
        {"none", 10, "whole"},
        {"=0-0", 10, "whole"},
        {"bytes 0-0", 10, "whole"},
        {"bytes =0-0", 10, "whole"},
        {" bytes=0-0", 10, "whole"},
        {"bytes= 0-0", 10, "whole"},
        {"bytes=\t0-0", 10, "whole"},
        {"bytes:0-0", 10, "whole"},
        {"bytes", 10, "whole"},
        {"", 10, "whole"},
        // no range at all
        {"bytes=", 10, "whole"},
        {"bytes=,", 10, "whole"},
        {"bytes=, ,", 10, "whole"},
        {"bytes=-", 10, "whole"},
        {"bytes=--", 10, "whole"},
        // malformed specs; one is enough
        {"bytes=5-4", 10, "whole"},
        {"bytes=20-19", 10, "whole"},
        {"bytes=0-0,5-4", 10, "whole"},
        {"bytes=5", 10, "whole"},
        {"bytes=a-b", 10, "whole"},
        {"bytes=0-b", 10, "whole"},
        {"bytes=a-0", 10, "whole"},
        {"bytes=0x0-0x1", 10, "whole"},
        {"bytes=+0-1", 10, "whole"},
        {"bytes=0-+1", 10, "whole"},
        {"bytes=0--1", 10, "whole"},
        {"bytes=--1", 10, "whole"},
        {"bytes=-1-", 10, "whole"},
        {"bytes=0-1-2", 10, "whole"},
        {"bytes=0 -1", 10, "whole"},
        {"bytes=0- 1", 10, "whole"},
        {"bytes=- 1", 10, "whole"},
        {"bytes=0-1;2-3", 10, "whole"},
        {"bytes=0-1 2-3", 10, "whole"},
        {"bytes=0.0-1", 10, "whole"},
        {"bytes=1e0-2", 10, "whole"},
        {"bytes=*", 10, "whole"},
        {"bytes=0-*", 10, "whole"},
        {"bytes=*/10", 10, "whole"},
        {"bytes=0-1/10", 10, "whole"},
        {"bytes=\"0-1\"", 10, "whole"},
        {"bytes=0-1,\"", 10, "whole"},
        {"bytes=0-1,x", 10, "whole"},
        {"bytes=x,0-1", 10, "whole"},
        {"bytes=0-0,bytes=2-2", 10, "whole"},
        {"bytes==0-0", 10, "whole"},
        {"bytes=0-\x80", 10, "whole"},
        {"bytes=\xd9\xa0-", 10, "whole"},
        // several, with what is not satisfiable left out
        {"bytes=0-0,2-2", 10, "0-0 2-2"},
        {"bytes=0-0, 2-2", 10, "0-0 2-2"},
        {"bytes=0-0 ,\t2-2", 10, "0-0 2-2"},
        {"bytes=,0-0,,2-2,", 10, "0-0 2-2"},
        {"bytes=0-0,-1", 10, "0-0 9-9"},
        {"bytes=-1,0-0", 10, "9-9 0-0"},
        {"bytes=4-4,2-2,8-8", 10, "4-4 2-2 8-8"},
        {"bytes=0-0,10-", 10, "0-0"},
        {"bytes=10-,0-0", 10, "0-0"},
        {"bytes=0-0,-0", 10, "0-0"},
        {"bytes=10-,20-,-0", 10, "416"},
        {"bytes=10-,5-4", 10, "whole"},
        // joined: what touches or overlaps, where its first part stood
        {"bytes=0-1,2-3", 10, "0-3"},
        {"bytes=2-3,0-1", 10, "0-3"},
        {"bytes=0-2,2-4", 10, "0-4"},
        {"bytes=8-8,2-3,0-1", 10, "8-8 0-3"},
        {"bytes=2-3,8-8,0-1", 10, "0-3 8-8"},
        {"bytes=0-0,1-1,2-2,3-3", 10, "0-3"},
        {"bytes=0-4,5-9", 10, "0-9"},
        {"bytes=0-4,5-", 10, "0-9"},
        {"bytes=1-3,2-2", 10, "1-3"},
        {"bytes=2-2,1-3", 10, "1-3"},
        // more bytes than there are
        {"bytes=0-,0-", 10, "whole"},
        {"bytes=0-9,0-0", 10, "whole"},
        {"bytes=0-5,5-9", 10, "whole"},
        {"bytes=-6,-5", 10, "whole"},
        {"bytes=0-,-1", 10, "whole"},
        // more than two that overlap
        {"bytes=0-0,0-0", 10, "0-0"},
        {"bytes=0-0,0-0,0-0", 10, "whole"},
        {"bytes=0-2,2-4,4-6", 100, "whole"},
        {"bytes=0-2,2-4,20-22,22-24", 100, "whole"},
        {"bytes=0-2,2-4,20-22", 100, "0-4 20-22"},
    };
    for (const row& r : rows) {
        INFO(test::shown(r.value) << " of " << r.length);
        CHECK(shown(parse_range(r.value, r.length, tight)) == r.expected);
    }
}

TEST_CASE("spans that lie close together are joined") {
    const auto joined = [](std::uint64_t gap, std::string_view value) {
        range_limits limits;
        limits.join_gap = gap;
        return shown(parse_range(value, 1000, limits));
    };
    CHECK(joined(80, "bytes=0-9,89-99") == "0-99"); // a gap of 79
    CHECK(joined(80, "bytes=0-9,90-99") == "0-9 90-99");
    CHECK(joined(80, "bytes=90-99,0-9") == "90-99 0-9");
    CHECK(joined(1, "bytes=0-0,2-2") == "0-0 2-2");
    CHECK(joined(2, "bytes=0-0,2-2") == "0-2");
    CHECK(joined(0, "bytes=0-0,1-1") == "0-1");
    CHECK(joined(std::numeric_limits<std::uint64_t>::max(), "bytes=0-0,-1") == "0-999");
    CHECK(shown(parse_range("bytes=0-0,-1", 80)) == "0-79");
    CHECK(shown(parse_range("bytes=0-0,-1", 82)) == "0-0 81-81");
}

TEST_CASE("a range that asks for too much is ignored") {
    CHECK(parse_range(bytes_apart(16, 1000), 100000).spans().size() == 16);
    CHECK(shown(parse_range(bytes_apart(17, 1000), 100000)) == "whole");
    // As many as are read, if they become few.
    CHECK(shown(parse_range(bytes_apart(64, 1), 100000)) == "0-63");
    CHECK(shown(parse_range(bytes_apart(65, 1), 100000)) == "whole");
    // What cannot be satisfied counts as well.
    CHECK(shown(parse_range(bytes_apart(64, 1000), 1)) == "0-0");
    CHECK(shown(parse_range(bytes_apart(65, 1000), 1)) == "whole");

    range_limits few;
    few.max_spans = 2;
    few.max_specs = 3;
    CHECK(shown(parse_range(bytes_apart(2, 1000), 100000, few)) == "0-0 1000-1000");
    CHECK(shown(parse_range(bytes_apart(3, 1000), 100000, few)) == "whole");
    CHECK(shown(parse_range(bytes_apart(3, 1), 100000, few)) == "0-2");
    CHECK(shown(parse_range(bytes_apart(4, 1), 100000, few)) == "whole");
    few.max_spans = few.max_specs = 1000; // no more than there is room for
    CHECK(shown(parse_range(bytes_apart(17, 1000), 100000, few)) == "whole");
    CHECK(shown(parse_range(bytes_apart(65, 1), 100000, few)) == "whole");

    // The amplification that was once an attack: many overlapping parts of everything.
    std::string attack = "bytes=0-";
    for (int i = 0; i < 1300; ++i) attack += ",5-" + std::to_string(i);
    CHECK(shown(parse_range(attack, 1000000)) == "whole");
    CHECK(shown(parse_range("bytes=0-,0-,0-", 1000000)) == "whole");
}

TEST_CASE("spans lie within the content, apart, and hold what was asked for") {
    test::random_source random;
    INFO("seed " << random.seed);
    for (int round = 0; round < 5000; ++round) {
        const std::uint64_t length = 1 + random.below(300);
        std::string value = "bytes=";
        std::vector<bool> wanted(length, false);
        const std::size_t specs = 1 + random.below(6);
        for (std::size_t i = 0; i < specs; ++i) {
            if (i != 0) value += random.below(4) != 0 ? "," : " , ,";
            const std::uint64_t a = random.below(320), b = a + random.below(40);
            std::uint64_t begin = a, end = b + 1;
            switch (random.below(3)) {
            case 0:
                value += std::to_string(a) + "-";
                end = length;
                break;
            case 1:
                value += "-" + std::to_string(a);
                begin = length - std::min(a, length);
                end = length;
                break;
            default:
                value += std::to_string(a) + "-" + std::to_string(b);
                break;
            }
            for (std::uint64_t k = begin; k < std::min(end, length); ++k) wanted[k] = true;
        }
        range_limits limits;
        limits.join_gap = random.below(100);
        const requested_ranges r = parse_range(value, length, limits);
        INFO(value << " of " << length << ", joined below " << limits.join_gap << ": " << shown(r));
        const bool anything = std::find(wanted.begin(), wanted.end(), true) != wanted.end();
        if (r.what() == kind::unsatisfiable) REQUIRE_FALSE(anything);
        if (r.what() != kind::partial) {
            REQUIRE(r.spans().empty());
            continue;
        }
        REQUIRE(anything);
        REQUIRE(!r.spans().empty());
        REQUIRE(r.spans().size() <= specs);
        std::vector<byte_span> sorted(r.spans().begin(), r.spans().end());
        std::sort(sorted.begin(), sorted.end(), [](auto x, auto y) { return x.begin < y.begin; });
        std::vector<bool> sent(length, false);
        for (std::size_t i = 0; i < sorted.size(); ++i) {
            REQUIRE(sorted[i].begin < sorted[i].end);
            REQUIRE(sorted[i].end <= length);
            if (i != 0)
                REQUIRE(sorted[i].begin - sorted[i - 1].end >= std::max<std::uint64_t>(1, limits.join_gap));
            for (std::uint64_t k = sorted[i].begin; k < sorted[i].end; ++k) sent[k] = true;
        }
        for (std::uint64_t k = 0; k < length; ++k)
            if (wanted[k]) REQUIRE(sent[k]);
    }
}

TEST_CASE("any bytes are a Range or are ignored") {
    test::random_source random;
    INFO("seed " << random.seed);
    for (int round = 0; round < 20000; ++round) {
        const std::string value = "bytes=" + random.text("0123456789--,, \"*", 24);
        const std::uint64_t length = random.below(2000);
        const requested_ranges r = parse_range(value, length);
        INFO(value << " of " << length);
        std::uint64_t total = 0;
        for (const byte_span& s : r.spans()) {
            REQUIRE(s.begin < s.end);
            REQUIRE(s.end <= length);
            total += s.size();
        }
        REQUIRE(total <= length);
        REQUIRE((r.what() == kind::partial) == !r.spans().empty());
    }
}

TEST_CASE("If-Range holds for a strong validator of the stored response") {
    constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";
    const std::string dated =
        "Last-Modified: " + std::string(date) + "\r\nDate: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
    struct row {
        std::string stored_lines, if_range;
        bool holds;
    };
    const std::vector<row> rows = {
        {"ETag: \"a\"\r\n", "\"a\"", true},
        {"ETag: \"a\"\r\n", "\"b\"", false},
        {"ETag: \"a\"\r\n", "\"A\"", false},
        {"ETag: \"a\"\r\n", "W/\"a\"", false},
        {"ETag: W/\"a\"\r\n", "W/\"a\"", false},
        {"ETag: W/\"a\"\r\n", "\"a\"", false},
        {"ETag: \"\"\r\n", "\"\"", true},
        {"ETag: \"a\"\r\n", "a", false},
        {"ETag: a\r\n", "a", false},
        {"ETag: \"a\"\r\n", "\"a\", \"b\"", false},
        {"ETag: \"a\"\r\n", "\"a\",", false},
        {"ETag: \"a\"\r\n", "*", false},
        {"ETag: \"a\"\r\n", "", false},
        {"ETag: \"a\"\r\nETag: \"a\"\r\n", "\"a\"", false},
        {"", "\"a\"", false},
        {dated, "Sun, 06 Nov 1994 08:49:37 GMT", true},
        {dated, "Sunday, 06-Nov-94 08:49:37 GMT", true},
        {dated, "Sun Nov  6 08:49:37 1994", true},
        {dated, "Sun, 06 Nov 1994 08:49:36 GMT", false},
        {dated, "Sun, 06 Nov 1994 08:49:38 GMT", false}, // exactly, not "since"
        {dated, "Sun, 06 Nov 1994 08:49:37", false},
        {dated, "784111777", false},
        {dated + "ETag: \"a\"\r\n", "Sun, 06 Nov 1994 08:49:37 GMT", true},
        {dated + "ETag: \"a\"\r\n", "\"a\"", true},
        // Last-Modified is weak until a minute has passed, or when nobody knows.
        {"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:50:36 GMT\r\n",
         "Sun, 06 Nov 1994 08:49:37 GMT", false},
        {"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
         "Sun, 06 Nov 1994 08:49:37 GMT", false},
        {"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Sun, 06 Nov 1994 08:49:37 GMT", false},
        {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Sun, 06 Nov 1994 08:49:37 GMT", false},
        {"", "Sun, 06 Nov 1994 08:49:37 GMT", false},
    };
    for (const row& r : rows) {
        INFO(test::shown(r.stored_lines) << " If-Range: " << r.if_range);
        const stored s(r.stored_lines);
        const test::request request(test::get("If-Range: " + r.if_range + "\r\n"));
        CHECK(if_range_holds(request.head.fields, s.head.fields, at(1700000000)) == r.holds);
    }
    const stored s("ETag: \"a\"\r\n");
    CHECK(if_range_holds(test::request(test::get("")).head.fields, s.head.fields, at(0)));
    const test::request twice(test::get("If-Range: \"a\"\r\nIf-Range: \"a\"\r\n"));
    CHECK_FALSE(if_range_holds(twice.head.fields, s.head.fields, at(0)));
}

TEST_CASE("only a GET that a 200 answers has ranges") {
    const stored s("ETag: \"a\"\r\n");
    const auto selected = [](std::string_view lines, const stored& from, method verb = method::get) {
        const test::request request(test::get(lines));
        return shown(select_ranges(request.head.fields, verb, from.head, 10, at(1700000000)));
    };
    CHECK(selected("Range: bytes=1-2\r\n", s) == "1-2");
    CHECK(selected("range: bytes=10-\r\n", s) == "416");
    CHECK(selected("", s) == "whole");
    CHECK(selected("Range: bytes=1-2\r\n", s, method::head) == "whole");
    CHECK(selected("Range: bytes=1-2\r\n", s, method::post) == "whole");
    CHECK(selected("Range: bytes=1-2\r\n", s, method::other) == "whole");
    CHECK(selected("Range: bytes=1-2\r\nRange: bytes=1-2\r\n", s) == "whole");
    CHECK(selected("Range: bytes=1-2\r\nRange:\r\n", s) == "whole");
    CHECK(selected("Range:\r\n", s) == "whole");
    CHECK(selected("Range: bytes=1-2\r\nIf-Range: \"a\"\r\n", s) == "1-2");
    CHECK(selected("Range: bytes=1-2\r\nIf-Range: \"b\"\r\n", s) == "whole");
    CHECK(selected("Range: bytes=10-\r\nIf-Range: \"a\"\r\n", s) == "416");
    CHECK(selected("Range: bytes=10-\r\nIf-Range: \"b\"\r\n", s) == "whole");
    CHECK(selected("If-Range: \"a\"\r\n", s) == "whole");
    for (const std::string_view status : {"203 x", "204 x", "206 x", "301 x", "404 x", "500 x"})
        CHECK(selected("Range: bytes=1-2\r\n", stored("", status)) == "whole");
}

TEST_CASE("Content-Range has inclusive positions") {
    const auto written = [](byte_span span, std::uint64_t length) {
        std::string out;
        write_content_range(span, length, out);
        return out;
    };
    CHECK(written({0, 1}, 1) == "bytes 0-0/1");
    CHECK(written({0, 500}, 1234) == "bytes 0-499/1234");
    CHECK(
        written({0, std::numeric_limits<std::uint64_t>::max()}, std::numeric_limits<std::uint64_t>::max()) ==
        "bytes 0-18446744073709551614/18446744073709551615");
}

TEST_CASE("a partial head has the stored fields and its own length") {
    const stored s(
        "Date: x\r\nContent-Type: text/plain\r\nETag: \"a\"\r\nContent-MD5: q\r\nContent-Digest: q\r\n"
        "Repr-Digest: r\r\nContent-Encoding: gzip\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
        "Accept-Ranges: none\r\nVary: a\r\nVia: 1.1 meshcache\r\nContent-Length: 10\r\n");
    std::string out = "before;";
    write_partial_head(s.head, {2, 5}, 10, out);
    CHECK(test::shown(out) ==
          test::shown(
              "before;HTTP/1.1 206 Partial Content\r\nDate: x\r\nContent-Type: text/plain\r\nETag: \"a\"\r\n"
              "Repr-Digest: r\r\nContent-Encoding: gzip\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nVary: a\r\n"
              "Via: 1.1 meshcache\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\n"));

    out.clear();
    write_partial_head(stored("Accept-Ranges: bytes\r\n").head, {0, 1}, 1, out);
    CHECK(out == "HTTP/1.1 206 Partial Content\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 0-0/1\r\n"
                 "Content-Length: 1\r\n");
}

TEST_CASE("an unsatisfiable range is told the length") {
    std::string out;
    write_unsatisfiable_head(1234, "Thu, 01 Jan 1970 00:00:00 GMT", out);
    CHECK(out == "HTTP/1.1 416 Range Not Satisfiable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Content-Range: bytes */1234\r\nVia: 1.1 meshcache\r\nContent-Length: 0\r\n");
}

TEST_CASE("a multipart answer is written part by part") {
    const stored s("Date: x\r\nContent-Type: text/plain\r\nContent-Length: 10\r\nETag: \"a\"\r\n");
    const std::vector<byte_span> spans = {{8, 10}, {0, 1}};
    const multipart_ranges parts(s.head, spans, 10, "xyz");
    REQUIRE(parts.size() == 2);
    CHECK(parts.part_head(0) == "--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n");
    CHECK(parts.part_head(1) ==
          "\r\n--xyz\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n");
    CHECK(parts.closing() == "\r\n--xyz--\r\n");
    const auto text = parts.part_head(0).size() + parts.part_head(1).size() + parts.closing().size();
    CHECK(parts.content_length() == text + 3);
    std::string head;
    parts.write_head(s.head, head);
    CHECK(head == "HTTP/1.1 206 Partial Content\r\nDate: x\r\nETag: \"a\"\r\n"
                  "Content-Type: multipart/byteranges; boundary=xyz\r\nContent-Length: " +
                      std::to_string(parts.content_length()) + "\r\n");

    const stored untyped("Date: x\r\n");
    CHECK(multipart_ranges(untyped.head, spans, 10, "b").part_head(0) ==
          "--b\r\nContent-Range: bytes 8-9/10\r\n\r\n");
}

TEST_CASE("a boundary is a token with all the bits that it was given") {
    CHECK(make_boundary(0, 0) == std::string(32, '0'));
    CHECK(make_boundary(0x0123456789abcdef, 0xfedcba9876543210) == "0123456789abcdeffedcba9876543210");
    CHECK(is_token(make_boundary(~std::uint64_t{0}, 1)));
}

TEST_CASE("a multipart answer reads as the spans it was made of, and is as long as it says") {
    test::random_source random;
    INFO("seed " << random.seed);
    for (int round = 0; round < 500; ++round) {
        std::string content(1 + random.below(5000), ' ');
        for (char& c : content) c = random.pick("ab\r\n-");
        std::string value = "bytes=";
        for (std::size_t i = random.below(5) + 2; i != 0; --i) {
            const auto begin = random.below(content.size());
            value += std::to_string(begin) + "-" + std::to_string(begin + random.below(20)) + ",";
        }
        const requested_ranges r = parse_range(value, content.size());
        if (r.spans().size() < 2) continue;
        const stored s("Content-Type: a/b\r\n");
        const std::string boundary = make_boundary(random.engine(), random.engine());
        const multipart_ranges parts(s.head, r.spans(), content.size(), boundary);

        std::string sent;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            sent += parts.part_head(i);
            sent += content.substr(r.spans()[i].begin, r.spans()[i].size());
        }
        sent += parts.closing();
        INFO(value << " of " << content.size());
        REQUIRE(sent.size() == parts.content_length());

        // Read as a client reads it: by the boundary alone.
        const std::string delimiter = "\r\n--" + boundary;
        std::string rest = "\r\n" + sent;
        for (const byte_span& span : r.spans()) {
            REQUIRE(rest.compare(0, delimiter.size() + 2, delimiter + "\r\n") == 0);
            rest.erase(0, delimiter.size() + 2);
            field_list fields;
            std::size_t size = 0;
            REQUIRE(parse_field_lines(rest, head_limits{}, fields, size).state == parse_state::complete);
            REQUIRE(fields.value(field_id::content_type) == "a/b");
            std::string range;
            write_content_range(span, content.size(), range);
            REQUIRE(fields.value(field_id::content_range) == range);
            const auto end = rest.find(delimiter, size);
            REQUIRE(end != std::string::npos);
            REQUIRE(rest.substr(size, end - size) == content.substr(span.begin, span.size()));
            rest.erase(0, end);
        }
        REQUIRE(rest == delimiter + "--\r\n");
    }
}

TEST_CASE("Content-Range is read where it is sound, and nowhere else") {
    struct row {
        std::string lines;
        std::optional<content_range> expected;
    };
    const std::vector<row> rows = {
        {"Content-Range: bytes 0-4/10\r\n", content_range{{0, 5}, 10}},
        {"Content-Range: Bytes 9-9/10\r\n", content_range{{9, 10}, 10}},
        {"", std::nullopt},
        {"Content-Range: bytes 0-4/*\r\n", std::nullopt},
        {"Content-Range: bytes */10\r\n", std::nullopt},
        {"Content-Range: bytes 4-0/10\r\n", std::nullopt},
        {"Content-Range: bytes 0-10/10\r\n", std::nullopt},
        {"Content-Range: bytes 0-/10\r\n", std::nullopt},
        {"Content-Range: bytes -4/10\r\n", std::nullopt},
        {"Content-Range: bytes 0-4\r\n", std::nullopt},
        {"Content-Range: bytes 0/4-10\r\n", std::nullopt},
        {"Content-Range: bytes=0-4/10\r\n", std::nullopt},
        {"Content-Range: lines 0-4/10\r\n", std::nullopt},
        {"Content-Range: bytes 0-99999999999999999999/999999999999999999999\r\n", std::nullopt},
        {"Content-Range: bytes 0-4/10\r\nContent-Range: bytes 0-4/10\r\n", std::nullopt},
    };
    for (const auto& r : rows) {
        INFO(r.lines);
        const test::response response("HTTP/1.1 206 Partial Content\r\n" + r.lines + "\r\n");
        const auto got = parse_content_range(response.head.fields);
        REQUIRE(got.has_value() == r.expected.has_value());
        if (got) {
            CHECK(got->span == r.expected->span);
            CHECK(got->complete_length == r.expected->complete_length);
        }
    }
}
