#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/storability.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;
using test::shown;

namespace {

const wall_time now = at(784111777);

store_refusal judge(const std::string& request_text, const std::string& response_text,
                    const cache_policy& policy = {}) {
    const test::request request(request_text);
    const test::response response(response_text);
    const response_directives cc = read_response_directives(response.head.fields);
    const lifetime life = compute_lifetime(response.head, cc, now, now, policy);
    return may_store(request.head, read_request_directives(request.head.fields), response.head, cc, life, now,
                     policy);
}

const std::string plain = test::get("");
const std::string fresh = "Cache-Control: max-age=60\r\n";

std::string status(const char* code, const std::string& lines = fresh) {
    return "HTTP/1.1 " + std::string(code) + " x\r\n" + lines + "\r\n";
}

} // namespace

TEST_CASE("what the response says of itself decides whether it is stored") {
    struct row {
        std::string lines;
        store_refusal expected;
    };
    const std::string modified = "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    const std::vector<row> rows = {
        {fresh, store_refusal::none},
        {"Cache-Control: s-maxage=60\r\n", store_refusal::none},
        {"Expires: Fri, 31 Dec 9999 23:59:59 GMT\r\n", store_refusal::none},
        {modified, store_refusal::none},
        {fresh + "Vary: Accept-Encoding\r\n", store_refusal::none},
        {"Cache-Control: max-age=0, stale-while-revalidate=60\r\n", store_refusal::none},
        {"Cache-Control: max-age=0, stale-if-error=60\r\n", store_refusal::none},
        {"Cache-Control: max-age=60, no-store\r\n", store_refusal::no_store},
        {"Cache-Control: max-age=60, no-store=1\r\n", store_refusal::no_store},
        {"Cache-Control: max-age=60, no-store, must-understand\r\n", store_refusal::none},
        {"Cache-Control: max-age=60, private\r\n", store_refusal::is_private},
        {"Cache-Control: max-age=60, private=\"x\"\r\n", store_refusal::is_private},
        {"Cache-Control: max-age=60, public, private\r\n", store_refusal::is_private},
        {"Cache-Control: no-cache\r\nETag: \"x\"\r\n", store_refusal::none},
        {"Cache-Control: no-cache\r\nETag: x\r\n", store_refusal::already_stale},
        {"Cache-Control: no-cache\r\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n", store_refusal::none},
        {"Cache-Control: max-age=60, no-cache\r\n", store_refusal::already_stale},
        {"Cache-Control: max-age=60, no-cache=\"x\"\r\n", store_refusal::already_stale},
        {"Cache-Control: max-age=0\r\nETag: \"x\"\r\n", store_refusal::none},
        {"Expires: 0\r\nETag: \"x\"\r\n", store_refusal::none},
        {"Cache-Control: max-age=-1\r\n", store_refusal::already_stale},
        {"Cache-Control: max-age=60\r\nAge: 60\r\n", store_refusal::already_stale},
        {"Expires: 0\r\n", store_refusal::already_stale},
        // Pragma of a response means nothing (RFC 9111, section 5.4), nor does Warning any more
        // (section 5.5).
        {fresh + "Pragma: no-cache\r\n", store_refusal::none},
        {fresh + "Warning: 110 - \"Response is Stale\"\r\n", store_refusal::none},
        // What extends Cache-Control and is unknown is ignored (section 5.2.3).
        {"Cache-Control: community=\"UCI, no-store\", max-age=60, x\r\n", store_refusal::none},
        {"Cache-Control: community=UCI\r\n", store_refusal::no_lifetime},
        {"Expires: Sunday, 06-Nov-94 08:49:37 GMT\r\nETag: \"x\"\r\n", store_refusal::none},
        // Targeted fields leave no word of the others (RFC 9213, section 2.2).
        {"CDN-Cache-Control: must-revalidate\r\nExpires: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
         store_refusal::no_lifetime},
        {"CDN-Cache-Control: max-age=60\r\nCache-Control: private\r\nExpires: 0\r\n", store_refusal::none},
        {"", store_refusal::no_lifetime},
        {"ETag: \"x\"\r\n", store_refusal::no_lifetime},
        {"Cache-Control: public\r\n", store_refusal::no_lifetime},
        {"Cache-Control: stale-while-revalidate=60\r\n", store_refusal::no_lifetime},
        {fresh + "Set-Cookie: a=b\r\n", store_refusal::set_cookie},
        {modified + "Set-Cookie: a=b\r\n", store_refusal::set_cookie},
        {fresh + "Vary: *\r\n", store_refusal::vary_star},
        {fresh + "Vary: Accept, *\r\n", store_refusal::vary_star},
        {fresh + "Vary: X-Forwarded-For\r\n", store_refusal::vary_star},
        {fresh + "Content-Range: bytes 0-1/2\r\n",
         store_refusal::none}, // RFC 9110, section 14.4: it says nothing here
        {"Cache-Control: no-store\r\nMeshcache-Cache-Control: max-age=60\r\n", store_refusal::none},
        {fresh + "Meshcache-Cache-Control: no-store\r\n", store_refusal::no_store},
        {fresh + "CDN-Cache-Control: private\r\n", store_refusal::is_private},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        CHECK(describe(judge(plain, test::ok(r.lines))) == describe(r.expected));
    }
}

TEST_CASE("what the request says decides whether its answer is stored") {
    struct row {
        std::string request;
        std::string lines;
        store_refusal expected;
    };
    const std::string modified = "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    const std::string authorized = test::get("Authorization: x\r\n");
    const std::vector<row> rows = {
        {plain, fresh, store_refusal::none},
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", fresh, store_refusal::method},
        {"POST / HTTP/1.1\r\nHost: a\r\n\r\n", fresh, store_refusal::method},
        {"QUERY / HTTP/1.1\r\nHost: a\r\n\r\n", fresh, store_refusal::method},
        {"get / HTTP/1.1\r\nHost: a\r\n\r\n", fresh, store_refusal::method},
        {test::get("Cache-Control: no-store\r\n"), fresh, store_refusal::request_no_store},
        {test::get("Cache-Control: no-cache\r\n"), fresh, store_refusal::none},
        {test::get("Range: bytes=0-1\r\n"), fresh, store_refusal::none},
        {test::get("Range: bytes=0-1\r\n"), fresh + "Content-Range: bytes 0-1/2\r\n",
         store_refusal::request_range},
        {test::get("Content-Length: 3\r\n"), fresh, store_refusal::request_body},
        {test::get("Content-Length: 0\r\n"), fresh, store_refusal::none},
        {test::get("Transfer-Encoding: chunked\r\n"), fresh, store_refusal::request_body},
        {test::get("Connection: Upgrade\r\nUpgrade: x\r\n"), fresh, store_refusal::upgrade},
        {test::get("Upgrade: x\r\n"), fresh, store_refusal::none},
        {test::get("Cookie: a=b\r\n"), fresh, store_refusal::none},
        {test::get("Cookie: a=b\r\n"), "Cache-Control: s-maxage=60\r\n", store_refusal::none},
        {test::get("Cookie: a=b\r\n"), modified, store_refusal::request_cookie},
        {test::get("Cookie: a=b\r\n"), modified + "Cache-Control: public\r\n", store_refusal::request_cookie},
        {test::get("Cookie: a=b\r\n"), "", store_refusal::no_lifetime},
        {authorized, fresh, store_refusal::request_authorization},
        {authorized, "Cache-Control: max-age=60, public\r\n", store_refusal::none},
        {authorized, "Cache-Control: s-maxage=60\r\n", store_refusal::none},
        {authorized, "Cache-Control: max-age=60, must-revalidate\r\n", store_refusal::none},
        {authorized, "Cache-Control: max-age=60, proxy-revalidate\r\n", store_refusal::request_authorization},
        {authorized, "Cache-Control: max-age=60, public=1\r\n", store_refusal::request_authorization},
        {authorized, "Cache-Control: max-age=60, must-revalidate=1\r\n",
         store_refusal::request_authorization},
        {authorized, "Cache-Control: s-maxage=oops\r\nETag: \"x\"\r\n", store_refusal::request_authorization},
        {authorized, "Cache-Control: s-maxage=60, s-maxage=70\r\nETag: \"x\"\r\n",
         store_refusal::request_authorization},
        {authorized, "Cache-Control: s-maxage=60, s-maxage=60\r\n", store_refusal::none},
        {authorized, "Meshcache-Cache-Control: s-maxage=60\r\n", store_refusal::none},
        {authorized, "Meshcache-Cache-Control: s-maxage=\"60\", max-age=60\r\n",
         store_refusal::request_authorization},
        {authorized, "Meshcache-Cache-Control: max-age=60, must-revalidate\r\n", store_refusal::none},
        {authorized, "Meshcache-Cache-Control: max-age=60, must-revalidate=1\r\n",
         store_refusal::request_authorization},
    };
    for (const row& r : rows) {
        INFO(shown(r.request) << ' ' << shown(r.lines));
        CHECK(describe(judge(r.request, test::ok(r.lines))) == describe(r.expected));
    }
}

TEST_CASE("statuses are stored when they are final and whole") {
    for (const char* code :
         {"200", "203", "204", "301", "302", "404", "410", "418", "500", "503", "299", "599"}) {
        INFO(code);
        CHECK(judge(plain, status(code)) == store_refusal::none);
    }
    for (const char* code : {"100", "103", "199", "304", "600", "999"}) {
        INFO(code);
        CHECK(judge(plain, status(code)) == store_refusal::status);
    }
    CHECK(judge(plain, status("101")) == store_refusal::upgrade);
    CHECK(judge(plain, status("206")) == store_refusal::partial);
}

TEST_CASE("errors are stored only when they say so") {
    const std::string modified = "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    for (const char* code : {"400", "403", "404", "405", "410", "414", "500", "501", "502", "503"}) {
        INFO(code);
        CHECK(judge(plain, status(code, modified)) == store_refusal::no_lifetime);
        CHECK(judge(plain, status(code, modified + "Cache-Control: public\r\n")) ==
              store_refusal::no_lifetime);
        CHECK(judge(plain, status(code)) == store_refusal::none);
    }
}

TEST_CASE("answers to one request's conditions, credentials, sizes or moment are never stored") {
    for (const char* code : {"401", "406", "407", "408", "411", "412", "413", "415", "416", "417", "421",
                             "425", "426", "428", "429", "431", "511"}) {
        INFO(code);
        CHECK(judge(plain, status(code)) == store_refusal::status);
    }
}

TEST_CASE("must-understand stores only statuses that are known") {
    const std::string lines = "Cache-Control: max-age=60, must-understand, no-store\r\n";
    CHECK(judge(plain, status("200", lines)) == store_refusal::none);
    CHECK(judge(plain, status("299", lines)) == store_refusal::status);
    // Without no-store beside it, too (RFC 9111, section 5.2.2.3).
    CHECK(judge(plain, status("299", "Cache-Control: max-age=60, must-understand\r\n")) ==
          store_refusal::status);
    CHECK(judge(plain, status("200", "Cache-Control: max-age=60, must-understand, private\r\n")) ==
          store_refusal::is_private);
    // It lifts no-store, and not what stands in a quotation that is never closed.
    CHECK(judge(plain, status("200", "Cache-Control: must-understand, max-age=60, x=\"a, private\r\n")) ==
          store_refusal::is_private);
}

TEST_CASE("a rule may permit Set-Cookie, and nothing else with it") {
    cache_policy policy;
    policy.store_set_cookie = true;
    CHECK(judge(plain, test::ok(fresh + "Set-Cookie: a\r\n"), policy) == store_refusal::none);
    CHECK(judge(plain, test::ok("Cache-Control: private, max-age=9\r\nSet-Cookie: a\r\n"), policy) ==
          store_refusal::is_private);
}

TEST_CASE("the operator's windows do not make storable what has no lifetime") {
    cache_policy policy;
    policy.default_stale_while_revalidate = seconds{60};
    policy.default_stale_if_error = seconds{60};
    CHECK(judge(plain, test::ok(""), policy) == store_refusal::no_lifetime);
    CHECK(judge(plain, test::ok("Cache-Control: no-cache\r\n"), policy) == store_refusal::already_stale);
    CHECK(judge(plain, test::ok("Cache-Control: max-age=0\r\n"), policy) == store_refusal::none);
}

TEST_CASE("a request goes past the cache when it can neither be answered from it nor fill it") {
    struct row {
        std::string request;
        store_refusal expected;
    };
    const std::vector<row> rows = {
        {plain, store_refusal::none},
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", store_refusal::none},
        {test::get("Range: bytes=0-1\r\n"), store_refusal::none},
        {test::get("Authorization: x\r\n"), store_refusal::none},
        {test::get("Cache-Control: no-store\r\n"), store_refusal::none},
        {test::get("Content-Length: 0\r\n"), store_refusal::none},
        {test::get("Content-Length: 1\r\n"), store_refusal::request_body},
        {test::get("Transfer-Encoding: chunked\r\n"), store_refusal::request_body},
        {test::get("Connection: x, upgrade\r\nUpgrade: websocket\r\n"), store_refusal::upgrade},
        {"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", store_refusal::method},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", store_refusal::method},
    };
    for (const row& r : rows) {
        INFO(shown(r.request));
        const test::request request(r.request);
        body_framing framing;
        REQUIRE(request_framing(request.head, framing) == framing_error::none);
        CHECK(describe(request_may_use_cache(request.head, framing)) == describe(r.expected));
    }
}

TEST_CASE(
    "errors without a lifetime are stored for as long as a rule says, but not what a request provokes") {
    cache_policy policy;
    policy.negative_lifetime = seconds{30};
    for (const char* code : {"400", "403", "404", "405", "410", "414", "500", "501", "502", "503"}) {
        INFO(code);
        CHECK(judge(plain, status(code, ""), policy) == store_refusal::none);
        CHECK(judge(plain, status(code, "Cache-Control: no-store\r\n"), policy) == store_refusal::no_store);
        CHECK(judge(plain, status(code, "Cache-Control: private\r\n"), policy) == store_refusal::is_private);
        CHECK(judge(plain, status(code, "Cache-Control: max-age=0\r\n"), policy) ==
              store_refusal::already_stale);
        CHECK(judge(plain, status(code, "Set-Cookie: a=b\r\n"), policy) == store_refusal::set_cookie);
        CHECK(judge(test::get("Cookie: a=b\r\n"), status(code, ""), policy) == store_refusal::request_cookie);
        CHECK(judge(test::get("Authorization: x\r\n"), status(code, ""), policy) ==
              store_refusal::request_authorization);
    }
    for (const char* code : {"401", "408", "412", "413", "416", "417", "429", "431"}) {
        INFO(code);
        CHECK(judge(plain, status(code, ""), policy) == store_refusal::status);
    }
    CHECK(judge(plain, status("200", ""), policy) == store_refusal::no_lifetime);
    CHECK(judge(plain, status("302", ""), policy) == store_refusal::no_lifetime);
}

TEST_CASE("an answer to POST is stored for GET where the policy, its freshness and its location permit it") {
    // RFC 9110, section 9.3.3.
    struct row {
        const char* target;
        std::string lines;
        store_refusal expected;
    };
    const std::string here = "Content-Location: /a?b\r\n";
    const std::vector<row> rows = {
        {"/a?b", fresh + here, store_refusal::none},
        {"/a?b", fresh + "Content-Location: http://h/a?b\r\n", store_refusal::none},
        {"/a?b", fresh + "Content-Location: ?b\r\n", store_refusal::none},
        {"/a?b", "Expires: Fri, 31 Dec 9999 23:59:59 GMT\r\n" + here, store_refusal::none},
        {"/a?b", "Cache-Control: s-maxage=9\r\n" + here, store_refusal::none},
        {"/a?b", fresh, store_refusal::method},
        {"/a?b", fresh + "Content-Location: /a\r\n", store_refusal::method},
        {"/a?b", fresh + "Content-Location: https://h/a?b\r\n", store_refusal::method},
        {"/a?b", fresh + "Content-Location: http://i/a?b\r\n", store_refusal::method},
        {"/a?b", fresh + "Content-Location:\r\n" + here, store_refusal::method},
        {"/a?b", fresh + here + here, store_refusal::method},
        {"/a?b", here + "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n", store_refusal::no_lifetime},
        {"/a?b", here + "Cache-Control: max-age=0\r\nETag: \"x\"\r\n", store_refusal::already_stale},
        {"/a?b", here + "Cache-Control: max-age=60, no-cache\r\nETag: \"x\"\r\n",
         store_refusal::already_stale},
        {"/a?b", here + "Cache-Control: max-age=60, private\r\n", store_refusal::is_private},
        {"/a?b", here + "Cache-Control: max-age=60, no-store\r\n", store_refusal::no_store},
        {"/a?b", here + fresh + "Set-Cookie: a=b\r\n", store_refusal::set_cookie},
        {"/a?b", here + fresh + "Vary: *\r\n", store_refusal::vary_star},
    };
    const auto judge_post = [](const std::string& start, const std::string& request_lines,
                               const std::string& response_text, bool permitted) {
        const test::request request(start + " HTTP/1.1\r\nHost: h\r\n" + request_lines + "\r\n");
        const test::response response(response_text);
        cache_policy policy;
        policy.store_post = permitted;
        std::string host;
        request_uri target;
        REQUIRE(split_uri(request.head, host, target) == uri_error::none);
        const auto cc = read_response_directives(response.head.fields);
        const auto life = compute_lifetime(response.head, cc, now, now, policy);
        return may_store_post(request.head, target, read_request_directives(request.head.fields),
                              response.head, cc, life, now, policy);
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        const std::string start = std::string("POST ") + r.target;
        CHECK(describe(judge_post(start, "Content-Length: 3\r\n", test::ok(r.lines), true)) ==
              describe(r.expected));
        CHECK(judge_post(start, "", test::ok(r.lines), false) == store_refusal::method);
    }
    const std::string good = fresh + here;
    for (const char* method : {"PUT", "PATCH", "DELETE", "QUERY", "GET"}) {
        INFO(method);
        CHECK(judge_post(std::string(method) + " /a?b", "", test::ok(good), true) == store_refusal::method);
    }
    for (const char* code : {"201", "204", "206", "303", "404", "500"}) {
        INFO(code);
        CHECK(judge_post("POST /a?b", "", status(code, good), true) == store_refusal::status);
    }
    CHECK(judge_post("POST /a?b", "Cache-Control: no-store\r\n", test::ok(good), true) ==
          store_refusal::request_no_store);
    CHECK(judge_post("POST /a?b", "Authorization: x\r\n", test::ok(good), true) ==
          store_refusal::request_authorization);
}

TEST_CASE("every refusal has its words") {
    for (unsigned i = 0; i <= static_cast<unsigned>(store_refusal::upgrade); ++i) {
        const std::string_view words = describe(static_cast<store_refusal>(i));
        CHECK(is_token(words));
        CHECK(words != "unknown");
    }
}
