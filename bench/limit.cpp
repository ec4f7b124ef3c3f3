// The bare limit: an epoll loop that answers every request with one prebuilt response. It parses nothing but
// the end of a request's head, so no HTTP server on this machine can be much cheaper. The bench uses it as
// the upstream too: its response may be cached, and it counts the requests that it answered.
//
//   limit PORT SIZE [OPTION...]    127.0.0.1:PORT (0: a free one), SIZE bytes of content; prints the port
//     --counter FILE               8 bytes, mapped, that hold the number of answers
//     --status 304                 answers 304 without content
//     --cache-control TEXT         instead of public, max-age=86400
//     --content N                  each request has N bytes of content, which are read before the answer
//     --keys                       the content begins with the eight digits that follow "GET /bench/"
//     --tags                       with --keys: Surrogate-Key has a tag, t and the first two of the digits
//     --vary                       with --keys: SIZE is the largest of 16 sizes; the last two digits say
//     which
#include "loopback.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using bench::die;

std::string http_date(std::time_t at) {
    std::tm parts{};
    ::gmtime_r(&at, &parts);
    char text[64];
    return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

struct settings {
    std::uint16_t port = 0;
    std::size_t size = 0;
    const char* counter = nullptr;
    bool not_modified = false;
    std::string cache_control = "public, max-age=86400";
    std::size_t content = 0; ///< of each request
    bool keys = false;
    bool tags = false;
    bool vary = false;
};

constexpr std::string_view before_key = "GET /bench/";
constexpr std::size_t key_digits = 8;
constexpr std::size_t size_classes = 16; ///< of --vary

/// Head and content in one piece, so that an answer is one send(); where the key and its tag go, if anywhere.
struct response {
    std::string bytes;
    std::size_t key_at = std::string::npos;
    std::size_t tag_at = std::string::npos;
};

response make_response(const settings& s, std::size_t size) {
    response r;
    const auto now = std::time(nullptr);
    r.bytes = s.not_modified ? "HTTP/1.1 304 Not Modified\r\n" : "HTTP/1.1 200 OK\r\n";
    r.bytes += "Date: " + http_date(now) + "\r\nLast-Modified: " + http_date(now - 86400) +
               "\r\nETag: \"bench-" + std::to_string(s.size) + "\"\r\nCache-Control: " + s.cache_control +
               "\r\n";
    if (s.tags) {
        r.tag_at = r.bytes.size() + std::strlen("Surrogate-Key: t");
        r.bytes += "Surrogate-Key: t00\r\n";
    }
    if (s.not_modified) {
        r.bytes += "\r\n";
        return r;
    }
    r.bytes += "Content-Type: text/plain\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
    if (s.keys) r.key_at = r.bytes.size();
    for (std::size_t i = 0; i < size; ++i) r.bytes += i % 64 == 63 ? '\n' : static_cast<char>('0' + i % 64);
    return r;
}

/// One, or one for each size.
std::vector<response> make_responses(const settings& s) {
    if (!s.vary) return {make_response(s, s.size)};
    std::vector<response> all;
    for (std::size_t i = 1; i <= size_classes; ++i) {
        all.push_back(make_response(s, std::max(key_digits, s.size * i / size_classes)));
    }
    return all;
}

/// One client. `matched` counts the bytes of CR LF CR LF at the end of what was read; `unread` the bytes of a
/// request's content that have not come yet; `left` the bytes of answers that the socket has not taken yet.
/// With --keys, `head` has the beginning of a head that was cut.
struct connection {
    int fd = -1;
    response* answer = nullptr;
    unsigned matched = 0;
    std::size_t unread = 0;
    std::uint64_t left = 0;
    bool waits_to_write = false;
    std::array<char, key_digits> key{};
    std::string head;
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

/// The number of requests that end in `bytes`, each of a head and so much content.
std::uint64_t requests_ended(connection& c, std::string_view bytes, std::size_t content) noexcept {
    if (content == 0) return heads_ended(c, bytes);
    std::uint64_t ended = 0;
    while (!bytes.empty()) {
        if (c.unread > 0) {
            const auto n = std::min(c.unread, bytes.size());
            c.unread -= n;
            bytes.remove_prefix(n);
            if (c.unread == 0) ++ended;
        } else {
            // One head at a time: content may hold what looks like the end of another.
            const auto byte = bytes.substr(0, 1);
            bytes.remove_prefix(1);
            if (heads_ended(c, byte) > 0) c.unread = content;
        }
    }
    return ended;
}

class server {
  public:
    server(const settings& s, std::uint64_t* answered)
        : loop_(s.port), responses_(make_responses(s)), content_(s.content), keys_(s.keys),
          answered_(answered) {}

    std::uint16_t port() const noexcept { return loop_.port(); }

    [[noreturn]] void run() {
        loop_.run([this](int fd) { accept(fd); },
                  [this](int fd, std::uint32_t events) {
                      serve(*connections_[static_cast<std::size_t>(fd)], events);
                  },
                  [] {});
    }

  private:
    void accept(int fd) {
        const auto at = static_cast<std::size_t>(fd);
        if (connections_.size() <= at) connections_.resize(at + 1);
        connections_[at] = std::make_unique<connection>();
        connections_[at]->fd = fd;
        connections_[at]->answer = responses_.data();
        loop_.watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }

    void serve(connection& c, std::uint32_t events) {
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            const auto n = ::recv(c.fd, buffer_.data(), buffer_.size(), 0);
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return drop(c);
            if (n > 0) {
                const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
                const auto ended = requests_ended(c, bytes, content_);
                if (keys_ && !take_key(c, bytes, ended)) return drop(c);
                *answered_ += ended;
                c.left += ended * c.answer->bytes.size();
            }
        }
        const auto& all = c.answer->bytes;
        if (keys_ && c.left > 0) tell_key(c);
        while (c.left > 0) {
            const auto offset = (all.size() - c.left % all.size()) % all.size();
            const auto n = ::send(c.fd, all.data() + offset, all.size() - offset, MSG_NOSIGNAL);
            if (n < 0) {
                if (errno != EAGAIN) return drop(c);
                break;
            }
            c.left -= static_cast<std::uint64_t>(n);
        }
        if (const bool waits = c.left > 0; waits != c.waits_to_write) {
            c.waits_to_write = waits;
            loop_.watch(EPOLL_CTL_MOD, c.fd, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
        }
    }

    /// Reads the key of the one request that has come. False for what --keys cannot do: requests that follow
    /// each other without waiting for the answer, and other targets.
    bool take_key(connection& c, std::string_view bytes, std::uint64_t ended) {
        if (!c.head.empty()) {
            c.head += bytes;
            bytes = c.head;
        }
        if (ended == 0) {
            if (c.head.empty()) c.head = bytes;
            return c.head.size() < 64u * 1024;
        }
        if (ended > 1 || c.left > 0 || !bytes.starts_with(before_key) ||
            bytes.size() < before_key.size() + key_digits) {
            return false;
        }
        bytes.copy(c.key.data(), key_digits, before_key.size());
        c.head.clear();
        const auto last = static_cast<std::size_t>((c.key[6] - '0') * 10 + (c.key[7] - '0'));
        c.answer = &responses_[last % responses_.size()];
        return true;
    }

    static void tell_key(const connection& c) {
        auto& r = *c.answer;
        if (r.key_at != std::string::npos) std::memcpy(r.bytes.data() + r.key_at, c.key.data(), key_digits);
        if (r.tag_at != std::string::npos) std::memcpy(r.bytes.data() + r.tag_at, c.key.data(), 2);
    }

    void drop(connection& c) {
        const int fd = c.fd;
        connections_[static_cast<std::size_t>(fd)].reset();
        ::close(fd);
    }

    bench::event_loop loop_;
    std::vector<response> responses_;
    std::size_t content_;
    bool keys_;
    std::uint64_t* answered_;
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

/// False when that is no use of this program.
bool parse(int argc, char** argv, settings& s) {
    if (argc < 3) return false;
    s.port = static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10));
    s.size = std::strtoul(argv[2], nullptr, 10);
    for (int i = 3; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--keys") {
            s.keys = true;
        } else if (name == "--tags") {
            s.tags = true;
        } else if (name == "--vary") {
            s.vary = true;
        } else if (i + 1 == argc) {
            return false;
        } else if (name == "--counter") {
            s.counter = argv[++i];
        } else if (name == "--content") {
            s.content = std::strtoul(argv[++i], nullptr, 10);
        } else if (name == "--cache-control") {
            s.cache_control = argv[++i];
        } else if (name == "--status" && std::string_view(argv[i + 1]) == "304") {
            s.not_modified = true;
            ++i;
        } else {
            return false;
        }
    }
    return (!s.keys || s.size >= key_digits) && (!(s.tags || s.vary) || s.keys);
}

} // namespace

int main(int argc, char** argv) {
    settings s;
    if (!parse(argc, argv, s)) {
        std::fputs("usage: limit PORT SIZE [--counter FILE] [--status 304] [--cache-control TEXT] "
                   "[--content N] [--keys [--tags] [--vary]]\n",
                   stderr);
        return 2;
    }
    std::uint64_t unseen = 0;
    server all(s, s.counter ? map_counter(s.counter) : &unseen);
    std::printf("%u\n", all.port());
    std::fflush(stdout);
    all.run();
}
