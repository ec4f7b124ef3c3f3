// A load generator that is cheaper than the servers: kept-alive connections, each with one request in flight.
// It trusts what the bench has verified: every answer has that status and bears SIZE bytes of content, which
// the kernel throws away unread (MSG_TRUNC). Anything else ends it with an error.
//
//   load PORT SIZE CONNECTIONS SECONDS [OPTION...]    the request comes on stdin; prints one line of JSON
//     --status N          of every answer [200]
//     --sequence FIRST    ######## in the request is FIRST, FIRST + 1, ... in eight digits
//     --zipf KEYS         ######## is drawn from that many keys, key k with a weight of 1/(k + 1);
//                         --sequence FIRST says at which of the draws to begin
//     --new EVERY FIRST   every so many requests, ######## is a new key instead: FIRST, FIRST + 1, ...
//     --vary              the content is as long as its Content-Length says; SIZE is the most
//     --check             every content must begin with the eight digits that were asked for
//     --requests N        ends after so many answers, if that is earlier
//     --rate R            R requests a second at even distances, whatever the answers do. Latency counts from
//                         the moment at which a request should have been sent, waiting for a free connection
//                         included. "late": how long after that moment the generator itself sent it.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <iostream>
#include <iterator>
#include <limits>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <random>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;
using std::chrono::nanoseconds;

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "load: %s\n", what);
    std::exit(1);
}

/// Microseconds in buckets: exact up to 63, then 32 to each power of two.
class histogram {
  public:
    void add(nanoseconds d) noexcept {
        const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0) / 1000);
        ++counts_[bucket(us)];
        ++total_;
        largest_ = std::max(largest_, us);
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
    std::uint64_t largest() const noexcept { return largest_; }

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
    std::uint64_t largest_ = 0;
};

struct settings {
    std::uint16_t port = 0;
    std::size_t size = 0;
    std::size_t connections = 0;
    std::chrono::seconds length{0};
    std::string status = "200";
    std::uint32_t first = 0;     ///< of the sequence
    std::uint32_t zipf = 0;      ///< number of keys; 0 for a sequence
    std::uint32_t new_every = 0; ///< 0: never
    std::uint32_t new_first = 0;
    bool check = false;
    bool vary = false;
    std::uint64_t requests = std::numeric_limits<std::uint64_t>::max();
    double rate = 0; ///< 0: each connection asks again at once
    std::string request;
};

constexpr std::string_view placeholder = "########";
using key_text = std::array<char, placeholder.size()>;

/// Which key comes next.
class key_source {
  public:
    explicit key_source(const settings& s) : next_(s.first), new_every_(s.new_every), new_next_(s.new_first) {
        if (s.zipf == 0) return;
        std::vector<double> sums(s.zipf);
        double sum = 0;
        for (std::uint32_t k = 0; k < s.zipf; ++k) sums[k] = sum += 1. / (k + 1);
        std::mt19937_64 random(1);
        // Drawn in advance, so that a request costs no more than with one key.
        draws_.resize(1u << 20);
        for (auto& draw : draws_) {
            const double at = std::uniform_real_distribution<double>(0, sum)(random);
            const auto k = std::upper_bound(sums.begin(), sums.end(), at) - sums.begin();
            draw = static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(k, s.zipf - 1));
        }
    }

    key_text next() noexcept {
        std::uint32_t k = draws_.empty() ? next_ : draws_[next_ % draws_.size()];
        ++next_;
        if (new_every_ != 0 && ++count_ % new_every_ == 0) k = new_next_++;
        key_text text;
        for (auto at = text.size(); at-- > 0; k /= 10) text[at] = static_cast<char>('0' + k % 10);
        return text;
    }
    std::uint32_t upcoming() const noexcept { return next_; }

    /// How many keys of --new were asked for.
    std::uint32_t new_keys() const noexcept { return new_every_ != 0 ? count_ / new_every_ : 0; }

  private:
    std::uint32_t next_;
    std::vector<std::uint32_t> draws_;
    std::uint32_t new_every_;
    std::uint32_t new_next_;
    std::uint32_t count_ = 0;
};

/// One connection: `left` is the content that is still to come; until the head has ended it is in `head`.
struct connection {
    int fd = -1;
    std::size_t left = 0;
    bool in_content = false;
    std::string head;
    key_text key{};
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
    explicit generator(settings s)
        : settings_(std::move(s)), keys_(settings_), key_at_(settings_.request.find(placeholder)),
          expected_("HTTP/1.1 " + settings_.status), connections_(settings_.connections) {
        if (settings_.check && key_at_ == std::string::npos) die("--check needs ######## in the request");
        poll_ = ::epoll_create1(EPOLL_CLOEXEC);
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            connections_[i].fd = connect_to(settings_.port);
            epoll_event e{};
            e.events = EPOLLIN;
            e.data.u64 = i;
            if (::epoll_ctl(poll_, EPOLL_CTL_ADD, connections_[i].fd, &e) != 0) die("epoll_ctl");
            idle_.push_back(&connections_[i]);
        }
    }

    void run() {
        const auto begin = steady::now();
        settings_.rate > 0 ? run_at_rate(begin) : run_closed(begin);
        const std::chrono::duration<double> took = steady::now() - begin;
        const auto print = [](const char* name, std::uint64_t value, const char* after = ",") {
            std::printf("\"%s\":%llu%s", name, static_cast<unsigned long long>(value), after);
        };
        std::printf("{\"seconds\":%.6f,", took.count());
        print("requests", answers_);
        print("p50_us", latencies_.percentile(.50));
        print("p99_us", latencies_.percentile(.99));
        print("p999_us", latencies_.percentile(.999));
        print("max_us", latencies_.largest());
        print("late_p99_us", lateness_.percentile(.99));
        print("unanswered", unanswered_);
        print("next_key", keys_.upcoming());
        print("new_keys", keys_.new_keys());
        print("errors", 0, "}\n");
    }

  private:
    /// Each connection asks again as soon as it has its answer. What is asked before the end is waited for.
    void run_closed(steady::time_point begin) {
        ask_until_ = begin + settings_.length;
        while (!idle_.empty() && asked_ < settings_.requests) ask(begin);
        while (answers_ < asked_) {
            wait(std::chrono::seconds(1));
            if (steady::now() > ask_until_ + std::chrono::seconds(10)) die("answers did not come");
        }
    }

    /// Requests leave at even distances. What was asked before the end is waited for, within limits.
    void run_at_rate(steady::time_point begin) {
        ::prctl(PR_SET_TIMERSLACK, 1ul);
        const double seconds = static_cast<double>(settings_.length.count());
        const auto total = std::min(settings_.requests, static_cast<std::uint64_t>(settings_.rate * seconds));
        const auto due = [&](std::uint64_t i) {
            return begin +
                   nanoseconds(static_cast<std::int64_t>(static_cast<double>(i) * 1e9 / settings_.rate));
        };
        const auto give_up = begin + settings_.length + std::max(settings_.length, std::chrono::seconds(2));
        bool starved = false; // of connections: then it is not the generator that is late
        while (answers_ < total) {
            auto now = steady::now();
            if (now > give_up) break;
            while (asked_ < total && !idle_.empty() && due(asked_) <= now) {
                if (!starved) lateness_.add(now - due(asked_));
                ask(due(asked_));
                now = steady::now();
            }
            starved = asked_ < total && idle_.empty() && due(asked_) <= now;
            const auto until =
                asked_ < total && !idle_.empty() ? due(asked_) : now + std::chrono::milliseconds(100);
            wait(until - now);
        }
        const auto now = steady::now();
        unanswered_ = total - answers_;
        for (auto& c : connections_)
            if (std::find(idle_.begin(), idle_.end(), &c) == idle_.end()) latencies_.add(now - c.began);
        for (auto i = asked_; i < total; ++i) latencies_.add(now - due(i));
    }

    /// Sends a request on the connection that has been idle for longest.
    void ask(steady::time_point began) {
        auto& c = *idle_.front();
        idle_.pop_front();
        c.began = began;
        auto& request = settings_.request;
        if (key_at_ != std::string::npos) {
            c.key = keys_.next();
            std::copy(c.key.begin(), c.key.end(), request.begin() + static_cast<std::ptrdiff_t>(key_at_));
        }
        if (::send(c.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size())) {
            die("a request was not taken");
        }
        ++asked_;
    }

    /// Takes what has come, and waits for it at most so long.
    void wait(nanoseconds limit) {
        const auto left = std::max<std::int64_t>(limit.count(), 0);
        const timespec t{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
        const int n = ::epoll_pwait2(poll_, events_.data(), static_cast<int>(events_.size()), &t, nullptr);
        if (n < 0 && errno != EINTR) die("epoll_pwait2");
        for (int i = 0; i < n; ++i) take(connections_[events_[static_cast<std::size_t>(i)].data.u64]);
    }

    static std::size_t content_length(std::string_view head) {
        constexpr std::string_view name = "\r\ncontent-length: ";
        const auto at = std::search(head.begin(), head.end(), name.begin(), name.end(), [](char a, char b) {
            return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
        });
        if (at == head.end()) die("an answer has no Content-Length");
        return std::strtoul(&*at + name.size(), nullptr, 10); // CR LF CR LF follow
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
            if (end == std::string_view::npos ||
                (settings_.check && bytes.size() < end + 4 + placeholder.size())) {
                if (c.head.empty()) c.head = bytes;
                return;
            }
            if (!bytes.starts_with(expected_)) die("an answer has another status");
            const auto content = bytes.substr(end + 4);
            const auto size = settings_.vary ? content_length(bytes.substr(0, end)) : settings_.size;
            if (content.size() > size || size > settings_.size) die("an answer is too long");
            if (settings_.check && !content.starts_with(std::string_view(c.key.data(), c.key.size()))) {
                die("an answer has the content of another key");
            }
            c.left = size - content.size();
            c.head.clear();
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
        latencies_.add(now - c.began);
        ++answers_;
        idle_.push_back(&c);
        if (now < ask_until_ && asked_ < settings_.requests) ask(now);
    }

    settings settings_;
    key_source keys_;
    std::size_t key_at_;
    std::string expected_;
    std::vector<connection> connections_;
    std::deque<connection*> idle_;
    int poll_ = -1;
    steady::time_point ask_until_; ///< of the closed loop
    std::uint64_t asked_ = 0;
    std::uint64_t answers_ = 0;
    std::uint64_t unanswered_ = 0;
    histogram latencies_;
    histogram lateness_;
    std::array<epoll_event, 256> events_;
    std::array<char, 2048> buffer_;
};

/// False when that is no use of this program.
bool parse(int argc, char** argv, settings& s) {
    if (argc < 5) return false;
    const auto number = [&](int i) { return std::strtoul(argv[i], nullptr, 10); };
    s.port = static_cast<std::uint16_t>(number(1));
    s.size = number(2);
    s.connections = number(3);
    s.length = std::chrono::seconds(number(4));
    for (int i = 5; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--check") {
            s.check = true;
            continue;
        }
        if (name == "--vary") {
            s.vary = true;
            continue;
        }
        if (++i == argc) return false;
        if (name == "--status") {
            s.status = argv[i];
        } else if (name == "--sequence") {
            s.first = static_cast<std::uint32_t>(number(i));
        } else if (name == "--zipf") {
            s.zipf = static_cast<std::uint32_t>(number(i));
        } else if (name == "--new" && i + 1 < argc) {
            s.new_every = static_cast<std::uint32_t>(number(i));
            s.new_first = static_cast<std::uint32_t>(number(++i));
        } else if (name == "--requests") {
            s.requests = number(i);
        } else if (name == "--rate") {
            s.rate = std::strtod(argv[i], nullptr);
        } else {
            return false;
        }
    }
    return s.connections > 0;
}

} // namespace

int main(int argc, char** argv) {
    settings s;
    if (!parse(argc, argv, s)) {
        std::fputs("usage: load PORT SIZE CONNECTIONS SECONDS [--status N] [--sequence FIRST] [--zipf KEYS] "
                   "[--new EVERY FIRST] [--vary] [--check] [--requests N] [--rate R] <REQUEST\n",
                   stderr);
        return 2;
    }
    s.request.assign(std::istreambuf_iterator<char>(std::cin), {});
    generator(std::move(s)).run();
}
