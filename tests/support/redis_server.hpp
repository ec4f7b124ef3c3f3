#pragma once
// A real redis-server for a test: in a directory of its own, on a unix socket and on a port of 127.0.0.1 that
// stay the same over restarts; stopped, killed, paused and restarted at will. One thread.
#include "support/process.hpp"
#include "support/socket.hpp"

#include <meshcache/base/endpoint.hpp>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::test {

/// A reply of Redis, as a value.
struct redis_value {
    enum class kind { nil, text, error, integer, array } what = kind::nil;
    std::string text;
    std::int64_t integer = 0;
    std::vector<redis_value> elements;

    bool ok() const noexcept { return what != kind::error; }
};

class redis_server {
  public:
    /// Starts it, and waits until it answers. `options` are added to its command line, `environment` to its
    /// variables. Gives up with a clear message where there is no redis-server.
    explicit redis_server(std::vector<std::string> options = {}, std::vector<std::string> environment = {});
    /// Chosen, but not started: nobody listens there.
    struct not_started {};
    explicit redis_server(not_started);

    endpoint unix_address() const;
    endpoint tcp_address() const { return tcp_; }
    /// `redis://127.0.0.1:PORT`, as the user would write it.
    std::string url() const;

    /// Starts it again after stop() or kill(), with what was saved.
    void start();
    /// Ends it, as an operator would; what it holds is saved if `save`.
    void stop(bool save = false);
    /// Ends it at once: what was not saved is gone.
    void kill();
    /// Stops it from running, with all connections open; and lets it go on. It is dead to its clients
    /// meanwhile.
    void pause() const noexcept;
    void resume() const noexcept;
    void restart_empty();
    void restart_with_data();
    bool running();

    /// Runs a command on a connection of the test's own, and waits for its reply. Arguments may hold any
    /// byte.
    redis_value command(std::span<const std::string> arguments);
    redis_value command(std::initializer_list<std::string> arguments) {
        return command(std::span(arguments.begin(), arguments.size()));
    }
    /// The same, for an integer reply.
    std::int64_t number(std::initializer_list<std::string> arguments) { return command(arguments).integer; }

  private:
    temporary_directory directory_;
    endpoint tcp_;
    std::vector<std::string> options_, environment_;
    std::unique_ptr<child_process> process_;
    unique_fd connection_;
    std::string received_;

    bool answers();
    void connect();
    void fill();
    std::string line();
    redis_value read_value();
};

/// The flags of a meshcache that uses it, with time-outs that fit a busy machine, and `more`.
std::vector<std::string> with_redis(const redis_server& redis, std::vector<std::string> more = {});

} // namespace meshcache::test
