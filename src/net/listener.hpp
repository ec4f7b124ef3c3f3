#pragma once
// A listening socket of one event loop.
#include "descriptor.hpp"
#include "io.hpp"

#include <meshcache/base/endpoint.hpp>
#include <meshcache/net/client_limit.hpp>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/static_string/static_string.hpp>

#include <optional>
#include <string>

namespace meshcache::net {

/// A client's address without port, as text, with room for IPv6 and its scope; empty for a unix socket.
using client_text = boost::static_string<63>;

/// An accepted connection and where it came from.
struct accepted {
    descriptor socket; ///< non-blocking
    client_text client;
    std::optional<client_block> block; ///< of its address; nullopt for a unix socket
};

/// Accepts connections at a TCP address or a unix socket. Used by its loop's thread once opened.
class listener {
  public:
    explicit listener(const executor& ex);

    /// Binds and listens. TCP sockets share their port (SO_REUSEPORT); port 0 is replaced in `at`. A
    /// unix socket's file is removed first if it is a socket at which nobody listens, and again by close();
    /// any other file there is an error.
    /// `first`: the port must be in nobody's use yet, not even in that of somebody who would share it.
    error_code open(endpoint& at, bool first);
    /// Accepts from the same socket as `other`, which is how loops share a unix socket.
    error_code share(const listener& other);

    /// Waits for the next connection. Lets others run now and then, however many there are.
    task<accepted> accept(error_code& ec);
    /// The port that it listens at; empty for a unix socket. Lives as long as the listener.
    const std::string& local_port() const noexcept { return local_port_; }
    void close() noexcept;
    ~listener() { close(); }

  private:
    error_code open_tcp(endpoint& at, bool first);
    error_code open_unix(const endpoint& at);

    executor ex_;
    std::optional<asio::basic_socket_acceptor<asio::ip::tcp, executor>> tcp_;
    std::optional<asio::basic_socket_acceptor<asio::local::stream_protocol, executor>> unix_;
    std::string local_port_;
    unsigned in_a_row_ = 0; ///< connections that were there already
    std::string unix_file_; ///< to be removed by close()
};

} // namespace meshcache::net
