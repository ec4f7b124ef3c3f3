#pragma once
// ping-echo's sockets: HTTP/1.1 on one thread. Everything here runs on the io_context's thread.
#include "echo.hpp"

#include <meshcache/base/clock.hpp>
#include <meshcache/base/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

namespace meshcache::ping_echo {

/// Accepts and answers until the io_context stops. It must outlive the io_context's run(), and the
/// io_context must be stopped, not merely idle, before it goes: sessions refer to it.
class server {
  public:
    /// `log` takes one line a request; it outlives the server.
    server(boost::asio::io_context& io, answer_defaults defaults, std::ostream& log)
        : io_(io), acceptor_(io), defaults_(defaults), log_(log) {}

    /// Binds and starts to accept. The port may be 0: the kernel chooses, and address() tells.
    error_code listen(const boost::asio::ip::tcp::endpoint& at);

    /// `ADDR:PORT` that it listens on, valid after listen().
    std::string address() const;

  private:
    boost::asio::awaitable<void> accept_loop();
    boost::asio::awaitable<void> session(boost::beast::tcp_stream stream);
    /// One exchange. Returns false when the connection is to be closed.
    boost::asio::awaitable<bool> exchange(boost::beast::tcp_stream& stream,
                                          boost::beast::flat_buffer& buffer);

    /// Tells the peer why its request was not read, where there is a peer to tell.
    boost::asio::awaitable<void> refuse(boost::beast::tcp_stream& stream, error_code why);

    boost::asio::io_context& io_;
    boost::asio::ip::tcp::acceptor acceptor_;
    answer_defaults defaults_;
    std::ostream& log_;
    system_clock clock_;
    std::uint64_t count_ = 0;     ///< counted requests so far
    std::size_t connections_ = 0; ///< open now
};

} // namespace meshcache::ping_echo
