#include "link_fsm.hpp"
#include "support/catch.hpp"

#include <vector>

using namespace meshcache;
using namespace meshcache::replica;
using step = link_fsm::step;

namespace {

link_fsm make(bool greet) {
    return {greet, backoff(milliseconds{50}, milliseconds{200}, [] { return 1.0; })};
}

std::vector<step> way(bool greet) {
    if (greet)
        return {step::connect_command, step::greet_command, step::load_scripts, step::connect_follower,
                step::greet_follower,  step::locate,        step::catch_up,     step::serve};
    return {step::connect_command, step::load_scripts, step::connect_follower,
            step::locate,          step::catch_up,     step::serve};
}

} // namespace

TEST_CASE("The way to serving goes through every step", "[link_fsm]") {
    for (const bool greet : {false, true}) {
        link_fsm m = make(greet);
        CHECK(m.current() == step::idle);
        CHECK(m.state() == link_state::connecting);
        auto action = m.start();
        for (const step expected : way(greet)) {
            CHECK(action.what == expected);
            CHECK(m.current() == expected);
            CHECK(m.state() == (expected == step::connect_command ? link_state::connecting
                                : expected == step::serve         ? link_state::ready
                                                                  : link_state::loading));
            action = m.done();
        }
        CHECK(m.current() == step::serve);
    }
}

TEST_CASE("A failure anywhere waits, longer each time, and begins again", "[link_fsm]") {
    for (std::size_t broken = 0; broken < way(true).size(); ++broken) {
        CAPTURE(broken);
        link_fsm m = make(true);
        m.start();
        for (const int delay : {50, 100, 200, 200}) {
            for (std::size_t n = 0; n < broken; ++n) m.done();
            if (m.current() == step::serve) break;
            const auto action = m.failed();
            CHECK(action.what == step::wait);
            CHECK(action.delay == milliseconds{delay});
            CHECK(m.state() == link_state::connecting);
            CHECK(m.elapsed().what == step::connect_command);
        }
    }
}

TEST_CASE("Having served, it backs off from the first step again", "[link_fsm]") {
    link_fsm m = make(false);
    m.start();
    for (int n = 0; n < 3; ++n) {
        m.failed();
        m.elapsed();
    }
    while (m.current() != step::serve) m.done();
    CHECK(m.failed().delay == milliseconds{50});
}

TEST_CASE("News that come too late change nothing", "[link_fsm]") {
    link_fsm m = make(false);
    CHECK(m.failed().what == step::idle);
    m.start();
    CHECK(m.start().what == step::connect_command);
    CHECK(m.elapsed().what == step::connect_command);
    m.failed();
    CHECK(m.failed().what == step::wait);
    CHECK(m.failed().delay == milliseconds{0});
    CHECK(m.done().what == step::wait);
    m.stop();
    for (const auto& action : {m.done(), m.failed(), m.elapsed()}) CHECK(action.what == step::finish);
}

TEST_CASE("Draining shows as such until the end, on whatever part of the way", "[link_fsm]") {
    link_fsm m = make(false);
    m.start();
    m.drain();
    while (m.current() != step::serve) {
        CHECK(m.state() == link_state::draining);
        m.done();
    }
    CHECK(m.state() == link_state::draining);
    CHECK(m.failed().what == step::wait);
    CHECK(m.state() == link_state::draining);
    CHECK(m.stop().what == step::finish);
    CHECK(m.state() == link_state::stopped);
}

TEST_CASE("Each state has a word", "[link_fsm]") {
    CHECK(to_string(link_state::connecting) == "connecting");
    CHECK(to_string(link_state::loading) == "loading");
    CHECK(to_string(link_state::ready) == "ready");
    CHECK(to_string(link_state::draining) == "draining");
    CHECK(to_string(link_state::stopped) == "stopped");
}
