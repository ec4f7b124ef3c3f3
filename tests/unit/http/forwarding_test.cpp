#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::http;
using test::shown;

namespace {

const client_facts stranger{"203.0.113.7", "8080", false};
const client_facts friendly{"203.0.113.7", "8080", true};

std::string sent(std::string_view head, const client_facts& client = stranger, bool upgrade = false) {
    const test::request r(head);
    body_framing framing;
    REQUIRE(request_framing(r.head, framing) == framing_error::none);
    std::string host, out;
    request_uri uri;
    REQUIRE(split_uri(r.head, host, uri) == uri_error::none);
    write_upstream_head(r.head, uri, framing, client, upgrade, out);
    return out;
}

/// All values of a field in what write_upstream_head wrote, joined by " | "; "-" when it is not there.
std::string field_sent(std::string_view name, std::string_view lines, const client_facts& client = stranger) {
    const test::request r(sent(test::get(lines), client));
    std::string out;
    for (const field& f : r.head.fields) {
        if (!iequals(f.name, name)) continue;
        if (!out.empty()) out += " | ";
        out += f.value;
    }
    return r.head.fields.find(name) == nullptr ? "-" : out;
}

std::string relayed(std::string_view head, bool without_age = false) {
    const test::response r(head);
    std::string out;
    write_client_head(r.head, "Thu, 01 Jan 1970 00:00:00 GMT", without_age, out);
    return out;
}

} // namespace

TEST_CASE("a request goes upstream with its end-to-end fields and our own") {
    CHECK(sent("POST /a?b HTTP/1.1\r\nAccept: x\r\nHost: EXAMPLE.org:80\r\nContent-Length: 3\r\n"
               "Connection: close\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n") ==
          "POST /a?b HTTP/1.1\r\nHost: example.org\r\nAccept: x\r\nCookie: a=b\r\nCookie: c=d\r\n"
          "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Host: example.org\r\nX-Forwarded-Proto: http\r\n"
          "X-Forwarded-Port: 8080\r\nForwarded: for=203.0.113.7;host=example.org;proto=http\r\n"
          "Via: 1.1 meshcache\r\nContent-Length: 3\r\n\r\n");
}

TEST_CASE("the target goes upstream in origin-form with the host of the key") {
    CHECK(sent("GET http://B:80/x HTTP/1.1\r\nHost: a\r\n\r\n").rfind("GET /x HTTP/1.1\r\nHost: b\r\n", 0) ==
          0);
    CHECK(sent("GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n").rfind("GET /?x HTTP/1.1\r\nHost: b\r\n", 0) ==
          0);
    CHECK(sent("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").rfind("OPTIONS * HTTP/1.1\r\nHost: a\r\n", 0) == 0);
    CHECK(sent("GET / HTTP/1.0\r\n\r\n").rfind("GET / HTTP/1.1\r\nHost: \r\n", 0) == 0);
}

TEST_CASE("framing is written as it was understood") {
    const auto lines = [](std::string_view head) {
        const test::request r(sent(head));
        std::string out;
        for (const field& f : r.head.fields)
            if (f.id == field_id::content_length || f.id == field_id::transfer_encoding)
                out.append(f.name).append("=").append(f.value).append(";");
        return out;
    };
    CHECK(lines("GET / HTTP/1.1\r\nHost: a\r\n\r\n").empty());
    CHECK(lines("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") == "Content-Length=0;");
    CHECK(lines("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n") ==
          "Content-Length=9223372036854775807;");
    CHECK(lines("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n") ==
          "Transfer-Encoding=chunked;");
    CHECK(lines("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: content-length\r\n\r\n") ==
          "Content-Length=3;");
}

TEST_CASE("hop-by-hop fields stay behind") {
    for (const char* line : {"Connection: x", "Keep-Alive: 5", "Proxy-Connection: keep-alive", "TE: trailers",
                             "Trailer: x", "Upgrade: h2c", "Proxy-Authenticate: x", "Proxy-Authorization: x",
                             "Proxy-Authentication-Info: x"}) {
        INFO(line);
        const std::string name(std::string_view(line).substr(0, std::string_view(line).find(':')));
        CHECK(field_sent(name, std::string(line) + "\r\n") == "-");
        CHECK(relayed(test::ok(std::string(line) + "\r\n")).find(name + ":") == std::string::npos);
    }
}

TEST_CASE("what Connection names stays behind, but not what the cache acts on") {
    CHECK(field_sent("X-Own", "X-Own: 1\r\nConnection: x-own\r\n") == "-");
    CHECK(field_sent("X-Own", "X-Own: 1\r\nConnection: close\r\nConnection: a, X-OWN\r\n") == "-");
    CHECK(field_sent("X-Own", "X-Own: 1\r\nConnection: x-ow\r\n") == "1");
    for (const char* name : {"Authorization", "Cookie", "Cache-Control", "Age", "Vary", "ETag", "Range",
                             "Accept", "Content-Type", "Origin", "User-Agent", "If-None-Match", "Pragma"}) {
        INFO(name);
        const std::string lines = std::string(name) + ": 1\r\nConnection: " + name + "\r\n";
        CHECK(field_sent(name, lines) == "1");
    }
    CHECK(field_sent("Host", "Connection: host\r\n") == "a");
    CHECK(field_sent("X-Forwarded-For", "Connection: x-forwarded-for\r\n") == "203.0.113.7");
    CHECK(field_sent("X-Forwarded-Proto", "X-Forwarded-Proto: https\r\nConnection: x-forwarded-proto\r\n",
                     friendly) == "https");
    CHECK(field_sent("X-Real-IP", "X-Real-IP: 1\r\nConnection: x-real-ip\r\n", friendly) == "1");
    CHECK(
        relayed(test::ok("Set-Cookie: a\r\nX: y\r\nConnection: set-cookie, x\r\n")) ==
        "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nVia: 1.1 meshcache\r\n");
}

TEST_CASE("the options of Connection are read") {
    const test::request r(test::get("Connection: Close, keep-alive\r\nConnection: UPGRADE\r\n"));
    const connection_options options(r.head.fields);
    CHECK(options.close());
    CHECK(options.keep_alive());
    CHECK(options.upgrade());
    const test::request none(test::get(""));
    const connection_options nothing(none.head.fields);
    CHECK_FALSE(nothing.close());
    CHECK_FALSE(nothing.keep_alive());
    CHECK_FALSE(nothing.upgrade());
}

TEST_CASE("fields that claim another URL or method are removed, trusted or not") {
    for (const client_facts& client : {stranger, friendly})
        for (const char* name :
             {"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method", "X-HTTP-Method-Override",
              "X-Method-Override", "x-original-url", "X_Original_URL", "X-HTTP_Method-Override"}) {
            INFO(name);
            CHECK(field_sent(name, std::string(name) + ": x\r\n", client) == "-");
        }
}

TEST_CASE("what a stranger says of where it comes from is removed") {
    for (const char* name :
         {"X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Real-IP", "True-Client-IP",
          "X-Client-IP", "X-Host", "X-Original-Host", "CF-Connecting-IP", "Front-End-Https"}) {
        INFO(name);
        const std::string lines = std::string(name) + ": x\r\n";
        CHECK(field_sent(name, lines) == "-");
        CHECK(field_sent(name, lines, friendly) == "x");
    }
    for (const char* name :
         {"X_Forwarded_For", "X-Forwarded_Host", "x_real_ip", "HOST_", "Content-Length_"}) {
        INFO(name);
        const bool harmless = std::string_view(name).back() == '_';
        const std::string lines = std::string(name) + ": x\r\n";
        CHECK(field_sent(name, lines) == (harmless ? "x" : "-"));
        CHECK(field_sent(name, lines, friendly) == (harmless ? "x" : "-"));
    }
    CHECK(field_sent("X_Own", "X_Own: x\r\n") == "x");
}

TEST_CASE("what a trusted client says of the URI enters the key, and whose request it is does not") {
    const auto claims = [](std::string_view lines) {
        const test::request r(test::get(std::string(lines)));
        std::string out;
        append_trusted_claims(r.head.fields, out);
        return out;
    };
    CHECK(claims("").empty());
    CHECK(claims("X-Forwarded-For: 1\r\nX-Real-IP: 1\r\nTrue-Client-IP: 1\r\nX-Own: 1\r\n").empty());
    CHECK(claims("X-Forwarded-Host: h\r\nX-Host: i\r\n") == "16:x-forwarded-host1:h6:x-host1:i");
    CHECK(claims("X-HOST: i\r\nx-forwarded-host: h\r\n") == claims("X-Forwarded-Host: h\r\nX-Host: i\r\n"));
    CHECK(claims("X-Host: i\r\nX-Host: h\r\n") != claims("X-Host: h\r\nX-Host: i\r\n"));
    CHECK(claims("Forwarded: for=1;by=2\r\n") == claims("Forwarded: for=3\r\n"));
    CHECK(claims("Forwarded: for=1;host=a\r\n") == claims("Forwarded: FOR = 3;host=a\r\n"));
    CHECK(claims("Forwarded: for=1;host=a\r\n") != claims("Forwarded: for=1;host=b\r\n"));
    CHECK(claims("Forwarded: for=1, for=2;host=a\r\n") != claims("Forwarded: for=1;host=a, for=2\r\n"));
    CHECK(claims("Forwarded: for=\"1;host=a\r\n") != claims("Forwarded: for=\"1;host=b\r\n"));
    CHECK(claims("Forwarded: for=\"1\\\";host=a\r\n") != claims("Forwarded: for=\"1\\\";host=b\r\n"));
    CHECK(claims("Forwarded: for=\"1,host=a\r\n") != claims("Forwarded: for=\"1,host=b\r\n"));
}

TEST_CASE("who asked is replaced for strangers and continued for the trusted") {
    const std::string lines =
        "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Host: h\r\n"
        "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nForwarded: for=9\r\n";
    CHECK(field_sent("X-Forwarded-For", lines) == "203.0.113.7");
    CHECK(field_sent("X-Forwarded-Host", lines) == "a");
    CHECK(field_sent("X-Forwarded-Proto", lines) == "http");
    CHECK(field_sent("X-Forwarded-Port", lines) == "8080");
    CHECK(field_sent("Forwarded", lines) == "for=203.0.113.7;host=a;proto=http");
    CHECK(field_sent("X-Forwarded-For", lines, friendly) == "1.1.1.1, 2.2.2.2, 203.0.113.7");
    CHECK(field_sent("X-Forwarded-Host", lines, friendly) == "h");
    CHECK(field_sent("X-Forwarded-Proto", lines, friendly) == "https");
    CHECK(field_sent("X-Forwarded-Port", lines, friendly) == "443");
    CHECK(field_sent("Forwarded", lines, friendly) == "for=9, for=203.0.113.7;host=a;proto=http");
    CHECK(field_sent("X-Forwarded-For", "", friendly) == "203.0.113.7");
    CHECK(field_sent("X-Forwarded-Proto", "", friendly) == "http");
}

TEST_CASE("addresses and hosts are quoted in Forwarded where they need it") {
    const client_facts six{"2001:db8::1", "80", false};
    CHECK(field_sent("Forwarded", "", six) == "for=\"[2001:db8::1]\";host=a;proto=http");
    CHECK(field_sent("X-Forwarded-For", "", six) == "2001:db8::1");
    const test::request r(sent("GET / HTTP/1.1\r\nHost: a:81\r\n\r\n"));
    CHECK(r.head.fields.value(field_id::forwarded) == "for=203.0.113.7;host=\"a:81\";proto=http");
}

TEST_CASE("a unix socket's client has no address") {
    const client_facts local{"", "", false};
    const client_facts trusted{"", "", true};
    CHECK(field_sent("Forwarded", "", local) == "for=unknown;host=a;proto=http");
    CHECK(field_sent("X-Forwarded-For", "X-Forwarded-For: 1\r\n", local) == "-");
    CHECK(field_sent("X-Forwarded-Port", "X-Forwarded-Port: 1\r\n", local) == "-");
    CHECK(field_sent("X-Forwarded-For", "X-Forwarded-For: 1\r\n", trusted) == "1");
}

TEST_CASE("Via names the protocol that was received, after what was there") {
    CHECK(field_sent("Via", "Via: 1.0 x\r\n") == "1.0 x | 1.1 meshcache");
    const test::request r(sent("GET / HTTP/1.0\r\n\r\n"));
    CHECK(r.head.fields.value(field_id::via) == "1.0 meshcache");
}

TEST_CASE("an upgrade keeps its fields") {
    const std::string out =
        sent(test::get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"), stranger, true);
    const test::request r(out);
    CHECK(r.head.fields.value(field_id::connection) == "upgrade");
    CHECK(r.head.fields.value(field_id::upgrade) == "websocket");
    CHECK(r.head.fields.count(field_id::upgrade) == 1);
}

TEST_CASE("OPTIONS that may go no further ends here") {
    struct row {
        std::string start, lines;
        bool ends;
    };
    const std::vector<row> rows = {
        {"OPTIONS /", "Max-Forwards: 0\r\n", true},
        {"OPTIONS *", "Max-Forwards: 0\r\n", true},
        {"OPTIONS /", "Max-Forwards: 00\r\n", true},
        {"OPTIONS /", "Max-Forwards: 5\r\nMax-Forwards: 0\r\n", true},
        {"OPTIONS /", "Max-Forwards: 1\r\n", false},
        {"OPTIONS /", "Max-Forwards: -0\r\n", false},
        {"OPTIONS /", "Max-Forwards:\r\n", false},
        {"OPTIONS /", "", false},
        {"GET /", "Max-Forwards: 0\r\n", false},
        {"POST /", "Max-Forwards: 0\r\n", false},
    };
    for (const row& r : rows) {
        INFO(r.start << ' ' << shown(r.lines));
        const test::request request(r.start + " HTTP/1.1\r\nHost: a\r\n" + r.lines + "\r\n");
        CHECK(ends_here(request.head) == r.ends);
    }
}

TEST_CASE("Max-Forwards counts down for TRACE and OPTIONS alone") {
    const auto left = [](std::string_view method, std::string_view value) {
        const test::request r(sent(std::string(method) + " / HTTP/1.1\r\nHost: a\r\nMax-Forwards: " +
                                   std::string(value) + "\r\n\r\n"));
        return std::string(r.head.fields.value(field_id::max_forwards));
    };
    CHECK(left("TRACE", "5") == "4");
    CHECK(left("OPTIONS", "1") == "0");
    CHECK(left("GET", "5") == "5");
    CHECK(left("TRACE", "x") == "x");
}

TEST_CASE("a response goes to the client with its end-to-end fields") {
    CHECK(relayed("HTTP/1.0 404 Gone fishing\r\nDate: x\r\nAge: 5\r\nContent-Length: 3\r\nConnection: close, "
                  "x-a\r\n"
                  "X-A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nVia: 1.1 y\r\n\r\n") ==
          "HTTP/1.1 404 Gone fishing\r\nDate: x\r\nAge: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nVia: 1.1 y\r\n"
          "Via: 1.0 meshcache\r\n");
    CHECK(relayed("HTTP/1.1 200\r\nAge: 5\r\nTransfer-Encoding: chunked\r\nUpgrade: x\r\nTrailer: y\r\n\r\n",
                  true) ==
          "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nVia: 1.1 meshcache\r\n");
    CHECK(relayed("HTTP/1.1 299 \r\nDate: x\r\n\r\n") ==
          "HTTP/1.1 299 \r\nDate: x\r\nVia: 1.1 meshcache\r\n");
}

TEST_CASE("known statuses have a reason phrase") {
    CHECK(reason_phrase(200) == "OK");
    CHECK(reason_phrase(304) == "Not Modified");
    CHECK(reason_phrase(504) == "Gateway Timeout");
    CHECK(reason_phrase(299).empty());
    CHECK(reason_phrase(0).empty());
    CHECK(reason_phrase(-1).empty());
}

TEST_CASE("what is sent upstream parses again, with the same key and framing") {
    test::random_source random;
    INFO("seed " << random.seed);
    const std::vector<std::string> lines = {
        "Connection: x-own, close",
        "Connection: content-length",
        "X-Own: 1",
        "Cookie: a=b; c",
        "Forwarded: for=\"x",
        "X-Forwarded-For: ,,",
        "Via:",
        "TE: trailers",
        "X_Real_IP: 1",
        "Content-Type: a/b",
        "Accept: \xff\x80",
        "X-Rewrite-URL: /",
        "Max-Forwards: 1",
        "Expect: 100-continue",
        "Upgrade: x",
    };
    const std::vector<std::string> starts = {
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET http://B.:80?x HTTP/1.1\r\nHost: a\r\n",
        "POST /%00 HTTP/1.1\r\nHost: [::1]:81\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a.b\r\n",
        "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n",
        "QUERY /?\" HTTP/1.0\r\nHost: a\r\n",
    };
    const std::vector<std::string> framings = {"", "Content-Length: 0\r\n", "Content-Length: 12\r\n",
                                               "Transfer-Encoding: chunked\r\n"};
    for (int i = 0; i < 2000; ++i) {
        std::string text = starts[random.below(starts.size())];
        for (std::size_t n = random.below(8); n > 0; --n) text += lines[random.below(lines.size())] + "\r\n";
        const bool old = text.find("HTTP/1.0") != std::string::npos;
        text += framings[random.below(framings.size() - (old ? 1 : 0))] + "\r\n";
        INFO(shown(text));

        const test::request before(text);
        body_framing framing_before, framing_after;
        REQUIRE(request_framing(before.head, framing_before) == framing_error::none);
        std::string host_before, host_after, key_before, key_after, out = "kept";
        request_uri uri_before, uri_after;
        REQUIRE(split_uri(before.head, host_before, uri_before) == uri_error::none);
        write_upstream_head(before.head, uri_before, framing_before, random.below(2) ? stranger : friendly,
                            random.below(2) != 0, out);
        REQUIRE(out.rfind("kept", 0) == 0);
        out.erase(0, 4);

        const test::request after(out);
        REQUIRE(after.head.size == out.size());
        REQUIRE(request_framing(after.head, framing_after) == framing_error::none);
        REQUIRE(framing_after.kind == framing_before.kind);
        REQUIRE(framing_after.length == framing_before.length);
        REQUIRE(split_uri(after.head, host_after, uri_after) == uri_error::none);
        build_key(uri_before, before.head.method_text, key_before);
        build_key(uri_after, after.head.method_text, key_after);
        REQUIRE(key_after == key_before);
    }
}
