#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/stored_head.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::http;
using test::shown;

TEST_CASE("a stored head is read as the parser reads it") {
    const std::string text =
        "HTTP/1.1 404 Not  Found\r\nDate: x\r\nETag:\"a\"\r\nX-Empty:\r\nVia: 1.0 b \r\nVia: 1.1 c\r\n";
    response_head head;
    REQUIRE(read_stored_head(text, head));
    CHECK(head.status == 404);
    CHECK(head.reason == "Not  Found");
    CHECK(head.minor == 1);
    CHECK(head.size == text.size());
    CHECK(head.fields.size() == 5);
    CHECK(head.fields.value(field_id::etag) == "\"a\"");
    CHECK(head.fields.count(field_id::via) == 2);
    CHECK(head.fields.value(field_id::via) == "1.0 b");
    CHECK(head.fields.find("x-empty")->value.empty());

    REQUIRE(read_stored_head("HTTP/1.0 200\r\n", head));
    CHECK(head.minor == 0);
    CHECK(head.reason.empty());
    CHECK(head.fields.empty());
    REQUIRE(read_stored_head("HTTP/1.1 200 \r\n", head));
    CHECK(head.reason.empty());
}

TEST_CASE("what is no stored head is refused") {
    const std::vector<std::string> rows = {
        "",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b",
        "HTTP/1.1 200 OK\r\nA: b\r",
        "HTTP/1.1 200 OK\r\nA: b\n",
        "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n",
        "HTTP/1.1 200 OK\r\nA\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n",
        "HTTP/1.1 200 OK\r\n: b\r\n",
        "HTTP/1.1 200 OK\r\n A: b\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n",
        std::string("HTTP/1.1 200 OK\r\nA: \0\r\n", 23),
        "HTTP/1.1 200 OK\r\nA: \x7f\r\n",
        "HTTP/2.0 200 OK\r\n",
        "HTTP/1.2 200 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "http/1.1 200 OK\r\n",
        "Accept,Cookie",
    };
    response_head head;
    for (const std::string& row : rows) {
        INFO(shown(row));
        CHECK_FALSE(read_stored_head(row, head));
    }
}

TEST_CASE("what the parser accepts is the same head when it is stored") {
    test::random_source random;
    INFO("seed " << random.seed);
    constexpr std::string_view alphabet = "aZ9-_ \t:,\"=\r\n\x80\x01/";
    for (int i = 0; i < 20000; ++i) {
        std::string text = "HTTP/1.1 200" + random.text(" OK\t", 3) + "\r\n";
        for (std::size_t lines = random.below(4); lines != 0; --lines)
            text += random.text(alphabet, 6) + ":" + random.text(alphabet, 6) + "\r\n";
        const std::string whole = text + "\r\n";
        response_head parsed, stored;
        const bool accepted =
            parse_response_head(whole, head_limits{}, parsed).state == parse_state::complete &&
            parsed.size == whole.size();
        const bool read = read_stored_head(text, stored);
        INFO(shown(text));
        REQUIRE(read == accepted);
        if (!read) continue;
        REQUIRE(stored.status == parsed.status);
        REQUIRE(stored.reason == parsed.reason);
        REQUIRE(stored.fields.size() == parsed.fields.size());
        for (std::size_t f = 0; f < stored.fields.size(); ++f) {
            REQUIRE(stored.fields[f].name == parsed.fields[f].name);
            REQUIRE(stored.fields[f].value == parsed.fields[f].value);
            REQUIRE(stored.fields[f].id == parsed.fields[f].id);
        }
    }
}

TEST_CASE("what write_client_head writes is a stored head") {
    const test::response r(
        test::ok("Connection: x\r\nX: 1\r\nAge: 3\r\nETag: \"a\"\r\nContent-Length: 3\r\n"));
    std::string text;
    write_client_head(r.head, "Thu, 01 Jan 1970 00:00:00 GMT", true, text);
    response_head head;
    REQUIRE(read_stored_head(text, head));
    CHECK(head.status == 200);
    CHECK(head.fields.size() == 3);
}
