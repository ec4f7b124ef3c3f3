#pragma once
// What the connections of one event loop share. Belongs to a worker; everything in it is used on the worker's
// thread alone.
#include "access_log.hpp"
#include "connection.hpp"
#include "deadline.hpp"
#include "failure_log.hpp"
#include "fetch_pause.hpp"
#include "io.hpp"
#include "poller.hpp"
#include "session_pool.hpp"
#include "upstream_pool.hpp"

#include <meshcache/base/turn_meter.hpp>
#include <meshcache/net/settings.hpp>

#include <memory>

namespace meshcache::net {

struct loop_context {
    loop_context(const executor& executor_, const settings& cfg_, shared_state& shared_)
        : ex(executor_), cfg(cfg_), shared(shared_), counters(shared_.counters.make_slab()),
          turns(shared_.clock, counters, histogram::turn_worker), sweep(shared_.clock.steady()),
          readiness(executor_, &turns), pool(readiness, cfg_, sweep, counters),
          access(cfg_.access, cfg_.access_json, shared_.access), failures(shared_.log) {}
    loop_context(const loop_context&) = delete;
    loop_context& operator=(const loop_context&) = delete;

    /// Runs a coroutine on this loop until it ends by itself; counted, so that a drain waits for it.
    void spawn(task<void> work);
    /// The same for work that no client waits for by itself: a drain does not wait for it.
    void spawn_behind(task<void> work);

    /// Whether the local store may be trusted: see settings::max_unsynced.
    bool in_sync() const noexcept {
        if (shared.link == nullptr || cfg.max_unsynced == milliseconds::zero()) return true;
        return sweep.now() - shared.link->in_sync_at(sweep.now()) <= cfg.max_unsynced;
    }

    executor ex;
    const settings& cfg;
    shared_state& shared;
    metrics_slab& counters;
    turn_meter turns;
    deadline_sweep sweep;
    poller readiness;
    upstream_pool pool;
    access_logger access;
    failure_log failures;
    session_pool sessions;
    connection_set connections; ///< all of this loop's clients
    bool draining = false;
    std::size_t running = 0;        ///< client connections, and coroutines begun by spawn() or spawn_behind()
    std::size_t behind = 0;         ///< those of them begun by spawn_behind()
    std::size_t fetches_behind = 0; ///< see fetch_behind.hpp
    fetch_pause behind_pause;       ///< of the same

  private:
    void spawn(task<void> work, bool is_behind);
};

} // namespace meshcache::net
