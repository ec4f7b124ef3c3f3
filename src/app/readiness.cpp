#include "readiness.hpp"

#include <string>

namespace meshcache::app {

admin::readiness judge_readiness(const readiness_facts& facts) {
    using replica::warm_state;
    if (facts.draining) return {false, "draining"};
    if (!facts.started) return {false, "starting"};
    if (!facts.after_warm || facts.warm == warm_state::off) return {true, "ready"};
    const std::string loaded = std::to_string(facts.warm_loaded) + " records loaded";
    if (facts.warm == warm_state::done) {
        const bool whole = facts.warm_end == "complete" || facts.warm_end == "memory";
        if (whole || facts.warm_once) return {true, "ready, " + loaded};
        return {true, "ready, although the warm start ended early (" + std::string(facts.warm_end) +
                          "): " + loaded};
    }
    const bool waiting = facts.warm == warm_state::waiting;
    if (facts.warm_once) return {true, "ready, " + loaded};
    if (facts.warm_time_over)
        return {true, "ready, although the warm start " +
                          std::string(waiting ? "has not begun: Redis could not be reached"
                                              : "has not ended: " + loaded)};
    return {false, waiting ? "warming up: waiting for Redis" : "warming up: " + loaded};
}

} // namespace meshcache::app
