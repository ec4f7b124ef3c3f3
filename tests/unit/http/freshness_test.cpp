#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/freshness.hpp>
#include <meshcache/http/grammar.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;
using test::shown;

namespace {

constexpr std::int64_t now_s = 784111777;
const wall_time now = at(now_s);

std::string dated(std::string_view name, std::int64_t offset) {
    return std::string(name) + ": " + format_date(at(now_s + offset)) + "\r\n";
}

lifetime of(const std::string& lines, const cache_policy& policy = {}, const char* status = "200",
            milliseconds delay = milliseconds{0}) {
    const test::response r("HTTP/1.1 " + std::string(status) + " x\r\n" + lines + "\r\n");
    return compute_lifetime(r.head, read_response_directives(r.head.fields), now - delay, now, policy);
}

std::int64_t fresh_for(const lifetime& life) {
    return std::chrono::floor<seconds>(life.fresh_until - now).count();
}
std::int64_t stale_for(const lifetime& life) {
    return std::chrono::floor<seconds>(life.stale_until - life.fresh_until).count();
}
std::int64_t error_for(const lifetime& life) {
    return std::chrono::floor<seconds>(life.error_until - life.fresh_until).count();
}

} // namespace

TEST_CASE("the lifetime is the first of s-maxage, max-age, Expires and the heuristic") {
    struct row {
        std::string lines;
        std::int64_t fresh;
        bool explicit_lifetime;
    };
    const std::string date = dated("Date", 0);
    const std::vector<row> rows = {
        {"", 0, false},
        {date + "Cache-Control: max-age=10\r\n", 10, true},
        {date + "Cache-Control: max-age=10, s-maxage=20\r\n", 20, true},
        {date + "Cache-Control: s-maxage=0, max-age=10\r\n", 0, true},
        {date + "Cache-Control: max-age=0\r\n" + dated("Expires", 50), 0, true},
        {date + dated("Expires", 50), 50, true},
        {date + dated("Expires", -50), 0, true},
        {dated("Expires", 50), 50, true},
        {dated("Date", -30) + dated("Expires", 50), 50, true}, // 80 seconds, 30 of which are over
        {date + "Expires: 0\r\n", 0, true},
        {date + "Expires: -1\r\n", 0, true},
        {date + "Expires:\r\n", 0, true},
        {date + "Expires: tomorrow\r\n", 0, true},
        {"Date: x\r\n" + dated("Expires", 50), 50, true},
        // the obsolete forms of a date (RFC 9110, section 5.6.7)
        {date + "Expires: Sunday, 06-Nov-94 08:50:27 GMT\r\n", 50, true},
        {date + "Expires: Sun Nov  6 08:50:27 1994\r\n", 50, true},
        {date + "Expires: Sun, 06 Nov 1994 08:50:27 CET\r\n", 0, true},
        {date + "Pragma: no-cache\r\nCache-Control: max-age=10\r\n", 10, true},
        {date + "Cache-Control: max-age=10\r\n" + dated("Expires", -50), 10, true},
        {date + dated("Expires", 50) + dated("Last-Modified", -1000), 50, true},
        {date + dated("Expires", 50) + dated("Expires", 50), 50, true},
        {date + dated("Expires", 50) + dated("Expires", 60), 0, true},
        {date + dated("Last-Modified", -1000), 100, false},
        {dated("Last-Modified", -1000), 100, false},
        {date + dated("Last-Modified", -1000) + "Expires: 0\r\n", 0, true},
        {date + dated("Last-Modified", -1000) + "Set-Cookie: a\r\n", 0, false},
        {date + dated("Last-Modified", 1000), 0, false},
        {date + dated("Last-Modified", 0), 0, false},
        {date + "Last-Modified: x\r\n", 0, false},
        {date + dated("Last-Modified", -1000) + dated("Last-Modified", -2000), 0, false},
        {date + dated("Last-Modified", -100000000), 86400, false},
        {date + "Cache-Control: public\r\n", 0, false},
        {date + "Cache-Control: no-cache, max-age=10\r\n", 0, true},
        {date + "Cache-Control: no-cache=\"a\", max-age=10\r\n", 0, true},
        {date + "Cache-Control: max-age=10\r\nMeshcache-Cache-Control: max-age=20\r\n", 20, true},
        {date + "Cache-Control: max-age=10\r\nMeshcache-Cache-Control: public\r\n" + dated("Expires", 50), 0,
         false},
        {date + "Cache-Control: max-age=10\r\nMeshcache-Cache-Control: =\r\n", 10, true},
        {date + "Cache-Control: s-maxage=10\r\nCDN-Cache-Control: max-age=20\r\n", 20, true},
        {date + "CDN-Cache-Control: max-age=20, s-maxage=30\r\n", 30, true},
        // without a lifetime in the targeted field, what is known of the content remains
        {date + dated("Last-Modified", -1000) + "CDN-Cache-Control: public\r\nCache-Control: max-age=9\r\n",
         100, false},
        {date + "Cache-Control: max-age=99999999999\r\n", 2147483648, true},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        const lifetime life = of(r.lines);
        CHECK(fresh_for(life) == r.fresh);
        CHECK(life.explicit_lifetime == r.explicit_lifetime);
        CHECK(life.response_time == now);
        CHECK(life.stale_until >= life.fresh_until);
        CHECK(life.error_until >= life.fresh_until);
    }
}

TEST_CASE("the heuristic is for the statuses that allow it, and not for errors") {
    const std::string modified = dated("Last-Modified", -1000);
    for (const char* status : {"200", "203", "204", "206", "300", "301", "308"}) {
        INFO(status);
        CHECK(fresh_for(of(modified, {}, status)) == 100);
    }
    for (const char* status :
         {"201", "202", "302", "303", "304", "307", "400", "401", "403", "404", "405", "410", "412", "413",
          "414", "416", "417", "426", "429", "431", "500", "501", "502", "503", "504", "299", "600"}) {
        INFO(status);
        CHECK(fresh_for(of(modified, {}, status)) == 0);
    }
    const std::string declared = modified + "Cache-Control: public\r\n";
    CHECK(fresh_for(of(declared, {}, "302")) == 100);
    for (const char* status :
         {"400", "403", "404", "405", "410", "412", "414", "416", "418", "431", "500", "501", "503", "304"}) {
        INFO(status);
        CHECK(fresh_for(of(declared, {}, status)) == 0);
    }
    CHECK(fresh_for(of("Cache-Control: max-age=9\r\n", {}, "503")) == 9);
}

TEST_CASE("the operator may let the heuristic be for errors as well") {
    // RFC 9110, section 15.1: 414 and 501 are heuristically cacheable. RFC 9111, section 4.2.2: public is
    // enough.
    cache_policy policy;
    policy.heuristic_errors = true;
    const std::string modified = dated("Last-Modified", -1000);
    for (const char* status : {"404", "414", "501"}) {
        INFO(status);
        CHECK(fresh_for(of(modified, policy, status)) == 100);
    }
    for (const char* status : {"400", "403", "500", "502", "503", "599"}) {
        INFO(status);
        CHECK(fresh_for(of(modified, policy, status)) == 0);
        CHECK(fresh_for(of(modified + "Cache-Control: public\r\n", policy, status)) == 100);
    }
    CHECK(fresh_for(of(modified + "Cache-Control: public\r\n", policy, "304")) == 0);
}

TEST_CASE("the heuristic is the operator's to set") {
    cache_policy policy;
    policy.heuristic_percent = 0;
    CHECK(fresh_for(of(dated("Last-Modified", -1000), policy)) == 0);
    policy.heuristic_percent = 50;
    CHECK(fresh_for(of(dated("Last-Modified", -1000), policy)) == 500);
    policy.heuristic_max = seconds{60};
    CHECK(fresh_for(of(dated("Last-Modified", -1000), policy)) == 60);
}

TEST_CASE("an error is fresh for a bounded time, whatever it says") {
    cache_policy policy;
    policy.error_max = seconds{60};
    for (const char* status : {"400", "403", "404", "410", "500", "503", "599"}) {
        INFO(status);
        CHECK(fresh_for(of("Cache-Control: max-age=9\r\n", policy, status)) == 9);
        CHECK(fresh_for(of("Cache-Control: max-age=61\r\n", policy, status)) == 60);
        CHECK(fresh_for(of("Cache-Control: s-maxage=86400\r\n", policy, status)) == 60);
        CHECK(fresh_for(of(dated("Expires", 86400), policy, status)) == 60);
        // The bound is on the time from its arrival.
        CHECK(fresh_for(of("Age: 100\r\nCache-Control: max-age=110\r\n", policy, status)) == 10);
        CHECK(fresh_for(of("Age: 100\r\nCache-Control: max-age=86400\r\n", policy, status)) == 60);
        CHECK(fresh_for(of("Cache-Control: max-age=86400\r\n", {}, status)) == 300);
    }
    policy.negative_lifetime = seconds{90};
    CHECK(fresh_for(of("", policy, "404")) == 60);
    policy.error_max = seconds{0};
    CHECK(fresh_for(of("Cache-Control: max-age=60\r\n", policy, "404")) == 0);
    for (const char* status : {"200", "301", "302"}) {
        INFO(status);
        CHECK(fresh_for(of("Cache-Control: max-age=86400\r\n", policy, status)) == 86400);
    }
}

TEST_CASE("a rule may say how long errors are fresh that do not say it themselves") {
    cache_policy policy;
    policy.negative_lifetime = seconds{30};
    for (const char* status : {"400", "404", "410", "501", "503"}) {
        INFO(status);
        CHECK(fresh_for(of("", policy, status)) == 30);
        CHECK(fresh_for(of(dated("Last-Modified", -1000), policy, status)) == 30);
        CHECK(fresh_for(of("Cache-Control: max-age=9\r\n", policy, status)) == 9);
        CHECK(fresh_for(of("Cache-Control: max-age=0\r\n", policy, status)) == 0);
        CHECK(fresh_for(of("Cache-Control: no-cache\r\n", policy, status)) == 0);
        CHECK(fresh_for(of("Expires: 0\r\n", policy, status)) == 0);
        CHECK(fresh_for(of("Set-Cookie: a=b\r\n", policy, status)) == 0);
        CHECK(!of("", policy, status).explicit_lifetime);
    }
    CHECK(fresh_for(of("", policy, "200")) == 0);
    CHECK(fresh_for(of("", policy, "302")) == 0);
}

TEST_CASE("Age that is no single number may be held against a response") {
    cache_policy policy;
    policy.strict_age = true;
    const std::string long_lived = "Cache-Control: max-age=2147483648\r\n";
    for (const char* age : {"Age: abc\r\n", "Age:\r\n", "Age: -7200\r\n", "Age: 7200.0\r\n", "Age: 0, 0\r\n",
                            "Age: 0,7200\r\n", "Age: 0\r\nAge: 7200\r\n", "Age: 0\r\nAge: 0\r\n",
                            "Age: 7200;foo=bar\r\n", "Age: \"7\"\r\n", "Age: 7 7\r\n"}) {
        INFO(shown(age));
        CHECK(fresh_for(of(long_lived + age, policy)) == 0);
    }
    CHECK(fresh_for(of("Cache-Control: max-age=60\r\n", policy)) == 60);
    CHECK(fresh_for(of("Cache-Control: max-age=60\r\nAge: 7\r\n", policy)) == 53);
    CHECK(fresh_for(of("Cache-Control: max-age=60\r\nAge: 0\r\n", policy)) == 60);
}

TEST_CASE("the initial age is the larger of apparent and corrected age") {
    struct row {
        std::string lines;
        int delay_ms;
        std::int64_t age;
    };
    const std::vector<row> rows = {
        {"", 0, 0},
        {dated("Date", 0), 0, 0},
        {dated("Date", -30), 0, 30},
        {dated("Date", 30), 0, 0},
        {"Date: x\r\n", 0, 0},
        {"Age: 7\r\n", 0, 7},
        {"Age: 7\r\n", 2500, 9},
        {"Age: 7\r\n" + dated("Date", -30), 2500, 30},
        {"Age: 40\r\n" + dated("Date", -30), 0, 40},
        {"", 2500, 2},
        {"Age: 7, 9\r\n", 0, 7},
        {"Age: 7\r\nAge: 9\r\n", 0, 7},
        {"Age:\r\n", 0, 0},
        {"Age: -7\r\n", 0, 0},
        {"Age: 7.5\r\n", 0, 0},
        {"Age: x, 7\r\n", 0, 0},
        {"Age: \"7\"\r\n", 0, 0},
        {"Age: 99999999999999999999\r\n", 0, 2147483648},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines) << r.delay_ms);
        const lifetime life =
            of(r.lines + "Cache-Control: max-age=100\r\n", {}, "200", milliseconds{r.delay_ms});
        CHECK(life.initial_age.count() == r.age);
        CHECK(fresh_for(life) == 100 - r.age);
    }
    // Older than the field can say.
    CHECK(of("Date: Mon, 01 Jan 1601 00:00:00 GMT\r\n").initial_age == lifetime::age::max());
    // A clock that jumped back between request and response.
    CHECK(of("", {}, "200", milliseconds{-5000}).initial_age == seconds{0});
}

TEST_CASE("stale windows are the response's own, or else the operator's") {
    struct row {
        std::string cache_control;
        std::int64_t stale, error;
        bool must_revalidate;
    };
    const std::vector<row> own = {
        {"max-age=10", 0, 0, false},
        {"max-age=10, stale-while-revalidate=5, stale-if-error=7", 5, 7, false},
        {"max-age=0, stale-while-revalidate=5", 5, 0, false},
        {"s-maxage=10", 0, 0, true},
        {"s-maxage=10, stale-while-revalidate=5", 5, 0, true},
        {"max-age=10, must-revalidate, stale-while-revalidate=5, stale-if-error=7", 0, 0, true},
        {"max-age=10, proxy-revalidate, stale-if-error=7", 0, 0, true},
        {"max-age=10, no-cache, stale-if-error=7", 0, 0, true},
        {"max-age=10, no-cache=\"a\", stale-if-error=7", 0, 0, true},
        {"stale-while-revalidate=5", 0, 0, false},
    };
    for (const row& r : own) {
        INFO(r.cache_control);
        const lifetime life = of("Cache-Control: " + r.cache_control + "\r\n");
        CHECK(stale_for(life) == r.stale);
        CHECK(error_for(life) == r.error);
        CHECK(life.must_revalidate == r.must_revalidate);
    }
    cache_policy policy;
    policy.default_stale_while_revalidate = seconds{30};
    policy.default_stale_if_error = seconds{40};
    const std::vector<row> with_defaults = {
        {"max-age=10", 30, 40, false},
        {"max-age=10, stale-while-revalidate=0", 0, 40, false},
        {"max-age=10, stale-if-error=1", 30, 1, false},
        {"s-maxage=10", 0, 0, true},
        {"s-maxage=10, stale-if-error=3", 0, 3, true},
        {"max-age=10, must-revalidate", 0, 0, true},
        {"no-cache", 0, 0, true},
        {"public", 0, 0, false},
    };
    for (const row& r : with_defaults) {
        INFO(r.cache_control);
        const lifetime life = of("Cache-Control: " + r.cache_control + "\r\n", policy);
        CHECK(stale_for(life) == r.stale);
        CHECK(error_for(life) == r.error);
        CHECK(life.must_revalidate == r.must_revalidate);
    }
    CHECK(stale_for(of("", policy)) == 0);
}
