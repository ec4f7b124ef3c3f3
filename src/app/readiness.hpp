#pragma once
// When a replica should get traffic, and what /readyz says of it. Pure: values in, words out.
#include <meshcache/admin/admin_server.hpp>
#include <meshcache/replica/link.hpp>

#include <string_view>

namespace meshcache::app {

/// What readiness depends on.
struct readiness_facts {
    bool started = false;
    bool draining = false;
    bool after_warm = false;     ///< --ready-after-warm, with Redis
    bool warm_once = false;      ///< it was ready before: a load that begins later changes nothing
    bool warm_time_over = false; ///< --warm-timeout has passed since the start
    replica::warm_state warm = replica::warm_state::off;
    std::uint64_t warm_loaded = 0;
    std::string_view warm_end = {}; ///< as in replica::link_stats
};

/// Ready unless starting, draining, or, when that is wanted, still loading what was stored before; for that
/// it waits no longer than the time-out, so that a Redis that is away holds up nobody for ever.
admin::readiness judge_readiness(const readiness_facts& facts);

} // namespace meshcache::app
