#pragma once
// Tells which sockets are ready. One epoll set for all connections of an event loop, which is itself one
// descriptor to Asio: a socket is registered once in its life, and what is ready comes in batches
// (docs/decisions/0012).
#include "descriptor.hpp"
#include "io.hpp"

#include <meshcache/base/error.hpp>
#include <meshcache/base/turn_meter.hpp>

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <array>
#include <cstdint>
#include <sys/epoll.h>

namespace meshcache::net {

/// Whoever has a socket in a poller.
class pollable {
  public:
    /// Something can be read, or the end has come.
    static constexpr std::uint32_t input = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    /// No more than what is there now will come.
    static constexpr std::uint32_t ended = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    /// Something can be written again, or never more.
    static constexpr std::uint32_t output = EPOLLOUT | EPOLLHUP | EPOLLERR;

    /// The socket became ready, as epoll says it: once for each change. May destroy this and any other.
    virtual void on_ready(std::uint32_t events) noexcept = 0;

  protected:
    ~pollable() = default;
};

/// The sockets of one event loop. Used by its thread; outlives what it watches.
class poller {
  public:
    /// `turns` is told of the end of each batch, if it is there. Throws boost::system::system_error where the
    /// system has no epoll set to give.
    explicit poller(const executor& ex, turn_meter* turns = nullptr);
    poller(const poller&) = delete;
    poller& operator=(const poller&) = delete;

    /// Begins to call on_ready(), within the executor's context.
    void start();

    /// Calls `who` whenever `fd` becomes ready, beginning with what it is now. To be ended by forget() and
    /// by closing the descriptor.
    error_code watch(int fd, pollable& who) noexcept;
    /// Does not call `who` any more, also for what has been reported already.
    void forget(const pollable& who) noexcept;

    const executor& get_executor() const noexcept { return ex_; }

  private:
    void wait();
    void run();

    executor ex_;
    turn_meter* const turns_;
    asio::posix::basic_stream_descriptor<executor> set_;
    static constexpr int most = 128; ///< in one batch
    std::array<epoll_event, most> batch_;
    int at_ = 0, count_ = 0; ///< of the batch that is being gone through
};

} // namespace meshcache::net
