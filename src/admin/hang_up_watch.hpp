#pragma once
// Notices that a client hangs up while its answer is in the making. A part of one request's life, and used on
// the loop's thread alone.
#include <meshcache/base/error.hpp>

#include <cerrno>
#include <memory>
#include <stop_token>
#include <sys/socket.h>

namespace meshcache::admin {

/// From its constructor to its destructor nobody else may wait for `socket`, which outlives it.
template <class Socket>
class hang_up_watch {
  public:
    explicit hang_up_watch(Socket& socket) : socket_(socket) { watch(socket, state_); }
    ~hang_up_watch() {
        state_->over = true;
        error_code ignored;
        socket_.cancel(ignored);
    }
    hang_up_watch(const hang_up_watch&) = delete;
    hang_up_watch& operator=(const hang_up_watch&) = delete;

    /// Stops when the client sends no more: it has gone, or wants no more than what there is. One that has
    /// sent its next request already is not noticed.
    std::stop_token gone() const noexcept { return state_->gone.get_token(); }

  private:
    /// What the handler needs, which may run after the watch is over.
    struct state {
        std::stop_source gone;
        bool over = false;
    };

    static void watch(Socket& socket, const std::shared_ptr<state>& s) {
        socket.async_wait(Socket::wait_read, [&socket, s](error_code ec) {
            if (ec || s->over) return;
            char byte;
            const auto n = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
            if (n > 0) return;
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                watch(socket, s);
            else
                s->gone.request_stop();
        });
    }

    Socket& socket_;
    const std::shared_ptr<state> state_ = std::make_shared<state>();
};

} // namespace meshcache::admin
