// The bare limit of passing through: an epoll loop with a connection to the upstream for each client, that
// sends on what it reads on either side. It parses nothing, so no proxy on this machine can be much cheaper.
//
//   relay PORT UPSTREAM    both on 127.0.0.1
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

/// One side of a pair. `waiting` is what came from the other side and was not taken yet.
struct side {
    int other = -1;
    std::string waiting;
};

class relay {
  public:
    relay(std::uint16_t port, std::uint16_t upstream) : upstream_(loopback(upstream)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int on = 1;
        if (listener_ < 0 || ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
            die("socket");
        const auto at = loopback(port);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
            ::listen(listener_, 1024) != 0) {
            die("listen");
        }
        poll_ = ::epoll_create1(EPOLL_CLOEXEC);
        if (poll_ < 0) die("epoll_create1");
        watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 256> events;
        for (;;) {
            const int n = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            if (n < 0 && errno != EINTR) die("epoll_wait");
            for (int i = 0; i < n; ++i) {
                const auto& e = events[static_cast<std::size_t>(i)];
                if (e.data.fd == listener_) {
                    accept_all();
                } else if (at(e.data.fd).other >= 0) { // not closed by an earlier event
                    serve(e.data.fd, e.events);
                }
            }
            for (const int fd : closed_) ::close(fd);
            closed_.clear();
        }
    }

  private:
    side& at(int fd) {
        const auto i = static_cast<std::size_t>(fd);
        if (sides_.size() <= i) sides_.resize(i + 1);
        return sides_[i];
    }

    void watch(int what, int fd, std::uint32_t events) {
        epoll_event e{};
        e.events = events;
        e.data.fd = fd;
        if (::epoll_ctl(poll_, what, fd, &e) != 0) die("epoll_ctl");
    }

    /// A side is read only while the other one takes everything.
    void update(int fd) {
        const std::uint32_t read = at(at(fd).other).waiting.empty() ? EPOLLIN : 0u;
        watch(EPOLL_CTL_MOD, fd, read | (at(fd).waiting.empty() ? 0u : EPOLLOUT));
    }

    void accept_all() {
        for (;;) {
            const int client = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (client < 0) return;
            // Connecting to a listener on loopback does not wait.
            const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (server < 0 ||
                ::connect(server, reinterpret_cast<const sockaddr*>(&upstream_), sizeof upstream_) != 0) {
                die("connecting to the upstream");
            }
            at(client) = {server, {}};
            at(server) = {client, {}};
            const int on = 1;
            for (const int fd : {client, server}) {
                ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                watch(EPOLL_CTL_ADD, fd, EPOLLIN);
            }
        }
    }

    void serve(int fd, std::uint32_t events) {
        const int other = at(fd).other;
        if ((events & EPOLLOUT) != 0 && !flush(fd)) return drop(fd);
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || !at(other).waiting.empty()) return;
        const auto n = ::recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) return drop(fd);
        const auto sent =
            ::send(other, buffer_.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) return drop(fd);
        if (sent < n) {
            const auto taken = sent < 0 ? 0 : sent;
            at(other).waiting.assign(buffer_.data() + taken, static_cast<std::size_t>(n - taken));
            update(other);
            update(fd);
        }
    }

    /// Sends what waits. False when the connection is gone.
    bool flush(int fd) {
        auto& s = at(fd);
        const auto n = ::send(fd, s.waiting.data(), s.waiting.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN;
        s.waiting.erase(0, static_cast<std::size_t>(n));
        if (s.waiting.empty()) {
            update(fd);
            update(s.other);
        }
        return true;
    }

    void drop(int fd) {
        for (const int gone : {fd, at(fd).other}) {
            watch(EPOLL_CTL_DEL, gone, 0);
            at(gone) = {};
            closed_.push_back(
                gone); // after this round of events, so that none of them meets a new connection
        }
    }

    sockaddr_in upstream_;
    int listener_ = -1, poll_ = -1;
    std::vector<side> sides_; ///< by descriptor
    std::vector<int> closed_;
    std::array<char, 64 * 1024> buffer_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: relay PORT UPSTREAM\n", stderr);
        return 2;
    }
    const auto port = [&](int i) { return static_cast<std::uint16_t>(std::strtoul(argv[i], nullptr, 10)); };
    relay(port(1), port(2)).run();
}
