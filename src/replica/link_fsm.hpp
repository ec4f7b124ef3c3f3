#pragma once
// The life of the link to Redis as a machine without sockets: results go in, the next action comes out. The
// shell (redis_link.cpp) performs the action and reports. Losing either connection closes both: there is one
// way back, and it is the way that start-up takes.
//
//   connect_command -> greet_command -> load_scripts -> connect_follower -> greet_follower -> locate ->
//   catch_up
//   -> serve;  any failure -> wait (backing off) -> connect_command;  stop -> finish
//
// Not thread-safe; lives on the link's thread.
#include "backoff.hpp"

#include <meshcache/replica/link.hpp>

namespace meshcache::replica {

class link_fsm {
  public:
    enum class step : std::uint8_t {
        idle,             ///< not started
        connect_command,  ///< open the command connection
        greet_command,    ///< AUTH and SELECT on it
        load_scripts,     ///< SCRIPT LOAD on it
        connect_follower, ///< open the connection that follows the log
        greet_follower,   ///< AUTH and SELECT on it
        locate,           ///< find or check the position in the log
        catch_up,         ///< read the log up to its end
        serve,            ///< commands flow, the log is followed; until failed()
        wait,             ///< close both connections, wait for `delay`, then elapsed()
        finish,           ///< close both connections and end
    };

    struct action {
        step what = step::idle;
        milliseconds delay{0}; ///< of wait
    };

    /// `greet`: whether there is anything to say (a password, a database) before commands.
    link_fsm(bool greet, backoff pause) : greet_(greet), pause_(std::move(pause)) {}

    action start();
    /// The current action succeeded. Of catch_up: the end of the log was reached.
    action done();
    /// The current action failed, or a connection was lost. While waiting or finished it changes nothing.
    action failed();
    /// The wait is over.
    action elapsed();
    /// What is queued is to be sent, and nothing else begun. Changes the state that is shown, not the way.
    void drain() noexcept { draining_ = true; }
    action stop();

    step current() const noexcept { return step_; }
    link_state state() const noexcept;

  private:
    action enter(step next);

    const bool greet_;
    backoff pause_;
    step step_ = step::idle;
    bool draining_ = false;
};

} // namespace meshcache::replica
