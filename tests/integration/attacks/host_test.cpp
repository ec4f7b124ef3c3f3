// A12: which host a request is for must be the same for the key, the upstream, and everybody between.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;
using namespace std::string_literals;

namespace {

const std::string after(smuggled);

std::string with_host(const std::string& lines) { return "GET $T HTTP/1.1\r\n" + lines + "\r\n" + after; }

} // namespace

TEST_CASE("A12 a Host that names no host, or more than one, is refused") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const std::string value : {"",
                                    " ",
                                    "a, b",
                                    "a,b",
                                    "a b",
                                    "a\tb",
                                    "u@a",
                                    "u:p@a",
                                    "@a",
                                    "a@",
                                    "a/",
                                    "a/b",
                                    "a/../b",
                                    "a?b",
                                    "a#b",
                                    "a\\b",
                                    "http://a",
                                    "//a",
                                    "a:",
                                    "a:b",
                                    "a:-1",
                                    "a:+80",
                                    "a:0",
                                    "a:080",
                                    "a:65536",
                                    "a:99999999999",
                                    "a:80:80",
                                    "a:80,",
                                    "a: 80",
                                    "a :80",
                                    "a:80 b",
                                    "a:0x50",
                                    ":80",
                                    ".",
                                    "..",
                                    ".a",
                                    "a..b",
                                    "a..",
                                    "[",
                                    "]",
                                    "[]",
                                    "[::1",
                                    "::1]",
                                    "::1",
                                    "[::1]a",
                                    "[::1]:",
                                    "[::1]:b",
                                    "[1::2::3]",
                                    "[fe80::1%25eth0]",
                                    "[fe80::1%eth0]",
                                    "[1.2.3.4]",
                                    "[::g]",
                                    "[12345::]",
                                    "[v1.a]",
                                    "a%2fb",
                                    "a%00b",
                                    "%61",
                                    "a%",
                                    "\xc3\xa4",
                                    "\xff",
                                    "a;b",
                                    "a=b",
                                    "a&b",
                                    "a|b",
                                    "a'b",
                                    "a\"b",
                                    "<a>",
                                    "{a}",
                                    "a^b",
                                    "a`b",
                                    "a*",
                                    "*",
                                    "(a)",
                                    "a!b",
                                    "a$b",
                                    "a+b"}) {
        std::string shown;
        for (const char c : value) shown += c >= 0x20 && c < 0x7f ? c : '?';
        rows.push_back({"A12 Host: " + shown, with_host("Host: " + value + "\r\n")});
    }
    rows.push_back({"A12 a name of 255 bytes", with_host("Host: " + std::string(255, 'a') + "\r\n")});
    rows.push_back({"A12 none", with_host("")});
    rows.push_back({"A12 none, but other fields", with_host("X-Host: a\r\nX-Forwarded-Host: a\r\n")});
    rows.push_back({"A12 two", with_host("Host: shop.example\r\nHost: evil.example\r\n")});
    rows.push_back({"A12 two that are equal", with_host("Host: shop.example\r\nHost: shop.example\r\n")});
    rows.push_back({"A12 two, other case", with_host("Host: shop.example\r\nhost: evil.example\r\n")});
    rows.push_back({"A12 two, apart", with_host("Host: shop.example\r\nX-A: b\r\nHost: evil.example\r\n")});
    rows.push_back({"A12 one empty", with_host("Host:\r\nHost: shop.example\r\n")});
    rows.push_back({"A12 two in HTTP/1.0", "GET $T HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n" + after});
    rows.push_back({"A12 blank before the colon", with_host("Host : shop.example\r\n")});
    rows.push_back({"A12 folded", with_host("Host:\r\n shop.example\r\n")});
    rows.push_back({"A12 NUL", with_host("Host: shop\0.example\r\n"s)});
    rows.push_back({"A12 bare CR", with_host("Host: shop.example\rX: y\r\n")});
    rows.push_back({"A12 bare LF", with_host("Host: shop.example\nX: y\r\n")});
    rows.push_back({"A12 absolute-form without Host", "GET http://shop.example$T HTTP/1.1\r\n\r\n" + after});
    rows.push_back({"A12 absolute-form, two Hosts",
                    "GET http://shop.example$T HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + after});
    rows.push_back({"A12 absolute-form, malformed Host",
                    "GET http://shop.example$T HTTP/1.1\r\nHost: a/b\r\n\r\n" + after});
    for (const std::string target : {"http://u@shop.example$T",
                                     "http://u:p@shop.example$T",
                                     "http://$T",
                                     "http://shop.example:$T",
                                     "http://shop.example:x$T",
                                     "http://shop.example:99999$T",
                                     "http:/shop.example$T",
                                     "http:shop.example$T",
                                     "//shop.example",
                                     "://shop.example$T",
                                     "https://shop.example$T",
                                     "ftp://shop.example$T",
                                     "file://$T",
                                     "ws://shop.example$T",
                                     "javascript:$T",
                                     "http://[::1$T",
                                     "http://a,b$T",
                                     "http://a%2fb$T",
                                     "http://a\\b$T",
                                     "http+x://a$T",
                                     "1http://a$T",
                                     "http://shop.example#$T",
                                     "shop.example$T",
                                     "shop.example:80"}) {
        // It begins with a slash, so it is a path, and harmless.
        if (target.starts_with("//")) continue;
        rows.push_back(
            {"A12 target " + target, "GET " + target + " HTTP/1.1\r\nHost: shop.example\r\n\r\n" + after});
    }
    stage.check_all(rows);
}

TEST_CASE("A12 hosts that are the same have one key, and go to the upstream in one form") {
    scripted_upstream upstream([](turn& t) { t.ok(t.asked().field("host") + " " + t.target()); });
    proxy p(upstream);
    struct row {
        std::string target, host, sent;
    };
    const std::vector<std::vector<row>> same = {
        {{"/a", "shop.example", "shop.example /a"},
         {"/a", "SHOP.Example", "shop.example /a"},
         {"/a", "shop.example.", "shop.example /a"},
         {"/a", "shop.example:80", "shop.example /a"},
         {"/a", "Shop.example.:80", "shop.example /a"},
         {"http://shop.example/a", "shop.example", "shop.example /a"},
         {"http://SHOP.example:80/a", "shop.example", "shop.example /a"},
         {"HTTP://shop.example./a", "shop.example", "shop.example /a"},
         {"http://shop.example/a", "evil.example", "shop.example /a"}},
        {{"/a", "evil.example", "evil.example /a"},
         {"http://evil.example/a", "shop.example", "evil.example /a"}},
        {{"/a", "shop.example:8080", "shop.example:8080 /a"},
         {"http://shop.example:8080/a", "x", "shop.example:8080 /a"}},
        {{"/a", "[::1]", "[::1] /a"}, {"/a", "[::1]:80", "[::1] /a"}},
        {{"//shop.example/a", "evil.example", "evil.example //shop.example/a"}},
        {{"/", "b.example", "b.example /"},
         {"http://b.example", "x", "b.example /"},
         {"http://b.example/", "x", "b.example /"}},
        {{"/?q", "b.example", "b.example /?q"}, {"http://b.example?q", "x", "b.example /?q"}},
    };
    for (const auto& group : same) {
        bool first = true;
        for (const row& r : group) {
            INFO(r.target << " at " << r.host);
            const response got = p.get(r.target, "Host: " + r.host + "\r\n");
            CHECK(got.body == r.sent);
            CHECK(got.cached().hit() == !first);
            first = false;
        }
    }
    for (const request& seen : upstream.seen()) CHECK(seen.top.fields.count("host") == 1);
}
