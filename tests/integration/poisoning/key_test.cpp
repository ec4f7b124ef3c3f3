// What is in the key: scheme, host, port, method, path and query as they are sent upstream (catalogue D17 to
// D20). Two requests share an answer only if the application cannot tell them apart.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

std::string get_from(const std::string& target, const std::string& host) {
    return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}

/// Two requests, and whether they are for the same resource. `$T` is the row's path.
struct pair {
    std::string name, one, other;
    bool same = false;
};

/// Whichever comes first, the other gets what the application says to its own request.
void check_pairs(const std::vector<pair>& rows) {
    poisoning_stage stage(echo_uri);
    for (const pair& row : rows) {
        for (const bool swapped : {false, true}) {
            stage.next();
            INFO(row.name << (swapped ? ", the other way round" : ""));
            const std::string& first = swapped ? row.other : row.one;
            const std::string& second = swapped ? row.one : row.other;
            const response a = stage.send(first);
            const std::string seen_of_first = stage.last().target() + " " + stage.last().field("host");
            REQUIRE(a.status == 200);
            CHECK(a.body == "GET " + seen_of_first);
            const response b = stage.send(second);
            REQUIRE(b.status == 200);
            CHECK(b.cached().hit() == row.same);
            CHECK((a.body == b.body) == row.same);
            CHECK(b.body == "GET " + stage.last().target() + " " + stage.last().field("host"));
            CHECK(stage.send(first).body == a.body);
            CHECK(stage.send(second).body == b.body);
        }
    }
}

} // namespace

TEST_CASE("hosts, ports and schemes are told apart as the application tells them apart") {
    const auto hosts = [](const char* name, const char* one, const char* other, bool same) {
        return pair{name, get_from("$T", one), get_from("$T", other), same};
    };
    check_pairs({
        hosts("another host", "a.example", "b.example", false),
        hosts("a subdomain", "a.example", "x.a.example", false),
        hosts("a port", "a.example", "a.example:8080", false),
        hosts("another port", "a.example:8080", "a.example:8081", false),
        hosts("the default port", "a.example", "a.example:80", true),
        hosts("the port of another scheme", "a.example", "a.example:443", false),
        hosts("upper case", "a.example", "A.EXAMPLE", true),
        hosts("a trailing dot", "a.example", "a.example.", true),
        hosts("a trailing dot and a port", "a.example:8080", "A.example.:8080", true),
        hosts("an address", "127.0.0.1", "127.0.0.2", false),
        hosts("an address in another form", "[::1]", "[0:0:0:0:0:0:0:1]", false),
        hosts("upper case in an address", "[2001:db8::a]", "[2001:DB8::A]", true),
        {"an absolute form", get_from("$T", "a.example"), get_from("http://a.example$T", "a.example"), true},
        {"an absolute form with another Host", get_from("$T", "a.example"),
         get_from("http://a.example$T", "evil.example"), true},
        {"an absolute form of another host", get_from("$T", "a.example"),
         get_from("http://evil.example$T", "a.example"), false},
        {"an absolute form in upper case", get_from("$T", "a.example"),
         get_from("HTTP://A.Example:80$T", "a.example"), true},
        {"an absolute form with a port", get_from("$T", "a.example"),
         get_from("http://a.example:81$T", "a.example"), false},
    });
}

TEST_CASE("a host or scheme that cannot be in the key is refused") {
    poisoning_stage stage(echo_uri);
    for (const char* host : {"a.example:0",
                             "a.example:080",
                             "a.example:65536",
                             "a.example:",
                             "a.example:80:80",
                             "a.example:8080x",
                             "u@a.example",
                             "a.example/x",
                             "a.example?x",
                             "a.example#x",
                             "a..example",
                             "a.example..",
                             ".a.example",
                             "a%2eexample",
                             "a,b",
                             "a b",
                             "[::1",
                             "::1",
                             "a\\b",
                             "a;b"}) {
        stage.next();
        INFO(host);
        CHECK(stage.send(get_from("$T", host)).status == 400);
        CHECK(stage.fetched() == 0);
    }
    for (const char* target :
         {"https://a.example$T", "ftp://a.example$T", "http:$T", "http://u@a.example$T", "http:///$T",
          "//a.example", "a.example$T", "*", "?x", "http://a.example:x$T"}) {
        stage.next();
        INFO(target);
        const response r = stage.send(get_from(target, "a.example"));
        // A path may begin with two slashes, and stays a path.
        if (std::string(target) == "//a.example")
            CHECK(r.body == "GET //a.example a.example");
        else
            CHECK(r.status == 400);
    }
}

TEST_CASE("targets that the application may tell apart are not normalised into one another") {
    const auto targets = [](const char* name, const char* one, const char* other, bool same = false) {
        return pair{name, get_from(one, "a.example"), get_from(other, "a.example"), same};
    };
    check_pairs({
        targets("case of the path", "$Ta", "$TA"),
        targets("case of an escape", "$T%2f", "$T%2F"),
        targets("an escaped unreserved character", "$T/a", "$T/%61"),
        targets("an escaped slash", "$T/a/b", "$T/a%2fb"),
        targets("an escaped backslash", "$T/a\\b", "$T/a%5cb"),
        targets("a backslash", "$T/a/b", "$T/a\\b"),
        targets("a twice escaped slash", "$T/a%2fb", "$T/a%252fb"),
        targets("an escaped dot", "$T/.", "$T/%2e"),
        targets("a dot segment", "$T/a", "$T/./a"),
        targets("two dot segments", "$T/a", "$T/b/../a"),
        targets("escaped dot segments", "$T/b/../a", "$T/b/%2e%2e/a"),
        targets("dot segments with a backslash", "$T/b/../a", "$T/b/..\\a"),
        targets("dot segments by an escaped slash", "$T/b/../a", "$T/b%2f..%2fa"),
        targets("two slashes", "$T/a", "$T//a"),
        targets("two slashes in front", "$T", "/$T"),
        targets("a slash behind", "$T", "$T/"),
        targets("a dot behind", "$T", "$T."),
        targets("a blank", "$T", "$T%20"),
        targets("a plus", "$T?a+b", "$T?a%20b"),
        targets("NUL", "$T", "$T%00"),
        targets("NUL and more", "$T", "$T%00.css"),
        targets("line end", "$T", "$T%0a"),
        targets("line end and more", "$T", "$T%0d%0aX:%20y"),
        targets("an escaped question mark", "$T?a", "$T%3fa"),
        targets("an escaped fragment", "$T", "$T%23a"),
        targets("a path parameter", "$T", "$T;a"),
        targets("a session in the path", "$T", "$T;jsessionid=1"),
        targets("an escaped semicolon", "$T;a", "$T%3ba"),
        targets("an overlong slash", "$T/a", "$T%c0%afa"),
        targets("an overlong dot", "$T/.", "$T/%c0%ae"),
        targets("UTF-8 in two forms", "$T/%c3%a9", "$T/e%cc%81"),
        targets("an empty query", "$T", "$T?"),
        targets("an empty parameter", "$T", "$T?&"),
        targets("another value", "$T?a=1", "$T?a=2"),
        targets("another order", "$T?a=1&b=2", "$T?b=2&a=1"),
        targets("case of a parameter", "$T?a=1", "$T?A=1"),
        targets("a repeated parameter", "$T?a=1", "$T?a=1&a=2"),
        targets("repeated the other way round", "$T?a=1&a=2", "$T?a=2&a=1"),
        targets("an array parameter", "$T?a=1", "$T?a[]=1"),
        targets("an escaped array parameter", "$T?a[]=1", "$T?a%5b%5d=1"),
        targets("an escaped name", "$T?a=1", "$T?%61=1"),
        targets("a parameter behind a semicolon", "$T?a=1", "$T?a=1;b=2"),
        targets("a cloaked parameter", "$T?a=1&utm_content=x", "$T?a=1&utm_content=x;a=2"),
        targets("a cloaked parameter and a question mark", "$T?a=1", "$T?a=1?b=2"),
        targets("an excluded-looking parameter", "$T", "$T?utm_source=x"),
        targets("another excluded-looking parameter", "$T?utm_source=x", "$T?utm_source=y"),
        targets("a click id", "$T", "$T?gclid=1"),
        targets("a callback", "$T?callback=a", "$T?callback=b"),
        targets("a method parameter", "$T", "$T?_method=POST"),
        targets("the same", "$T?a=1&b=%2f;c", "$T?a=1&b=%2f;c", true),
    });
}

TEST_CASE("delimiters inside a component do not move the border to the next one") {
    // The key is built of length-prefixed parts: `4:http9:a.example3:GET2:/x`.
    const auto both = [](const char* name, const std::string& target, const char* host,
                         const std::string& target2, const char* host2) {
        return pair{name, get_from(target, host), get_from(target2, host2), false};
    };
    check_pairs({
        both("a part in the path", "$T", "a.example", "$T3:GET1:/", "a.example"),
        both("a marker in the path", "$T", "a.example", "$T;15:accept-encoding4:gzip", "a.example"),
        both("a marker alone", "$T", "a.example", "$T;", "a.example"),
        both("a length in the host", "$T", "9.a.example", "$T", "a.example"),
        both("host and path", "$T", "a.example", "/a.example$T", "a"),
        both("a port that looks like a length", "$T", "a.example:3", "$T", "a.example"),
        both("a pipe", "$T|a.example", "a.example", "$T", "a.example"),
        both("two underscores", "$T?a=1__b=2", "a.example", "$T?a=1&b=2", "a.example"),
        both("a dollar", "$T?$a", "a.example", "$T?a", "a.example"),
        both("a plus", "$T+GET", "a.example", "$T", "a.example"),
        both("a hash that is escaped", "$T%23GET", "a.example", "$T", "a.example"),
    });
}

TEST_CASE("delimiters inside the value of a selecting field do not make it another value") {
    poisoning_stage stage([](const request& asked) {
        answer a;
        a.fields += "Vary: X-A, X-B\r\n";
        a.body = "a=" + asked.top.fields.joined("x-a") + " b=" + asked.top.fields.joined("x-b");
        return a;
    });
    const std::string values[] = {
        "",
        "X-A: 1\r\n",
        "X-A:\r\n",
        "X-B: 1\r\n",
        "X-A:\r\nX-B:\r\n",
        "X-A: 1\r\nX-B: 1\r\n",
        "X-A: 13:x-b1:1\r\n",
        "X-A: 1-3:x-b-\r\n",
        "X-A: -\r\n",
        "X-A: 1;\r\n",
        "X-A: 1\r\nX-B: -\r\n",
        "X-A: 1, 2\r\n",
        "X-A: 1 2\r\n",
        "X-A: \"1, 2\"\r\n",
        "X-A: \"1,2\"\r\n",
    };
    stage.next();
    std::vector<std::string> bodies;
    for (const std::string& lines : values) {
        INFO(lines);
        const response r = stage.get(lines);
        CHECK_FALSE(r.cached().hit());
        bodies.push_back(r.body);
    }
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        INFO(values[i]);
        const response r = stage.get(values[i]);
        CHECK(r.cached().hit());
        CHECK(r.body == bodies[i]);
    }
}

TEST_CASE("targets that no parser should see are refused, and never stored") {
    poisoning_stage stage(echo_uri);
    for (const std::string& target :
         {std::string("$T#a"), std::string("$T\x01"), std::string("$T\x7f"), std::string("$T\xc3\xa9"),
          std::string("$T\xc0\xaf"), std::string("$T a"), std::string("$T\t"), std::string("$T\0a", 4)}) {
        stage.next();
        INFO(target);
        CHECK(stage.send(get_from(target, "a.example")).status == 400);
        CHECK(stage.fetched() == 0);
    }
}

TEST_CASE("a tenant is in the key where the application says that it answers by tenant") {
    poisoning_stage stage([](const request& asked) {
        answer a;
        a.fields += "Vary: X-Tenant\r\n";
        a.body = asked.field("x-tenant");
        return a;
    });
    stage.next();
    for (const char* tenant : {"red", "blue", "RED", ""}) {
        INFO(tenant);
        const std::string lines = std::string("X-Tenant: ") + tenant + "\r\n";
        CHECK(stage.get(lines).body == tenant);
        const response again = stage.get(lines);
        CHECK(again.cached().hit());
        CHECK(again.body == tenant);
    }
}
