#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/upgrade.hpp>

using namespace meshcache;
using namespace meshcache::http;

namespace {

request_head request(const std::string& text) {
    request_head head;
    REQUIRE(parse_request_head(text, {}, head).state == parse_state::complete);
    return head;
}

} // namespace

TEST_CASE("what an upgrade is passed on for") {
    struct row {
        const char* fields;
        const char* offered; ///< empty: nothing
    };
    const row rows[] = {
        {"Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"},
        {"Connection: a, uPGRADE\r\nUpgrade: websocket\r\n", "websocket"},
        {"Connection: a\r\nConnection: upgrade\r\nUpgrade: x/1, y\r\nUpgrade: z\r\n", "x/1, y, z"},
        {"Connection: Upgrade\r\nUpgrade: h2c, websocket, HTTP/2.0\r\n", "websocket"},
        {"Connection: Upgrade\r\nUpgrade: h2c\r\n", ""},
        {"Connection: Upgrade\r\nUpgrade: H2C, h2, h3, http/1.1, HTTP, HTTPS, TLS/1.3, ssl\r\n", ""},
        {"Connection: Upgrade\r\nUpgrade: a b, c/, /d, \"e\", (f)\r\n", ""},
        {"Connection: Upgrade\r\nUpgrade:\r\n", ""},
        {"Connection: Upgrade\r\n", ""},
        {"Upgrade: websocket\r\n", ""},
        {"Connection: websocket\r\nUpgrade: websocket\r\n", ""},
    };
    for (const row& r : rows) {
        INFO(r.fields);
        const std::string text = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(r.fields) + "\r\n";
        const auto head = request(text);
        std::string offered;
        if (offers_upgrade(head)) append_offered_protocols(head.fields, offered);
        CHECK(offered == r.offered);
    }
    const std::string old = "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    CHECK_FALSE(offers_upgrade(request(old)));
}

TEST_CASE("101 must answer what was offered") {
    const std::string text =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c, x/1\r\n\r\n";
    const auto asked = request(text);
    struct row {
        const char* fields;
        bool accepts;
    };
    const row rows[] = {
        {"Connection: Upgrade\r\nUpgrade: websocket\r\n", true},
        {"Connection: upgrade\r\nUpgrade: WebSocket\r\n", true},
        {"Connection: Upgrade\r\nUpgrade: x/1, websocket\r\n", true},
        {"Connection: Upgrade\r\nUpgrade: x/2\r\n", false},
        {"Connection: Upgrade\r\nUpgrade: h2c\r\n", false},
        {"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", false},
        {"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: x/1\r\n", false},
        {"Connection: Upgrade\r\nUpgrade:\r\n", false},
        {"Connection: Upgrade\r\n", false},
        {"Upgrade: websocket\r\n", false},
        {"", false},
    };
    for (const row& r : rows) {
        INFO(r.fields);
        const std::string answer = "HTTP/1.1 101 Switching Protocols\r\n" + std::string(r.fields) + "\r\n";
        response_head head;
        REQUIRE(parse_response_head(answer, {}, head).state == parse_state::complete);
        CHECK(accepts_upgrade(asked, head) == r.accepts);
    }
}
