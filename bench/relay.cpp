// The bare limit of passing through: an epoll loop with a connection to the upstream for each client, that
// sends on what it reads on either side. It parses nothing, so no proxy on this machine can be much cheaper.
//
//   relay PORT UPSTREAM    both on 127.0.0.1
#include "loopback.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using bench::die;

/// One side of a pair. `waiting` is what came from the other side and was not taken yet.
struct side {
    int other = -1;
    std::string waiting;
};

class relay {
  public:
    relay(std::uint16_t port, std::uint16_t upstream) : loop_(port), upstream_(bench::loopback(upstream)) {}

    [[noreturn]] void run() {
        loop_.run([this](int client) { accept(client); },
                  [this](int fd, std::uint32_t events) {
                      if (at(fd).other >= 0) serve(fd, events); // not closed by an earlier event
                  },
                  [this] {
                      for (const int fd : closed_) ::close(fd);
                      closed_.clear();
                  });
    }

  private:
    side& at(int fd) {
        const auto i = static_cast<std::size_t>(fd);
        if (sides_.size() <= i) sides_.resize(i + 1);
        return sides_[i];
    }

    /// A side is read only while the other one takes everything.
    void update(int fd) {
        const std::uint32_t read = at(at(fd).other).waiting.empty() ? EPOLLIN : 0u;
        loop_.watch(EPOLL_CTL_MOD, fd, read | (at(fd).waiting.empty() ? 0u : EPOLLOUT));
    }

    void accept(int client) {
        // Connecting to a listener on loopback does not wait.
        const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (server < 0 ||
            ::connect(server, reinterpret_cast<const sockaddr*>(&upstream_), sizeof upstream_) != 0) {
            die("connecting to the upstream");
        }
        bench::without_delay(server);
        at(client) = {server, {}};
        at(server) = {client, {}};
        for (const int fd : {client, server}) loop_.watch(EPOLL_CTL_ADD, fd, EPOLLIN);
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
            loop_.watch(EPOLL_CTL_DEL, gone, 0);
            at(gone) = {};
            closed_.push_back(
                gone); // after this round of events, so that none of them meets a new connection
        }
    }

    bench::event_loop loop_;
    sockaddr_in upstream_;
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
