#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/cache_key.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::http;
using test::shown;

namespace {

std::string key_of(std::string_view host, std::string_view method, std::string_view path) {
    std::string out = "old";
    build_key({"http", host, path}, method, out);
    return out;
}

std::string variant(std::string_view names, std::string_view lines, const variant_policy& policy = {}) {
    const test::request r(test::get(lines));
    std::string out;
    append_variant(names, r.head.fields, out, policy);
    return out;
}

struct vary {
    bool usable;
    std::string names;
    friend bool operator==(const vary&, const vary&) = default;
};

vary vary_of(std::string_view lines) {
    const test::response r(test::ok(lines));
    vary v{false, "old"};
    v.usable = parse_vary(r.head.fields, v.names);
    if (!v.usable) v.names.clear();
    return v;
}

} // namespace

TEST_CASE("the effective URI comes from target and Host") {
    struct row {
        const char* head;
        const char* host;
        const char* path_query;
    };
    const std::vector<row> rows = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/"},
        {"GET /b?c=d HTTP/1.1\r\nHost: EXAMPLE.org.:80\r\n\r\n", "example.org", "/b?c=d"},
        {"GET //b/../c%2F;x\\ HTTP/1.1\r\nHost: a:8080\r\n\r\n", "a:8080", "//b/../c%2F;x\\"},
        {"GET http://B/x HTTP/1.1\r\nHost: a\r\n\r\n", "b", "/x"},
        {"GET HTTP://b:80/x HTTP/1.1\r\nHost: a\r\n\r\n", "b", "/x"},
        {"GET http://b HTTP/1.1\r\nHost: b\r\n\r\n", "b", "/"},
        {"GET http://b?x=/y HTTP/1.1\r\nHost: b\r\n\r\n", "b", "/?x=/y"},
        {"GET http://b? HTTP/1.1\r\nHost: b\r\n\r\n", "b", "/?"},
        {"GET http://b:8080?x HTTP/1.1\r\nHost: b\r\n\r\n", "b:8080", "/?x"},
        {"GET http://[::1]:8080/?x HTTP/1.1\r\nHost: b\r\n\r\n", "[::1]:8080", "/?x"},
        {"GET http://b/x HTTP/1.0\r\n\r\n", "b", "/x"},
        {"GET /http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "a", "/http://b/x"},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "a", "*"},
        {"OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "b", "*"},
        {"OPTIONS http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "b", "/"},
        {"GET / HTTP/1.0\r\n\r\n", "", "/"},
    };
    for (const row& r : rows) {
        INFO(shown(r.head));
        const test::request request(r.head);
        std::string buffer = "old";
        request_uri uri;
        CHECK(split_uri(request.head, buffer, uri) == uri_error::none);
        CHECK(uri.scheme == "http");
        CHECK(uri.host == r.host);
        CHECK(uri.path_query == r.path_query);
    }
}

TEST_CASE("targets that are no URI of ours are refused") {
    struct row {
        const char* head;
        uri_error error;
    };
    const std::vector<row> rows = {
        {"GET b HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET ?x HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET http:/b HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET ://b HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET h@p://b HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET \\\\b HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::bad_form},
        {"GET https://b/ HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_scheme},
        {"GET ftp://b/ HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_scheme},
        {"GET httpx://b/ HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_scheme},
        {"GET http:// HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_authority},
        {"GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_authority},
        {"GET http://?x HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_authority},
        {"GET http://u@b/ HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_authority},
        {"GET http://b:/ HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_authority},
        {"GET http://b\\c/ HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_authority},
        {"GET http://b,c/ HTTP/1.1\r\nHost: b\r\n\r\n", uri_error::bad_authority},
        {"GET http://b/ HTTP/1.1\r\nHost: b c\r\n\r\n", uri_error::bad_authority},
        {"GET http://b/ HTTP/1.1\r\n\r\n", uri_error::bad_authority},
        {"GET / HTTP/1.1\r\n\r\n", uri_error::bad_authority},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", uri_error::bad_authority},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", uri_error::bad_authority},
        {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", uri_error::connect},
        {"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", uri_error::connect},
    };
    for (const row& r : rows) {
        INFO(shown(r.head));
        const test::request request(r.head);
        std::string buffer;
        request_uri uri;
        CHECK(describe(split_uri(request.head, buffer, uri)) == describe(r.error));
    }
}

TEST_CASE("a key is its parts, each with its length") {
    CHECK(key_of("localhost", "GET", "/") == "4:http9:localhost3:GET1:/");
    CHECK(key_of("localhost", "HEAD", "/") == "4:http9:localhost3:GET1:/");
    CHECK(key_of("", "POST", "/?a") == "4:http0:4:POST3:/?a");
    CHECK(key_of("a", "head", "/") == "4:http1:a4:head1:/");
}

TEST_CASE("keys of different parts never collide") {
    test::random_source random;
    INFO("seed " << random.seed);
    std::map<std::string, std::string> seen;
    const std::string_view characters = "01:3GETa/-,";
    for (int i = 0; i < 30000; ++i) {
        const std::string host = random.text(characters, 4);
        const std::string method = random.text(characters, 4);
        const std::string path = random.text(characters, 4);
        const std::string parts = host + '\n' + method + '\n' + path;
        std::string key = key_of(host, method, path);
        const auto [it, fresh] = seen.emplace(std::move(key), parts);
        REQUIRE((fresh || it->second == parts));
    }
}

TEST_CASE("variants of different requests never collide with each other or with a key") {
    test::random_source random;
    INFO("seed " << random.seed);
    std::map<std::string, std::string> seen;
    for (int i = 0; i < 20000; ++i) {
        std::string parts, lines, key = key_of("h", "GET", random.text("12:/", 2));
        parts = key;
        for (const char* name : {"x-a", "x-b"}) {
            if (random.below(3) == 0) {
                parts += "\nabsent";
                continue;
            }
            // One blank-free word: nothing in it is normalised.
            const std::string value = random.text("01:-x3", 5);
            parts += "\n=" + value;
            lines += std::string(name) + ": " + value + "\r\n";
        }
        const test::request r(test::get(lines));
        append_variant("x-a,x-b", r.head.fields, key);
        const auto [it, fresh] = seen.emplace(key, parts);
        REQUIRE((fresh || it->second == parts));
    }
}

TEST_CASE("a variant tells absent from empty, and its names apart") {
    CHECK(variant("", "A: b\r\n").empty());
    CHECK(variant("x-a", "") == ";3:x-a-");
    CHECK(variant("x-a", "X-A:\r\n") == ";3:x-a0:");
    CHECK(variant("x-a", "X-A: 1\r\n") == ";3:x-a1:1");
    CHECK(variant("x-a,x-b", "X-B: 1\r\n") == ";3:x-a-3:x-b1:1");
}

TEST_CASE("a variant's values are normalised as far as their meaning allows") {
    struct row {
        const char* name;
        const char* one;
        const char* other;
        bool same;
    };
    const std::vector<row> rows = {
        {"accept-encoding", "Accept-Encoding: gzip, br\r\n", "accept-encoding: GZIP ,\tbr\r\n", true},
        {"accept-encoding", "Accept-Encoding: gzip, br\r\n",
         "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n", true},
        {"accept-encoding", "Accept-Encoding: gzip, br\r\n", "Accept-Encoding: br, gzip\r\n", false},
        {"accept-language", "Accept-Language: en-GB\r\n", "Accept-Language: EN-gb\r\n", true},
        {"x-a", "X-A: a, b\r\n", "X-A:   a  ,  b  \r\n", true},
        {"x-a", "X-A: a\r\n", "X-A: A\r\n", false},
        {"x-a", "X-A: a b\r\n", "X-A: a  b\r\n", false},
        {"x-a", "X-A: a b\r\n", "X-A: ab\r\n", false},
        {"x-a", "X-A: \"a, b\"\r\n", "X-A: \"a,b\"\r\n", false},
        {"x-a", "X-A: \"\\\", b\"\r\n", "X-A: \"\\\",b\"\r\n", false},
        {"x-a", "X-A: \"a\" , b\r\n", "X-A: \"a\",b\r\n", true},
        {"x-a", "X-A: a\r\nX-A:\r\n", "X-A: a\r\n", false},
        {"user-agent", "User-Agent: x (a, b)\r\n", "User-Agent: x (a,b)\r\n", false},
        {"cookie", "Cookie: a=B\r\n", "Cookie: a=b\r\n", false},
    };
    for (const row& r : rows) {
        INFO(shown(r.one) << " and " << shown(r.other));
        CHECK((variant(r.name, r.one) == variant(r.name, r.other)) == r.same);
    }
    CHECK(variant("accept-encoding", "Accept-Encoding: GZIP , br\r\n") == ";15:accept-encoding7:gzip,br");
}

TEST_CASE("the order of preferences means nothing where the operator says so") {
    variant_policy policy;
    policy.ignore_order = true;
    const auto same = [&policy](const char* name, const char* one, const char* other) {
        return variant(name, one, policy) == variant(name, other, policy);
    };
    CHECK(same("accept-language", "Accept-Language: en, de\r\n", "Accept-Language: DE,en\r\n"));
    CHECK(same("accept-encoding", "Accept-Encoding: gzip, br;q=0.5\r\n",
               "Accept-Encoding: br;q=0.5\r\nAccept-Encoding: gzip\r\n"));
    CHECK(same("accept-language", "Accept-Language:\r\n", "Accept-Language: ,\r\n"));
    CHECK_FALSE(
        same("accept-language", "Accept-Language: en, de;q=0.5\r\n", "Accept-Language: de, en;q=0.5\r\n"));
    CHECK_FALSE(same("accept-language", "Accept-Language: en\r\n", "Accept-Language: en, en\r\n"));
    CHECK_FALSE(same("accept-language", "Accept-Language:\r\n", ""));
    CHECK_FALSE(same("accept", "Accept: a/b, c/d\r\n", "Accept: c/d, a/b\r\n"));
    CHECK_FALSE(same("x-a", "X-A: a, b\r\n", "X-A: b, a\r\n"));
}

TEST_CASE("a field that Connection keeps from the upstream is absent from the variant") {
    CHECK(variant("x-a", "X-A: 1\r\nConnection: x-a\r\n") == variant("x-a", ""));
    CHECK(variant("cookie", "Cookie: 1\r\nConnection: cookie\r\n") == variant("cookie", "Cookie: 1\r\n"));
    CHECK(variant("te", "TE: trailers\r\n") == variant("te", ""));
}

TEST_CASE("a field that a gateway could take for a selecting one makes another variant") {
    const std::string plain = variant("accept-language", "Accept-Language: de\r\n");
    CHECK(variant("accept-language", "Accept-Language: de\r\nAccept_Language: x\r\n") ==
          plain + "15:Accept_Language1:x");
    CHECK(variant("x-a", "X_A: 1\r\n") == ";3:x-a-3:X_A1:1");
    CHECK(variant("x-a", "X_A: 1\r\n") != variant("x-a", "X-A: 1\r\n"));
    CHECK(variant("x-a-b", "X_A-B: 1\r\nx-a_b: 2\r\n") == ";5:x-a-b-5:X_A-B1:15:x-a_b1:2");
    CHECK(variant("x_a", "X_A: 1\r\nX-A: 2\r\n") == ";3:x_a1:13:X-A1:2");
    CHECK(variant("accept-language", "Accept-Language: de\r\nX_A: x\r\nAccept_Language_: y\r\n") == plain);
}

TEST_CASE("the variants of a primary key are told from it, and found together") {
    const std::string primary = key_of("a", "GET", "/;15:accept4:gzip"), other = key_of("a", "GET", "/x");
    const std::string one = primary + variant("x-a", "X-A: 1\r\n"), two = primary + variant("x-a", "");
    CHECK_FALSE(is_variant_key(primary));
    CHECK(is_variant_key(one));
    CHECK(primary_of(one) == primary);
    CHECK(primary_of(primary) == primary);
    CHECK(same_primary(one, two));
    CHECK(same_primary(one, primary));
    CHECK_FALSE(same_primary(one, other));
    CHECK_FALSE(same_primary(one, other + variant("x-a", "X-A: 1\r\n")));
    for (const std::uint64_t seed : {0U, 1U, 99U}) {
        CHECK(((hash_key(one, seed) ^ hash_key(primary, seed)) & family_bits) == 0);
        CHECK(((hash_key(one, seed) ^ hash_key(two, seed)) & family_bits) == 0);
        CHECK(hash_key(one, seed) != hash_key(two, seed));
        CHECK(((hash_key(other, seed) ^ hash_key(primary, seed)) & family_bits) != 0);
    }
    // What is no key of ours has no variant, and its hash is that of its bytes.
    for (const char* text :
         {"", ";", "a;b", "1;", "1:;", "5:a;b", "99999999999999999999:a;", "4:http;x;y", "-;"}) {
        INFO(text);
        CHECK(same_primary(text, text));
    }
}

TEST_CASE("a coding and an origin count as named in Vary where the response forgot them") {
    CHECK(vary_of("Content-Encoding: gzip\r\n") == vary{true, "accept-encoding"});
    CHECK(vary_of("Content-Encoding: identity, br\r\nVary: X\r\n") == vary{true, "accept-encoding,x"});
    CHECK(vary_of("Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n") == vary{true, "accept-encoding"});
    CHECK(vary_of("Content-Encoding: identity\r\n") == vary{true, ""});
    CHECK(vary_of("Content-Encoding:\r\n") == vary{true, ""});
    CHECK(vary_of("Access-Control-Allow-Origin: *\r\n") == vary{true, ""});
    CHECK(vary_of("Access-Control-Allow-Origin: https://a\r\n") == vary{true, "origin"});
    CHECK(vary_of("access-control-allow-origin: null\r\nVary: A\r\n") == vary{true, "a,origin"});
    CHECK_FALSE(vary_of("Content-Encoding: gzip\r\nVary: *\r\n").usable);
}

TEST_CASE("Vary is read as a sorted set of names") {
    CHECK(vary_of("") == vary{true, ""});
    CHECK(vary_of("Vary:\r\n") == vary{true, ""});
    CHECK(vary_of("Vary: Accept-Encoding\r\n") == vary{true, "accept-encoding"});
    CHECK(vary_of("Vary: X-B, Accept,, x-b\r\nVary: ACCEPT , Cookie\r\n") == vary{true, "accept,cookie,x-b"});
    for (const char* lines : {"Vary: *\r\n", "Vary: Accept, *\r\n", "Vary: Accept\r\nVary: *\r\n",
                              "Vary: a b\r\n", "Vary: \"accept\"\r\n", "Vary: a;b\r\n",
                              "Vary: X-Forwarded-For\r\n", "Vary: accept, forwarded\r\n"}) {
        INFO(shown(lines));
        CHECK_FALSE(vary_of(lines).usable);
    }
}

TEST_CASE("the hash of a key depends on all its bytes and the seed") {
    CHECK(hash_key("a", 1) == hash_key("a", 1));
    CHECK(hash_key("a", 1) != hash_key("a", 2));
    CHECK(hash_key("a", 1) != hash_key("b", 1));
    CHECK(hash_key("", 1) != hash_key(std::string_view("\0", 1), 1));
}

TEST_CASE("a response that varies by very many fields matches nothing") {
    std::string lines = "Vary: ";
    for (int i = 0; i < 64; ++i) lines += "x-" + std::to_string(i) + ", ";
    std::string names;
    CHECK(parse_vary(test::response(test::ok(lines + "x-0\r\n")).head.fields, names));
    CHECK_FALSE(parse_vary(test::response(test::ok(lines + "x-64\r\n")).head.fields, names));
}
