#pragma once
// Connections to the upstream: idle ones are kept and reused, new ones are opened within a bound.
#include "event.hpp"
#include "stream.hpp"
#include "upstream_addresses.hpp"

#include <meshcache/http/head.hpp>
#include <meshcache/net/settings.hpp>

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace meshcache::net {

/// One connection to the upstream, with what reading answers needs. Owned by whoever holds an exchange on it.
struct upstream_connection {
    upstream_connection(poller& readiness, deadline_sweep& sweep) : io(readiness, sweep) {}

    stream io;
    recv_buffer in;
    http::response_head head; ///< views into `in`
    bool reused = false;      ///< it has served an exchange before
    bool spent = false;       ///< it did not take the whole request, or may not have: it serves no other
    steady_time idle_since{};
};

class upstream_pool;

/// Owning handle: gives the connection's place in the pool's bound back when it goes.
class upstream_lease {
  public:
    upstream_lease() = default;
    upstream_lease(upstream_pool& pool, std::unique_ptr<upstream_connection> connection) noexcept
        : pool_(&pool), connection_(std::move(connection)) {}
    upstream_lease(upstream_lease&& other) noexcept
        : pool_(other.pool_), connection_(std::move(other.connection_)) {}
    upstream_lease& operator=(upstream_lease&& other) noexcept {
        if (this != &other) {
            discard();
            pool_ = other.pool_;
            connection_ = std::move(other.connection_);
        }
        return *this;
    }
    ~upstream_lease() { discard(); }

    explicit operator bool() const noexcept { return connection_ != nullptr; }
    upstream_connection* operator->() const noexcept { return connection_.get(); }
    upstream_connection& operator*() const noexcept { return *connection_; }

    /// The exchange ended cleanly and the connection may serve another.
    void give_back() noexcept;
    /// Closes it.
    void discard() noexcept;

  private:
    upstream_pool* pool_ = nullptr;
    std::unique_ptr<upstream_connection> connection_;
};

/// The pool of one event loop; used by its thread alone.
class upstream_pool {
  public:
    upstream_pool(poller& readiness, const settings& cfg, deadline_sweep& sweep, metrics_slab& counters);
    ~upstream_pool();
    upstream_pool(const upstream_pool&) = delete;
    upstream_pool& operator=(const upstream_pool&) = delete;

    /// An idle connection, if there is one and nobody has waited for it.
    upstream_lease acquire_idle();
    /// An idle connection, or a new one; with `fresh` only a new one. Errors: errc::upstream_*.
    task<upstream_lease> acquire(bool fresh, error_code& ec);

    /// Closes connections that were idle for too long, and frees the buffers of those that are idle for
    /// longer than a moment. Called by the sweep.
    void close_idle(steady_time now);
    /// Closes all idle connections, and ends those in use and those being opened.
    void stop();
    std::size_t open() const noexcept { return open_; }

  private:
    friend class upstream_lease;

    task<upstream_lease> connect(error_code& ec);
    std::unique_ptr<upstream_connection> take_idle();
    upstream_lease lend_idle();
    void put_back(std::unique_ptr<upstream_connection> connection) noexcept;
    void gone() noexcept;
    void promise() noexcept;

    executor ex_;
    poller& poller_;
    const settings& cfg_;
    deadline_sweep& sweep_;
    metrics_slab& counters_;
    upstream_addresses addresses_;
    std::vector<std::unique_ptr<upstream_connection>> idle_;
    boost::intrusive::list<stream, boost::intrusive::constant_time_size<false>> in_use_;
    std::deque<event*> waiting_;
    std::size_t promised_ = 0; ///< to those who waited, and have not yet come for what became free
    std::vector<stream_socket*> connecting_;
    std::size_t open_ = 0;
    std::size_t next_address_ = 0;
    bool stopped_ = false;
};

} // namespace meshcache::net
