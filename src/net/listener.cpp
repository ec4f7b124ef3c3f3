#include "listener.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace meshcache::net {
namespace {

using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

/// Binds without SO_REUSEPORT, and lets go again: another process of the same user that listens there with
/// it would otherwise share its port with us, and neither would know.
error_code try_bind(const asio::ip::tcp::endpoint& address) {
    asio::io_context io;
    asio::ip::tcp::acceptor probe(io);
    error_code ec;
    probe.open(address.protocol(), ec);
    if (ec) return ec;
    probe.set_option(asio::socket_base::reuse_address(true), ec);
    if (ec) return ec;
    if (address.address().is_v6()) probe.set_option(asio::ip::v6_only(false), ec);
    probe.bind(address, ec);
    return ec;
}

/// The address of a TCP client, and that its answers are not to wait for one another.
void note_peer(const sockaddr_storage& from, accepted& out) {
    const int on = 1;
    (void)::setsockopt(out.socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    asio::ip::address address;
    if (from.ss_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &from, sizeof v4);
        address = asio::ip::make_address_v4(ntohl(v4.sin_addr.s_addr));
    } else {
        sockaddr_in6 v6;
        std::memcpy(&v6, &from, sizeof v6);
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
        address = asio::ip::make_address_v6(bytes, v6.sin6_scope_id);
    }
    out.block = block_of(address);
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    const auto text = address.to_string();
    out.client.assign(text.data(), std::min(text.size(), out.client.max_size()));
}

} // namespace

listener::listener(const executor& ex) : ex_(ex) {}

error_code listener::open(endpoint& at, bool first) {
    return at.is_unix() ? open_unix(at) : open_tcp(at, first);
}

error_code listener::open_tcp(endpoint& at, bool first) {
    error_code ec;
    asio::ip::tcp::endpoint address;
    if (const auto ip = asio::ip::make_address(at.host, ec); !ec) {
        address = {ip, at.port};
    } else {
        asio::io_context io;
        asio::ip::tcp::resolver resolver(io);
        const auto found =
            resolver.resolve(at.host, std::to_string(at.port), asio::ip::resolver_base::passive, ec);
        if (ec) return ec;
        if (found.empty()) return asio::error::host_not_found;
        address = found.begin()->endpoint();
    }
    if (first && at.port != 0) {
        if (ec = try_bind(address); ec) return ec;
    }
    auto& acceptor = tcp_.emplace(ex_);
    acceptor.open(address.protocol(), ec);
    if (ec) return ec;
    acceptor.set_option(asio::socket_base::reuse_address(true), ec);
    if (ec) return ec;
    acceptor.set_option(reuse_port(true), ec);
    if (ec) return ec;
    if (address.address().is_v6()) acceptor.set_option(asio::ip::v6_only(false), ec);
    acceptor.bind(address, ec);
    if (ec) return ec;
    acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return ec;
    acceptor.non_blocking(true, ec);
    at.port = acceptor.local_endpoint(ec).port();
    local_port_ = std::to_string(at.port);
    return ec;
}

error_code listener::open_unix(const endpoint& at) {
    error_code ec;
    auto path = at.unix_path;
    const bool abstract = path.front() == '@';
    if (abstract) path.front() = '\0';
    auto& acceptor = unix_.emplace(ex_);
    const asio::local::stream_protocol::endpoint address(path);
    acceptor.open(address.protocol(), ec);
    if (ec) return ec;
    acceptor.bind(address, ec);
    if (ec) return ec;
    if (!abstract) unix_file_ = path;
    acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return ec;
    acceptor.non_blocking(true, ec);
    return ec;
}

error_code listener::share(const listener& other) {
    // basic_socket_acceptor has no const access to its descriptor.
    auto& source = const_cast<listener&>(other);
    const int fd = ::fcntl(source.unix_->native_handle(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return {errno, boost::system::system_category()};
    error_code ec;
    auto& acceptor = unix_.emplace(ex_);
    acceptor.assign(asio::local::stream_protocol(), fd, ec);
    if (ec) {
        ::close(fd);
        return ec;
    }
    acceptor.non_blocking(true, ec);
    return ec;
}

task<accepted> listener::accept(error_code& ec) {
    constexpr unsigned most_in_a_row = 32;
    accepted out;
    for (;;) {
        if (tcp_ ? !tcp_->is_open() : !unix_->is_open()) {
            ec = asio::error::operation_aborted;
            co_return out;
        }
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const int fd = ::accept4(tcp_ ? tcp_->native_handle() : unix_->native_handle(),
                                 reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            out.socket = descriptor(fd);
            if (tcp_) note_peer(from, out);
            if (++in_a_row_ >= most_in_a_row) {
                in_a_row_ = 0;
                (void)co_await asio::post(ex_, use_task);
            }
            ec = {};
            co_return out;
        }
        in_a_row_ = 0;
        if (errno == EAGAIN) {
            if (tcp_) {
                const auto [waited] = co_await tcp_->async_wait(asio::socket_base::wait_read, use_task);
                ec = waited;
            } else {
                const auto [waited] = co_await unix_->async_wait(asio::socket_base::wait_read, use_task);
                ec = waited;
            }
            if (ec) co_return out;
        } else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
            // Not a connection that was gone before it was taken.
            ec = {errno, boost::system::system_category()};
            co_return out;
        }
    }
}

void listener::close() noexcept {
    error_code ignored;
    if (tcp_) tcp_->close(ignored);
    if (unix_) unix_->close(ignored);
    if (!unix_file_.empty()) {
        ::unlink(unix_file_.c_str());
        unix_file_.clear();
    }
}

} // namespace meshcache::net
