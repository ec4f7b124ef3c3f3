#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/chunked.hpp>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::http;
using test::shown;
using namespace std::string_literals;

namespace {

struct outcome {
    chunk_decoder::state state = chunk_decoder::state::more;
    std::string content, trailers;
    std::size_t used = 0;
    friend bool operator==(const outcome&, const outcome&) = default;
};

/// Feeds `input` in pieces that end where `cut` says.
template <class Cut>
outcome decode(std::string_view input, Cut cut) {
    outcome out;
    chunk_decoder decoder;
    while (out.used < input.size() || out.used == 0) {
        std::string_view piece = input.substr(out.used, cut(input.size() - out.used));
        for (;;) {
            const chunk_decoder::step s = decoder.next(piece);
            REQUIRE(s.consumed <= piece.size());
            out.state = s.what;
            out.used += s.consumed;
            (s.what == chunk_decoder::state::trailers ? out.trailers : out.content) += s.content;
            piece.remove_prefix(s.consumed);
            if (s.what == chunk_decoder::state::done || s.what == chunk_decoder::state::malformed) return out;
            if (s.what == chunk_decoder::state::more) break;
            REQUIRE_FALSE(s.content.empty());
        }
        REQUIRE(piece.empty());
        if (input.empty()) break;
    }
    return out;
}

outcome decode_whole(std::string_view input) {
    return decode(input, [](std::size_t rest) { return rest; });
}

const std::vector<std::pair<std::string, std::string>> valid = {
    {"0\r\n\r\n", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
    {"A\r\n0123456789\r\n000\r\n\r\n", "0123456789"},
    {"0000000000000001\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a\r\nx\r\n0;b=c;d=\"e\"\r\n\r\n", "x"},
    {"1;a=\"\\\"; \t\xc3\xa9\"\r\nx\r\n0\r\n\r\n", "x"},
    {"1;a=\"\";b\r\nx\r\n0\r\n\r\n", "x"},
    {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
    {"0\r\nTrailer: x\r\nContent-Length: 5\r\n\r\n", ""},
    {"0\r\nA:\r\nB: \t\xff\r\n\r\n", ""},
    {"a\r\n0123456789\r\nF\r\n0123456789abcde\r\n0\r\n\r\n", "01234567890123456789abcde"},
};

const std::vector<std::string> malformed = {
    "\r\n",
    "\n",
    "g\r\n",
    " 1\r\nx\r\n",
    "1 \r\nx\r\n",
    "1\t\r\nx\r\n",
    "+1\r\nx\r\n",
    "-1\r\nx\r\n",
    "0x1\r\nx\r\n",
    "1_0\r\nx\r\n",
    "1.\r\nx\r\n",
    "1,1\r\nx\r\n",
    "8000000000000000\r\n",
    "ffffffffffffffff\r\n",
    "10000000000000001\r\n",
    "00000000000000001\r\nx\r\n",
    "1\nx\r\n",
    "1\rx\r\n",
    "1\r\rx\r\n",
    "1\r\nxy",
    "1\r\nx\n",
    "1\r\nx\rx",
    "1\r\nx0\r\n\r\n",
    "1\r\nx\r\n\r\n",
    "1\r\nx\r\n;a\r\n",
    "1;\r\n",
    "1;;a\r\n",
    "1; a\r\n",
    "1 ;a\r\n",
    "1;a =b\r\n",
    "1;a= b\r\n",
    "1;a=\r\n",
    "1;a=b c\r\n",
    "1;=b\r\n",
    "1;a=b=c\r\n",
    "1;a\n",
    "1;a\rb",
    "1;a\0"s,
    "1;a=\"b\n",
    "1;a=\"b\r\n",
    "1;a=\"b\x7f\"\r\n",
    "1;a=\"\\\n",
    "1;a=\"b\"c\r\n",
    "1;a=\"b\" \r\n",
    "1;@\r\n",
    "1;a,b\r\n",
    "0\r\n\n",
    "0\n\r\n",
    "0\r\n\r\r",
    "0\r\nx\r\n",
    "0\r\n: x\r\n",
    "0\r\nA : x\r\n",
    "0\r\n A: x\r\n",
    "0\r\nA: x\n",
    "0\r\nA: x\rB",
    "0\r\nA: \0\r\n"s,
    "0\r\nA: x\r\n B\r\n",
    "0\r\nGET / HTTP/1.1\r\n",
};

} // namespace

TEST_CASE("a chunked body is decoded") {
    for (const auto& [coded, content] : valid) {
        INFO(shown(coded));
        const outcome o = decode_whole(coded + "next");
        CHECK(o.state == chunk_decoder::state::done);
        CHECK(o.content == content);
        CHECK(o.used == coded.size());
    }
}

TEST_CASE("a prefix of a chunked body wants more") {
    for (const auto& [coded, content] : valid) {
        for (std::size_t size = 0; size < coded.size(); ++size) {
            INFO(shown(std::string_view(coded).substr(0, size)));
            const outcome o = decode_whole(std::string_view(coded).substr(0, size));
            CHECK(o.state == chunk_decoder::state::more);
            CHECK(content.substr(0, o.content.size()) == o.content);
        }
    }
}

TEST_CASE("a malformed chunked body is refused") {
    for (const std::string& coded : malformed) {
        INFO(shown(coded));
        const outcome o = decode_whole(coded);
        CHECK(o.state == chunk_decoder::state::malformed);
        CHECK(o.used < coded.size());
    }
}

TEST_CASE("extensions and trailers are bounded") {
    CHECK(decode_whole("1;" + std::string(255, 'a') + "\r\nx\r\n0\r\n\r\n").state ==
          chunk_decoder::state::done);
    CHECK(decode_whole("1;" + std::string(257, 'a')).state == chunk_decoder::state::malformed);
    CHECK(decode_whole("1;a=\"" + std::string(257, 'a')).state == chunk_decoder::state::malformed);
    CHECK(decode_whole("0\r\nA: " + std::string(8000, 'a') + "\r\n\r\n").state == chunk_decoder::state::done);
    CHECK(decode_whole("0\r\nA: " + std::string(8300, 'a')).state == chunk_decoder::state::malformed);
    std::string many = "0\r\n";
    for (int i = 0; i < 2000; ++i) many += "A: b\r\n";
    CHECK(decode_whole(many).state == chunk_decoder::state::malformed);
}

TEST_CASE("the field lines of the trailer section are handed out, however they come") {
    for (const std::string& lines :
         {std::string(), std::string("A: b\r\n"), std::string("A: b\r\nC:\r\nD: \t e \r\n")}) {
        const std::string coded = "5\r\nhello\r\n0;x\r\n" + lines + "\r\n";
        for (const std::size_t size :
             {coded.size(), std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
            const outcome o = decode(coded + "rest", [&](std::size_t rest) { return std::min(rest, size); });
            CHECK(o.state == chunk_decoder::state::done);
            CHECK(o.content == "hello");
            CHECK(o.trailers == lines);
            CHECK(o.used == coded.size());
        }
    }
}

TEST_CASE("the largest chunk size is 2^63-1") {
    chunk_decoder decoder;
    const auto s = decoder.next("7fffffffffffffff\r\nabc");
    CHECK(s.what == chunk_decoder::state::data);
    CHECK(s.content == "abc");
    CHECK(decoder.next("").what == chunk_decoder::state::more);
}

TEST_CASE("a decoder that is done or has refused uses nothing more, until it is reset") {
    chunk_decoder decoder;
    CHECK(decoder.next("0\r\n\r\nrest").consumed == 5);
    CHECK(decoder.done());
    CHECK(decoder.next("rest").consumed == 0);
    CHECK(decoder.next("rest").what == chunk_decoder::state::done);
    decoder.reset();
    CHECK_FALSE(decoder.done());
    CHECK(decoder.next("x").what == chunk_decoder::state::malformed);
    CHECK(decoder.next("1").what == chunk_decoder::state::malformed);
}

TEST_CASE("the result is the same however the input is split") {
    test::random_source random;
    INFO("seed " << random.seed);
    std::vector<std::string> inputs = malformed;
    for (const auto& [coded, content] : valid) inputs.push_back(coded + "rest");
    for (int i = 0; i < 300; ++i) {
        std::string coded;
        for (std::size_t chunks = random.below(6); chunks > 0; --chunks) {
            const std::string content = "x" + random.text("ab\r\n;0", 40);
            char size[18];
            coded.append(size, write_chunk_size(size, content.size()));
            if (random.below(3) == 0)
                coded.insert(coded.size() - 2, ";k=" + std::string(random.below(5) + 1, 'v'));
            coded += content + "\r\n";
        }
        coded += last_chunk;
        if (random.below(3) == 0) coded[random.below(coded.size())] = random.pick("0a;\r\n \"=");
        inputs.push_back(coded);
    }
    for (const std::string& input : inputs) {
        INFO(shown(input));
        const outcome whole = decode_whole(input);
        REQUIRE(decode(input, [](std::size_t) { return std::size_t{1}; }) == whole);
        for (int i = 0; i < 5; ++i)
            REQUIRE(decode(input, [&](std::size_t) { return random.below(9) + 1; }) == whole);
    }
}

TEST_CASE("chunk sizes are written in hex") {
    const auto written = [](std::uint64_t n) {
        char out[18];
        return std::string(out, write_chunk_size(out, n));
    };
    CHECK(written(0) == "0\r\n");
    CHECK(written(9) == "9\r\n");
    CHECK(written(10) == "a\r\n");
    CHECK(written(16) == "10\r\n");
    CHECK(written(0x12345) == "12345\r\n");
    CHECK(written(std::numeric_limits<std::uint64_t>::max()) == "ffffffffffffffff\r\n");
}
