#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/reuse.hpp>

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::at;

namespace {

/// Received at second 1000 with age 5, fresh until 1100, then 20 seconds to revalidate and 50 for errors.
lifetime stored() {
    lifetime life;
    life.initial_age = seconds{5};
    life.response_time = at(1000);
    life.fresh_until = at(1100);
    life.stale_until = at(1120);
    life.error_until = at(1150);
    return life;
}

const char* name(reuse r) {
    switch (r) {
    case reuse::fresh:
        return "fresh";
    case reuse::stale_revalidate:
        return "stale_revalidate";
    case reuse::stale:
        return "stale";
    case reuse::request_refuses:
        return "request_refuses";
    }
    return "?";
}

} // namespace

TEST_CASE("a stored response is reused while it and the request allow") {
    struct row {
        std::string cache_control;
        std::int64_t now;
        reuse expected;
    };
    const std::vector<row> rows = {
        {"", 1000, reuse::fresh},
        {"", 1099, reuse::fresh},
        {"", 1100, reuse::stale_revalidate},
        {"", 1119, reuse::stale_revalidate},
        {"", 1120, reuse::stale},
        {"", 9999, reuse::stale},
        {"", 0, reuse::fresh}, // a clock that went back
        {"no-cache", 1000, reuse::request_refuses},
        {"no-store", 1000, reuse::fresh},
        {"only-if-cached", 1000, reuse::fresh},
        {"max-age=5", 1000, reuse::fresh},
        {"max-age=4", 1000, reuse::request_refuses},
        {"max-age=15", 1010, reuse::fresh},
        {"max-age=15", 1011, reuse::request_refuses},
        {"max-age=0", 1000, reuse::request_refuses},
        {"max-age=500", 1110, reuse::stale},
        {"max-age=500, max-stale=10", 1110, reuse::stale_revalidate},
        {"max-age=500, max-stale=9", 1110, reuse::stale},
        {"max-age=50, max-stale=100", 1110, reuse::request_refuses},
        {"min-fresh=100", 1000, reuse::fresh},
        {"min-fresh=101", 1000, reuse::request_refuses},
        {"min-fresh=1", 1110, reuse::request_refuses},
        {"min-fresh=0", 1110, reuse::request_refuses},
        {"min-fresh=1, max-stale=100", 1110, reuse::request_refuses},
        {"max-age=0, max-stale", 1000, reuse::request_refuses},
        {"no-cache, max-stale", 1110, reuse::request_refuses},
        {"only-if-cached, max-stale=30", 1130, reuse::stale_revalidate},
        {"stale-if-error=600", 1130, reuse::stale},         // is for errors alone
        {"stale-while-revalidate=600", 1130, reuse::stale}, // is no directive of requests
        {"must-revalidate, s-maxage=0, private", 1110, reuse::stale_revalidate}, // nor are these
        {"max-stale=30", 1130, reuse::stale_revalidate},
        {"max-stale=29", 1130, reuse::stale},
        {"max-stale", 99999, reuse::stale_revalidate},
        {"max-stale=5", 1119, reuse::stale_revalidate}, // within the response's own window
    };
    for (const row& r : rows) {
        INFO(r.cache_control << " at " << r.now);
        const test::request request(test::get("Cache-Control: " + r.cache_control + "\r\n"));
        const request_directives d = read_request_directives(request.head.fields);
        CHECK(std::string(name(decide_reuse(stored(), d, at(r.now)))) == name(r.expected));
    }
}

TEST_CASE("max-stale gives way to must-revalidate, the response's own window does not") {
    lifetime life = stored();
    life.must_revalidate = true;
    request_directives any;
    any.max_stale = seconds::max();
    CHECK(decide_reuse(life, any, at(1130)) == reuse::stale);
    CHECK(decide_reuse(life, any, at(1110)) == reuse::stale_revalidate);
    life.stale_until = life.fresh_until;
    CHECK(decide_reuse(life, any, at(1110)) == reuse::stale);
}

TEST_CASE("milliseconds count") {
    const lifetime life = stored();
    const request_directives none;
    CHECK(decide_reuse(life, none, at(1100) - milliseconds{1}) == reuse::fresh);
    CHECK(decide_reuse(life, none, at(1100)) == reuse::stale_revalidate);
    CHECK(freshness_left(life, at(1100) - milliseconds{1}) == seconds{1});
    CHECK(freshness_left(life, at(1100)) == seconds{0});
    CHECK(freshness_left(life, at(1100) + milliseconds{1}) == seconds{-1});
}

TEST_CASE("errors are covered for their own window") {
    const lifetime life = stored();
    CHECK(usable_on_error(life, {}, at(1000)));
    CHECK(usable_on_error(life, {}, at(1149)));
    CHECK_FALSE(usable_on_error(life, {}, at(1150)));
}

TEST_CASE("a request's stale-if-error shortens the response's window, and is one where there is none") {
    struct row {
        std::int64_t window;           ///< of the response, fresh until 1100
        bool must_revalidate;          ///< s-maxage, say: the window is the response's own exception
        std::optional<seconds> wanted; ///< by the request
        std::int64_t now;
        bool usable;
    };
    const row rows[] = {
        {50, false, seconds{20}, 1119, true},  {50, false, seconds{20}, 1120, false},
        {50, false, seconds{80}, 1149, true},  {50, false, seconds{80}, 1150, false},
        {50, false, seconds{0}, 1100, false},  {50, false, seconds{0}, 1099, true},
        {0, false, std::nullopt, 1100, false}, {0, false, seconds{20}, 1119, true},
        {0, false, seconds{20}, 1120, false},  {0, true, seconds{20}, 1100, false},
        {50, true, seconds{80}, 1149, true},   {50, true, seconds{80}, 1150, false},
        {50, true, seconds{20}, 1120, false},
    };
    for (const row& r : rows) {
        INFO(r.window << (r.must_revalidate ? " must-revalidate " : " ") << r.now);
        lifetime life = stored();
        life.error_until = life.fresh_until + seconds{r.window};
        life.must_revalidate = r.must_revalidate;
        request_directives request;
        request.stale_if_error = r.wanted;
        CHECK(usable_on_error(life, request, at(r.now)) == r.usable);
    }
    lifetime never = stored();
    never.fresh_until = never.error_until = at(995);
    request_directives request;
    request.stale_if_error = seconds{600};
    CHECK_FALSE(usable_on_error(never, request, at(1000)));
}

TEST_CASE("a request's stale-if-error bounds what it gets while the upstream cannot be reached, too") {
    request_directives request;
    request.stale_if_error = seconds{20};
    CHECK(usable_when_disconnected(stored(), request, seconds{60}, at(1119)));
    CHECK_FALSE(usable_when_disconnected(stored(), request, seconds{60}, at(1120)));
    CHECK_FALSE(usable_when_disconnected(stored(), request, seconds{10}, at(1110)));
}

TEST_CASE("age and freshness left are whole seconds") {
    const lifetime life = stored();
    CHECK(current_age(life, at(1000)) == seconds{5});
    CHECK(current_age(life, at(1000) + milliseconds{999}) == seconds{5});
    CHECK(current_age(life, at(1001)) == seconds{6});
    CHECK(current_age(life, at(0)) == seconds{5});
    CHECK(freshness_left(life, at(1040)) == seconds{60});
    CHECK(freshness_left(life, at(1160)) == seconds{-60});
}

TEST_CASE("while the upstream cannot be reached, what was fresh once may be used, and what must be validated "
          "may not") {
    CHECK(usable_when_disconnected(stored(), {}, seconds{60}, at(1159)));
    CHECK_FALSE(usable_when_disconnected(stored(), {}, seconds{60}, at(1160)));
    CHECK_FALSE(usable_when_disconnected(stored(), {}, seconds{0}, at(1100)));
    lifetime strict = stored();
    strict.must_revalidate = true;
    CHECK_FALSE(usable_when_disconnected(strict, {}, seconds{60}, at(1101)));
    lifetime never = stored();
    never.fresh_until = at(995);
    CHECK_FALSE(usable_when_disconnected(never, {}, seconds{600}, at(1001)));
    never.fresh_until = at(996); // fresh before it came here
    CHECK(usable_when_disconnected(never, {}, seconds{600}, at(1001)));
}

TEST_CASE("a clock that is set back makes nothing fresh, usable or younger than it was on arrival") {
    lifetime life = stored();
    CHECK(current_age(life, at(1)) == seconds{5});
    CHECK(freshness_left(life, at(1)) == seconds{100});
    for (const std::int64_t until : {1000, 995, 990}) {
        // no-cache, max-age=0, and what was stale on arrival
        INFO(until);
        life.fresh_until = life.stale_until = life.error_until = at(until);
        for (const std::int64_t now : {0, 989, 994, 999, 1000, 1001}) {
            INFO(now);
            CHECK(name(decide_reuse(life, {}, at(now))) == name(reuse::stale));
            CHECK_FALSE(usable_on_error(life, {}, at(now)));
            CHECK(freshness_left(life, at(now)) <= seconds{0});
        }
    }
}
