// A load generator that is cheaper than the servers: kept-alive connections, each with one request in flight.
// It trusts what the bench has verified: every answer is 200 and bears SIZE bytes of content, which the
// kernel throws away unread (MSG_TRUNC). Anything else ends it with an error.
//
//   load PORT SIZE CONNECTIONS SECONDS    the request's head comes on stdin; prints one line of JSON.
#include <arpa/inet.h>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <iterator>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "load: %s\n", what);
    std::exit(1);
}

/// Microseconds in buckets: exact up to 63, then 32 to each power of two.
class histogram {
  public:
    void add(std::uint64_t us) noexcept {
        ++counts_[bucket(us)];
        ++total_;
    }

    /// The lower bound of the bucket that holds that share of all values.
    std::uint64_t percentile(double share) const noexcept {
        const auto rank = static_cast<std::uint64_t>(static_cast<double>(total_) * share);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > rank) return lower_bound(i);
        }
        return 0;
    }

  private:
    static std::size_t bucket(std::uint64_t us) noexcept {
        if (us < 64) return static_cast<std::size_t>(us);
        const auto power = static_cast<std::size_t>(std::bit_width(us)) - 6;
        const auto at = power * 32 + static_cast<std::size_t>(us >> power);
        return at < buckets ? at : buckets - 1;
    }
    static std::uint64_t lower_bound(std::size_t i) noexcept {
        if (i < 64) return i;
        const auto power = (i - 32) / 32;
        return static_cast<std::uint64_t>(i - power * 32) << power;
    }

    static constexpr std::size_t buckets = 1024;
    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t total_ = 0;
};

/// One connection: `left` is the content that is still to come; until the head has ended it is in `head`.
struct connection {
    int fd = -1;
    std::size_t left = 0;
    bool in_content = false;
    std::string head;
    steady::time_point began;
};

int connect_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) die("connecting failed");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
    return fd;
}

class generator {
  public:
    generator(std::uint16_t port, std::size_t size, std::size_t count, std::string request)
        : size_(size), request_(std::move(request)), connections_(count) {
        poll_ = ::epoll_create1(EPOLL_CLOEXEC);
        for (std::size_t i = 0; i < count; ++i) {
            connections_[i].fd = connect_to(port);
            epoll_event e{};
            e.events = EPOLLIN;
            e.data.u64 = i;
            if (::epoll_ctl(poll_, EPOLL_CTL_ADD, connections_[i].fd, &e) != 0) die("epoll_ctl");
        }
    }

    void run(std::chrono::seconds length) {
        const auto begin = steady::now();
        const auto end = begin + length;
        for (auto& c : connections_) ask(c, begin);
        std::array<epoll_event, 256> events;
        auto now = begin;
        while (now < end) {
            const int n = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 1000);
            if (n < 0 && errno != EINTR) die("epoll_wait");
            now = steady::now();
            for (int i = 0; i < n; ++i) take(connections_[events[static_cast<std::size_t>(i)].data.u64]);
        }
        const std::chrono::duration<double> took = now - begin;
        std::printf("{\"requests\":%llu,\"seconds\":%.6f,\"p50_us\":%llu,\"p99_us\":%llu,\"errors\":0}\n",
                    static_cast<unsigned long long>(answers_), took.count(),
                    static_cast<unsigned long long>(latencies_.percentile(.50)),
                    static_cast<unsigned long long>(latencies_.percentile(.99)));
    }

  private:
    void ask(connection& c, steady::time_point now) {
        c.began = now;
        if (::send(c.fd, request_.data(), request_.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request_.size())) {
            die("a request was not taken");
        }
    }

    void take(connection& c) {
        if (!c.in_content) {
            const auto n = ::recv(c.fd, buffer_.data(), buffer_.size(), 0);
            if (n == 0) die("the server closed a connection");
            if (n < 0) {
                if (errno == EAGAIN || errno == EINTR) return;
                die("reading failed");
            }
            std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
            if (!c.head.empty()) {
                c.head += bytes;
                bytes = c.head;
            }
            const auto end = bytes.find("\r\n\r\n");
            if (end == std::string_view::npos) {
                if (c.head.empty()) c.head = bytes;
                return;
            }
            if (!bytes.starts_with("HTTP/1.1 200")) die("an answer is not 200");
            const auto content = bytes.size() - end - 4;
            c.head.clear();
            if (content > size_) die("an answer is too long");
            c.left = size_ - content;
            c.in_content = true;
        }
        while (c.left > 0) {
            // Linux: for TCP, MSG_TRUNC drops the bytes instead of copying them.
            const auto n = ::recv(c.fd, nullptr, c.left, MSG_TRUNC);
            if (n == 0) die("the server closed a connection");
            if (n < 0) {
                if (errno == EAGAIN || errno == EINTR) return;
                die("reading failed");
            }
            c.left -= static_cast<std::size_t>(n);
        }
        c.in_content = false;
        const auto now = steady::now();
        latencies_.add(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(now - c.began).count()));
        ++answers_;
        ask(c, now);
    }

    std::size_t size_;
    std::string request_;
    std::vector<connection> connections_;
    int poll_ = -1;
    std::uint64_t answers_ = 0;
    histogram latencies_;
    std::array<char, 2048> buffer_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fputs("usage: load PORT SIZE CONNECTIONS SECONDS <HEAD\n", stderr);
        return 2;
    }
    const auto number = [&](int i) { return std::strtoul(argv[i], nullptr, 10); };
    std::string request{std::istreambuf_iterator<char>(std::cin), {}};
    generator g(static_cast<std::uint16_t>(number(1)), number(2), number(3), std::move(request));
    g.run(std::chrono::seconds(number(4)));
}
