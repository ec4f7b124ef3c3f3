#include "readiness.hpp"
#include "support/catch.hpp"

#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::app;
using replica::warm_state;

TEST_CASE("a replica is ready once it has started, and no more once it drains") {
    CHECK_FALSE(judge_readiness({}).ready);
    CHECK(judge_readiness({}).text == "starting");
    CHECK(judge_readiness({.started = true}).ready);
    CHECK(judge_readiness({.started = true}).text == "ready");
    const auto draining = judge_readiness({.started = true, .draining = true});
    CHECK_FALSE(draining.ready);
    CHECK(draining.text == "draining");
}

TEST_CASE("a warm start that nobody waits for holds up nothing") {
    for (const auto warm : {warm_state::off, warm_state::waiting, warm_state::running, warm_state::done}) {
        const auto r = judge_readiness({.started = true, .warm = warm, .warm_end = "refused"});
        CHECK(r.ready);
        CHECK(r.text == "ready");
    }
}

TEST_CASE("with --ready-after-warm a replica is ready when the warm start has ended, or its time is over") {
    struct row {
        readiness_facts facts;
        bool ready;
        std::string text;
    };
    const auto facts = [](warm_state warm, std::string_view end = {}, bool over = false, bool once = false) {
        return readiness_facts{.started = true,
                               .after_warm = true,
                               .warm_once = once,
                               .warm_time_over = over,
                               .warm = warm,
                               .warm_loaded = 7,
                               .warm_end = end};
    };
    const std::vector<row> rows{
        {facts(warm_state::off), true, "ready"},
        {facts(warm_state::waiting), false, "warming up: waiting for Redis"},
        {facts(warm_state::running), false, "warming up: 7 records loaded"},
        {facts(warm_state::done, "complete"), true, "ready, 7 records loaded"},
        {facts(warm_state::done, "memory"), true, "ready, 7 records loaded"},
        {facts(warm_state::done, "refused"), true,
         "ready, although the warm start ended early (refused): 7 records loaded"},
        {facts(warm_state::waiting, {}, true), true,
         "ready, although the warm start has not begun: Redis could not be reached"},
        {facts(warm_state::running, {}, true), true,
         "ready, although the warm start has not ended: 7 records loaded"},
        // A later load, after a gap in the log.
        {facts(warm_state::running, "complete", false, true), true, "ready, 7 records loaded"},
        {facts(warm_state::done, "time", true, true), true, "ready, 7 records loaded"},
    };
    for (const row& r : rows) {
        const auto got = judge_readiness(r.facts);
        INFO(r.text);
        CHECK(got.ready == r.ready);
        CHECK(got.text == r.text);
    }
    auto draining = facts(warm_state::running);
    draining.draining = true;
    CHECK(judge_readiness(draining).text == "draining");
}
