// The bare limit: an epoll loop that answers every request with one prebuilt response. It parses nothing but
// the end of a request's head, so no HTTP server on this machine can be much cheaper. The bench uses it as
// the upstream too: its response may be cached, and it counts the requests that it answered.
//
//   limit PORT SIZE [COUNTER]    127.0.0.1:PORT (0: a free one), SIZE bytes of content; prints the port.
//                                COUNTER: a file of 8 bytes, mapped, that holds the number of answers.
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

std::string http_date(std::time_t at) {
    std::tm parts{};
    ::gmtime_r(&at, &parts);
    char text[64];
    return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

/// Head and content in one piece, so that an answer is one send().
std::string make_response(std::size_t size) {
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) content[i] = i % 64 == 63 ? '\n' : static_cast<char>('0' + i % 64);
    const auto now = std::time(nullptr);
    return "HTTP/1.1 200 OK\r\nDate: " + http_date(now) + "\r\nLast-Modified: " + http_date(now - 86400) +
           "\r\nETag: \"bench-" + std::to_string(size) +
           "\"\r\nCache-Control: public, max-age=86400\r\nContent-Type: text/plain\r\nContent-Length: " +
           std::to_string(size) + "\r\n\r\n" + content;
}

/// One client. `matched` counts the bytes of CR LF CR LF at the end of what was read; `left` the bytes of
/// answers that the socket has not taken yet.
struct connection {
    int fd = -1;
    unsigned matched = 0;
    std::uint64_t left = 0;
    bool waits_to_write = false;
};

/// The number of heads that end in `bytes`.
std::uint64_t heads_ended(connection& c, std::string_view bytes) noexcept {
    std::uint64_t ended = 0;
    std::size_t at = 0;
    while (at < bytes.size()) {
        if (c.matched == 0) {
            const auto cr = bytes.find("\r\n\r\n", at);
            if (cr != std::string_view::npos) {
                ++ended;
                at = cr + 4;
                continue;
            }
            // The end may be cut: look at the last three bytes one by one.
            if (bytes.size() - at > 3) at = bytes.size() - 3;
        }
        const char b = bytes[at++];
        if (b == (c.matched % 2 == 0 ? '\r' : '\n')) {
            if (++c.matched == 4) {
                ++ended;
                c.matched = 0;
            }
        } else {
            c.matched = b == '\r' ? 1 : 0;
        }
    }
    return ended;
}

class server {
  public:
    server(std::uint16_t port, std::size_t size, std::uint64_t* answered)
        : response_(make_response(size)), answered_(answered) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int on = 1;
        if (listener_ < 0 || ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
            die("socket");
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(port);
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
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

    [[noreturn]] void run() {
        std::array<epoll_event, 256> events;
        for (;;) {
            const int n = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            if (n < 0 && errno != EINTR) die("epoll_wait");
            for (int i = 0; i < n; ++i) {
                const auto& e = events[static_cast<std::size_t>(i)];
                if (e.data.fd == listener_) {
                    accept_all();
                } else {
                    serve(*connections_[static_cast<std::size_t>(e.data.fd)], e.events);
                }
            }
        }
    }

  private:
    void watch(int what, int fd, std::uint32_t events) {
        epoll_event e{};
        e.events = events;
        e.data.fd = fd;
        if (::epoll_ctl(poll_, what, fd, &e) != 0) die("epoll_ctl");
    }

    void accept_all() {
        for (;;) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            const auto at = static_cast<std::size_t>(fd);
            if (connections_.size() <= at) connections_.resize(at + 1);
            connections_[at] = std::make_unique<connection>(connection{.fd = fd});
            watch(EPOLL_CTL_ADD, fd, EPOLLIN);
        }
    }

    void serve(connection& c, std::uint32_t events) {
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            const auto n = ::recv(c.fd, buffer_.data(), buffer_.size(), 0);
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return drop(c);
            if (n > 0) {
                const auto ended = heads_ended(c, {buffer_.data(), static_cast<std::size_t>(n)});
                *answered_ += ended;
                c.left += ended * response_.size();
            }
        }
        while (c.left > 0) {
            const auto offset = (response_.size() - c.left % response_.size()) % response_.size();
            const auto n = ::send(c.fd, response_.data() + offset, response_.size() - offset, MSG_NOSIGNAL);
            if (n < 0) {
                if (errno != EAGAIN) return drop(c);
                break;
            }
            c.left -= static_cast<std::uint64_t>(n);
        }
        if (const bool waits = c.left > 0; waits != c.waits_to_write) {
            c.waits_to_write = waits;
            watch(EPOLL_CTL_MOD, c.fd, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
        }
    }

    void drop(connection& c) {
        const int fd = c.fd;
        connections_[static_cast<std::size_t>(fd)].reset();
        ::close(fd);
    }

    std::string response_;
    std::uint64_t* answered_;
    int listener_ = -1, poll_ = -1;
    std::uint16_t port_ = 0;
    std::vector<std::unique_ptr<connection>> connections_; ///< by descriptor
    std::array<char, 64 * 1024> buffer_;
};

std::uint64_t* map_counter(const char* path) {
    const int fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ::ftruncate(fd, sizeof(std::uint64_t)) != 0) die(path);
    void* at = ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) die("mmap");
    ::close(fd);
    return static_cast<std::uint64_t*>(at);
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3 || argc > 4) {
        std::fputs("usage: limit PORT SIZE [COUNTER]\n", stderr);
        return 2;
    }
    std::uint64_t unseen = 0;
    server s(static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)),
             std::strtoul(argv[2], nullptr, 10), argc == 4 ? map_counter(argv[3]) : &unseen);
    std::printf("%u\n", s.port());
    std::fflush(stdout);
    s.run();
}
