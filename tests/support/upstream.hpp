#pragma once
// The application behind the proxy, by script: for each request the test's own function decides what is
// sent, in which pieces, after which gate, and how the connection ends. One thread per connection;
// scripts run on it and must not use Catch's macros: they keep what they find, and the test checks it.
#include "support/gate.hpp"
#include "support/message.hpp"
#include "support/socket.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace meshcache::test {

class scripted_upstream;

/// One request's turn on an upstream connection. Used by the connection's thread alone.
class turn {
  public:
    turn(scripted_upstream& stage, connection& on, request asked, std::size_t number);

    /// The request; its body is empty until read_body().
    const request& asked() const noexcept { return asked_; }
    std::string target() const { return asked_.target(); }
    std::string method() const { return asked_.method(); }
    /// Which request this is on its connection, from 0.
    std::size_t number() const noexcept { return number_; }

    /// The request's body as it comes.
    body_reader& body() noexcept { return body_; }
    /// Reads the request's body to its end, and keeps it in asked().
    const std::string& read_body();

    /// Sends bytes as they are; false when the proxy is gone.
    bool send(std::string_view bytes) { return on_.send(bytes); }
    /// Sends a whole answer with Content-Length. `fields` are lines, each with CRLF.
    bool respond(int status, std::string_view fields, std::string_view body);
    /// 200 with that body and Cache-Control.
    bool ok(std::string_view body, std::string_view cache_control = "max-age=60");

    /// Waits for the gate; false when the stage is taken down meanwhile.
    bool wait(const gate& g) const;
    /// Says nothing more, and returns when the proxy ends the connection or the stage is taken down.
    void stall();
    /// No further request on this connection: closes it after the turn, by FIN or by RST.
    void close();
    void reset();
    bool ended() const noexcept { return ended_; }
    /// The socket itself.
    connection& raw() noexcept { return on_; }

  private:
    scripted_upstream& stage_;
    connection& on_;
    request asked_;
    body_reader body_;
    std::size_t number_;
    bool ended_ = false;
};

class scripted_upstream {
  public:
    using script = std::function<void(turn&)>;

    /// Listens at once; port 0 lets the kernel choose.
    explicit scripted_upstream(script play, const endpoint& where = {"127.0.0.1", 0, {}});
    ~scripted_upstream();
    scripted_upstream(const scripted_upstream&) = delete;
    scripted_upstream& operator=(const scripted_upstream&) = delete;

    const endpoint& address() const noexcept { return address_; }
    std::string flag() const { return address_.to_string(); }

    /// Plays another script from the next request on.
    void play(script next);
    /// Closes the listener and all connections; what comes is refused until start().
    void stop();
    /// Listens again, at the same address.
    void start();

    /// Requests whose head came.
    std::size_t requests() const;
    /// The same, for one target.
    std::size_t requests_for(std::string_view target) const;
    /// Connections that were accepted.
    std::size_t connections() const;
    /// Connections that are open now.
    std::size_t open_connections() const;
    /// Waits until so many requests came; gives up after patience().
    void wait_for_requests(std::size_t n) const;
    /// The first ten thousand requests, in the order in which their heads came; bodies as far as scripts
    /// read them.
    std::vector<request> seen() const;
    request last() const;
    /// The first megabytes that came on all connections, as they came.
    std::string received() const;
    /// Whether the stage is being taken down.
    bool stopping() const noexcept { return stopping_.load(); }

  private:
    friend class turn;
    struct guest {
        connection on;
        std::thread thread;
        std::atomic<bool> done{false};
    };
    void accept_all();
    void serve(guest& g, std::size_t index);
    void note_body(std::size_t at, const std::string& body, bool complete);

    endpoint address_;
    std::unique_ptr<listening_socket> listener_;
    std::thread acceptor_;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    script script_;
    std::list<guest> guests_;
    std::vector<request> seen_;
    std::string received_;
    std::size_t requests_ = 0;
    std::size_t connections_ = 0;
};

} // namespace meshcache::test
