#include "support/socket.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace meshcache::test {
namespace {

std::string failure(std::string_view what) { return std::string(what) + ": " + std::strerror(errno); }

/// An address in the form of the socket API.
struct raw_address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    int family = AF_UNSPEC;

    explicit raw_address(const endpoint& e) {
        if (e.is_unix()) {
            sockaddr_un un{};
            un.sun_family = AF_UNIX;
            if (e.unix_path.size() >= sizeof un.sun_path)
                give_up("too long for a unix socket: " + e.unix_path);
            std::memcpy(un.sun_path, e.unix_path.data(), e.unix_path.size());
            if (un.sun_path[0] == '@') un.sun_path[0] = '\0';
            set(un, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + e.unix_path.size() +
                                           (e.unix_path.front() == '@' ? 0 : 1)));
        } else if (e.host.find(':') != std::string::npos) {
            sockaddr_in6 in{};
            in.sin6_family = AF_INET6;
            in.sin6_port = htons(e.port);
            if (::inet_pton(AF_INET6, e.host.c_str(), &in.sin6_addr) != 1) give_up("no address: " + e.host);
            set(in, sizeof in);
        } else {
            sockaddr_in in{};
            in.sin_family = AF_INET;
            in.sin_port = htons(e.port);
            if (::inet_pton(AF_INET, e.host.c_str(), &in.sin_addr) != 1) give_up("no address: " + e.host);
            set(in, sizeof in);
        }
    }
    template <class T>
    void set(const T& from, socklen_t n) {
        std::memcpy(&storage, &from, sizeof from);
        size = n;
        family = storage.ss_family;
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

void make_nonblocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

/// Whether `fd` became ready within `bound`.
bool ready(int fd, short events, milliseconds bound) {
    const auto deadline = std::chrono::steady_clock::now() + bound;
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd p{fd, events, 0};
        const int n = ::poll(&p, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
        if (n > 0) return true;
        if (n == 0) return false;
        if (errno != EINTR) give_up(failure("poll"));
    }
}

} // namespace

void unique_fd::close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

endpoint parse_address(std::string_view text) {
    endpoint e;
    if (text.starts_with("unix:")) {
        e.unix_path = text.substr(5);
        return e;
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) give_up("no address: " + std::string(text));
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    e.host = host;
    e.port = static_cast<std::uint16_t>(std::stoul(std::string(text.substr(colon + 1))));
    return e;
}

endpoint unused_port() { return listening_socket{endpoint{"127.0.0.1", 0, {}}}.address(); }

temporary_directory::temporary_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "meshcache-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) give_up(failure("mkdtemp"));
    path_ = pattern;
}

temporary_directory::~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

connection::connection(unique_fd fd) : fd_(std::move(fd)) {
    make_nonblocking(fd_.get());
    const int one = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

connection connection::to(const endpoint& where, int receive_buffer) {
    const raw_address address(where);
    unique_fd fd(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) give_up(failure("socket"));
    if (receive_buffer > 0)
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (::connect(fd.get(), address.get(), address.size) != 0)
        give_up(failure("connect to " + where.to_string()));
    return connection(std::move(fd));
}

connection connection::try_to(const endpoint& where) {
    const raw_address address(where);
    unique_fd fd(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) give_up(failure("socket"));
    if (::connect(fd.get(), address.get(), address.size) != 0) return {};
    return connection(std::move(fd));
}

std::size_t connection::send_within(std::string_view bytes, milliseconds bound) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const ssize_t n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += static_cast<std::size_t>(n);
        } else if (errno == EAGAIN) {
            if (!ready(fd_.get(), POLLOUT, bound)) break;
        } else if (errno != EINTR) {
            break;
        }
    }
    return sent;
}

bool connection::send(std::string_view bytes) { return send_within(bytes, patience()) == bytes.size(); }

bool connection::fill_within(milliseconds bound) {
    if (ended_ != ending::none) return false;
    for (;;) {
        const std::size_t had = buffer_.size();
        constexpr std::size_t piece = 64 * 1024;
        buffer_.resize(had + piece);
        const ssize_t n = ::recv(fd_.get(), buffer_.data() + had, piece, 0);
        buffer_.resize(had + (n > 0 ? static_cast<std::size_t>(n) : 0));
        if (n > 0) {
            if (tap_) tap_(std::string_view(buffer_).substr(had));
            return true;
        }
        if (n == 0) {
            ended_ = ending::closed;
            return false;
        }
        if (errno == EAGAIN) {
            if (!ready(fd_.get(), POLLIN, bound)) return false;
        } else if (errno != EINTR) {
            ended_ = ending::reset;
            return false;
        }
    }
}

bool connection::fill() {
    if (fill_within(patience())) return true;
    if (ended_ == ending::none)
        give_up("nothing came in time; in the buffer: \"" + buffer_.substr(0, 300) + "\"");
    return false;
}

ending connection::wait_for_end() {
    if (!buffer_.empty() || fill())
        give_up("bytes came instead of the connection's end: \"" + buffer_.substr(0, 300) + "\"");
    return ended_;
}

void connection::finish() { ::shutdown(fd_.get(), SHUT_WR); }

void connection::shutdown() noexcept {
    if (fd_) ::shutdown(fd_.get(), SHUT_RDWR);
}

void connection::close() noexcept { fd_.close(); }

void connection::reset() noexcept {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.close();
}

listening_socket::listening_socket(const endpoint& where, int backlog) : address_(where) {
    const raw_address address(where);
    fd_ = unique_fd(::socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_) give_up(failure("socket"));
    const int one = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (::bind(fd_.get(), address.get(), address.size) != 0 || ::listen(fd_.get(), backlog) != 0)
        give_up(failure("listen on " + where.to_string()));
    if (!where.is_unix()) {
        sockaddr_in6 bound{};
        socklen_t size = sizeof bound;
        ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &size);
        address_.port = ntohs(bound.sin6_port); // the port stands at the same place for both families
    }
    make_nonblocking(fd_.get());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) give_up(failure("pipe"));
    wake_read_ = unique_fd(ends[0]);
    wake_write_ = unique_fd(ends[1]);
}

unique_fd listening_socket::accept() {
    for (;;) {
        pollfd p[2] = {{fd_.get(), POLLIN, 0}, {wake_read_.get(), POLLIN, 0}};
        if (::poll(p, 2, -1) < 0 && errno != EINTR) give_up(failure("poll"));
        if (p[1].revents) return {};
        if (const int fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC); fd >= 0)
            return unique_fd(fd);
    }
}

void listening_socket::shutdown() noexcept {
    [[maybe_unused]] const ssize_t n = ::write(wake_write_.get(), "x", 1);
}

void listening_socket::close() noexcept { fd_.close(); }

} // namespace meshcache::test
