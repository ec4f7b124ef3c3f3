#include "support/catch.hpp"

#include <meshcache/base/endpoint.hpp>

#include <string>
#include <vector>

using namespace meshcache;

TEST_CASE("an endpoint is a host and a port, or a unix socket, and is written as it is read") {
    struct row {
        std::string text;
        std::string host;
        std::uint16_t port;
        std::string unix_path;
    };
    const std::vector<row> rows{
        {"127.0.0.1:3000", "127.0.0.1", 3000, ""},
        {"0.0.0.0:0", "0.0.0.0", 0, ""},
        {"localhost:65535", "localhost", 65535, ""},
        {"my-app.default.svc.cluster.local:80", "my-app.default.svc.cluster.local", 80, ""},
        {"my_app:80", "my_app", 80, ""},
        {"app.:80", "app.", 80, ""},
        {"3com:80", "3com", 80, ""},
        {"[::]:8080", "::", 8080, ""},
        {"[2001:db8::1]:8080", "2001:db8::1", 8080, ""},
        {"[fe80::1%eth0]:8080", "fe80::1%eth0", 8080, ""},
        {"[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1, ""},
        {"unix:/run/app.sock", "", 0, "/run/app.sock"},
        {"unix:/run/with blank:1", "", 0, "/run/with blank:1"},
        {"unix:@meshcache", "", 0, "@meshcache"},
        {"unix:/" + std::string(106, 'x'), "", 0, "/" + std::string(106, 'x')},
    };
    for (const auto& row : rows) {
        INFO(row.text);
        const auto e = parse_endpoint(row.text);
        REQUIRE(e);
        CHECK(e->host == row.host);
        CHECK(e->port == row.port);
        CHECK(e->unix_path == row.unix_path);
        CHECK(e->is_unix() == !row.unix_path.empty());
        CHECK(e->to_string() == row.text);
    }
}

TEST_CASE("a malformed endpoint is refused with what would be right") {
    struct row {
        std::string text;
        std::string error;
    };
    const std::vector<row> rows{
        {"", "'' is no address; write HOST:PORT, [IPV6]:PORT or unix:/PATH"},
        {"{}", "'{}' is no address; write HOST:PORT, [IPV6]:PORT or unix:/PATH"},
        {":8080", "':8080' has no host; write 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080"},
        {":", "':' has no host; write 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080"},
        {"8080", "'8080' has no host; write 127.0.0.1:8080 or 0.0.0.0:8080"},
        {"localhost", "'localhost' has no port; write localhost:8080"},
        {"10.0.0.1", "'10.0.0.1' has no port; write 10.0.0.1:8080"},
        {"localhost:", "'localhost:' has no port; write localhost:8080"},
        {"localhost:http", "'localhost:http': 'http' is not a port; it must lie between 0 and 65535"},
        {"localhost:65536", "'localhost:65536': '65536' is not a port; it must lie between 0 and 65535"},
        {"localhost:000080", "'localhost:000080': '000080' is not a port; it must lie between 0 and 65535"},
        {"localhost:-1", "'localhost:-1': '-1' is not a port; it must lie between 0 and 65535"},
        {"localhost:80 ", "'localhost:80 ': '80 ' is not a port; it must lie between 0 and 65535"},
        {"http://app:80/x", "'http://app:80/x' is a URL; write the address alone: app:80"},
        {"/run/app.sock", "'/run/app.sock' is a path; write unix:/run/app.sock"},
        {"::1:8080", "'::1:8080' is an IPv6 address without brackets; write [::1]:8080"},
        {"a:b:80", "'a:b:80' is an IPv6 address without brackets; write [IPV6]:PORT"},
        {"[::1]", "'[::1]' has no port; write [::1]:8080"},
        {"[::1", "'[::1' has no closing bracket; write [IPV6]:PORT"},
        {"[::1]80", "'[::1]80' has '80' after the bracket; write [IPV6]:PORT"},
        {"[::1]:", "'[::1]:' has no port; write [::1]:8080"},
        {"[]:80", "'[]:80': '' is not an IPv6 address"},
        {"[localhost]:80", "'[localhost]:80': 'localhost' is not an IPv6 address"},
        {"[::1%]:80", "'[::1%]:80': '::1%' is not an IPv6 address"},
        {"256.0.0.1:80", "'256.0.0.1:80': '256.0.0.1' is not an IPv4 address"},
        {"127.1:80", "'127.1:80': '127.1' is not an IPv4 address"},
        {"a..b:80", "'a..b:80': 'a..b' is not a host name"},
        {".a:80", "'.a:80': '.a' is not a host name"},
        {"user@host:80", "'user@host:80': 'user@host' is not a host name"},
        {"host/x:80", "'host/x:80': 'host/x' is not a host name"},
        {" host:80", "' host:80': ' host' is not a host name"},
        {"unix:", "'unix:' names no socket; write unix:/path/to/socket or unix:@name"},
        {"unix:@", "'unix:@' names no socket; write unix:/path/to/socket or unix:@name"},
        {"unix:app.sock",
         "'unix:app.sock' is not an absolute path; write unix:/path/to/socket or unix:@name"},
        {"unix:///run/app.sock", "'unix:///run/app.sock' has too many slashes; write unix:/run/app.sock"},
        {"unix:/a\nb", "'unix:/a\\x0ab' has a control character in it"},
        {std::string(64, 'a') + ":80",
         "'" + std::string(64, 'a') + ":80': '" + std::string(64, 'a') + "' is not a host name"},
    };
    for (const auto& row : rows) {
        const auto e = parse_endpoint(row.text);
        CHECK_FALSE(e);
        CHECK(e.error == row.error);
    }
    CHECK_FALSE(parse_endpoint("unix:/" + std::string(107, 'x')));
}

TEST_CASE("an endpoint knows whether others can reach it") {
    const auto made = [](const std::string& text) { return *parse_endpoint(text); };
    for (const char* text : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[0:0:0:0:0:0:0:1]:1", "localhost:1",
                             "unix:/run/x", "unix:@x"}) {
        INFO(text);
        CHECK(made(text).is_local());
        CHECK_FALSE(made(text).is_wildcard());
    }
    for (const char* text : {"0.0.0.0:1", "[::]:1", "[0::0]:1"}) {
        INFO(text);
        CHECK_FALSE(made(text).is_local());
        CHECK(made(text).is_wildcard());
    }
    for (const char* text : {"10.0.0.1:1", "128.0.0.1:1", "[2001:db8::1]:1", "localhost.example:1"}) {
        INFO(text);
        CHECK_FALSE(made(text).is_local());
        CHECK_FALSE(made(text).is_wildcard());
    }
}
