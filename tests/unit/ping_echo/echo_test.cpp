#include "echo.hpp"
#include "support/catch.hpp"

#include <string>

using namespace meshcache::ping_echo;

TEST_CASE("ping-echo answers with what it was sent and with its counter") {
    const auto out = make_answer({"GET", "/ping-echo?body=redis", ""}, {}, 7);
    CHECK(out.status == 200);
    CHECK(out.cache_control == "max-age=60");
    CHECK(out.delay.count() == 0);
    CHECK(out.content == "ping-echo\nmethod: GET\ntarget: /ping-echo?body=redis\nbody: redis\ncount: 7\n");
}

TEST_CASE("ping-echo echoes content in preference to the parameter") {
    const auto out = make_answer({"POST", "/any?body=parameter", "content"}, {}, 1);
    CHECK(out.content == "ping-echo\nmethod: POST\ntarget: /any?body=parameter\nbody: content\ncount: 1\n");
}

TEST_CASE("asking ping-echo for its counter is not counted and not stored") {
    CHECK_FALSE(is_counted("/count"));
    CHECK_FALSE(is_counted("/count?status=503"));
    CHECK(is_counted("/counter"));
    CHECK(is_counted("/"));
    const auto out = make_answer({"GET", "/count", ""}, {}, 3);
    CHECK(out.status == 200);
    CHECK(out.cache_control == "no-store");
    CHECK(out.content == "3\n");
}

TEST_CASE("a query sets status, freshness lifetime and delay of ping-echo's answer") {
    struct row {
        std::string query;
        unsigned status;
        std::string cache_control;
        long delay_ms;
    };
    const answer_defaults defaults{meshcache::seconds{9}, meshcache::milliseconds{20}};
    for (const row& r :
         {row{"", 200, "max-age=9", 20}, row{"?status=503", 503, "max-age=9", 20},
          row{"?max-age=5&delay=100ms", 200, "max-age=5", 100}, row{"?delay=0s", 200, "max-age=9", 0},
          row{"?delay=1m", 200, "max-age=9", 60'000}, row{"?max-age=0", 200, "max-age=0", 20},
          row{"?xstatus=503&&=&status", 400, "no-store", 0}, row{"?status=199", 400, "no-store", 0},
          row{"?status=600", 400, "no-store", 0}, row{"?status=20x", 400, "no-store", 0},
          row{"?max-age=-1", 400, "no-store", 0}, row{"?max-age=x", 400, "no-store", 0},
          row{"?delay=10", 400, "no-store", 0}, row{"?delay=61s", 400, "no-store", 0}}) {
        INFO("query " << r.query);
        const auto out = make_answer({"GET", "/ping-echo" + r.query, ""}, defaults, 1);
        CHECK(out.status == r.status);
        CHECK(out.cache_control == r.cache_control);
        CHECK(out.delay.count() == r.delay_ms);
    }
}

TEST_CASE("ping-echo decodes the body parameter as a form does") {
    struct row {
        std::string query;
        std::string body;
    };
    for (const row& r :
         {row{"body=a+b%21", "a b!"}, row{"body=%", "%"}, row{"body=%4", "%4"}, row{"body=%zz", "%zz"},
          row{"body=%e2%82%ac", "\xe2\x82\xac"}, row{"x=1&body=y&body=z", "y"}, row{"body", ""},
          row{"nobody=1", ""}, row{"body=a=b", "a=b"}}) {
        INFO("query " << r.query);
        const auto out = make_answer({"GET", "/?" + r.query, ""}, {}, 1);
        CHECK(out.content.find("\nbody: " + r.body + "\ncount: ") != std::string::npos);
    }
}
