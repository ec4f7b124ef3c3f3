#pragma once
// What the bare limits share: a listener on 127.0.0.1, and the loop over epoll that serves it. One thread.
// Only what no server can do without: whatever goes wrong ends the program.
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace bench {

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

inline void without_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

class event_loop {
  public:
    /// Port 0 is a free one.
    explicit event_loop(std::uint16_t port) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int on = 1;
        if (listener_ < 0 || ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
            die("socket");
        auto at = loopback(port);
        socklen_t length = sizeof at;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), length) != 0 ||
            ::listen(listener_, 1024) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &length) != 0) {
            die("listen");
        }
        port_ = ntohs(at.sin_port);
        poll_ = ::epoll_create1(EPOLL_CLOEXEC);
        if (poll_ < 0) die("epoll_create1");
        watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    }

    std::uint16_t port() const noexcept { return port_; }

    void watch(int what, int fd, std::uint32_t events) {
        epoll_event e{};
        e.events = events;
        e.data.fd = fd;
        if (::epoll_ctl(poll_, what, fd, &e) != 0) die("epoll_ctl");
    }

    /// For ever: `accepted(fd)` for each new connection, which does not block, `ready(fd, events)` for each
    /// that is watched, and `end_round()` after each round of events.
    template <class Accepted, class Ready, class EndRound>
    [[noreturn]] void run(Accepted accepted, Ready ready, EndRound end_round) {
        std::array<epoll_event, 256> events;
        for (;;) {
            const int n = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            if (n < 0 && errno != EINTR) die("epoll_wait");
            for (int i = 0; i < n; ++i) {
                const auto& e = events[static_cast<std::size_t>(i)];
                if (e.data.fd != listener_) {
                    ready(e.data.fd, e.events);
                    continue;
                }
                for (int fd;
                     (fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                    without_delay(fd);
                    accepted(fd);
                }
            }
            end_round();
        }
    }

  private:
    int listener_ = -1, poll_ = -1;
    std::uint16_t port_ = 0;
};

} // namespace bench
