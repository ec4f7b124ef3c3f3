#pragma once
// A socket with a read and a write deadline, counted. Client and upstream connections are streams.
#include "deadline.hpp"
#include "io.hpp"
#include "recv_buffer.hpp"

#include <meshcache/base/error.hpp>

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <span>

namespace meshcache::net {

/// A connected socket of one event loop. Everything is called on that loop's thread.
///
/// Errors come back as error_code: errc::client_timeout when a deadline passed (the caller knows which side
/// it is on and says so), asio::error::eof at the end of the stream, else what the system said.
class stream
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    stream(stream_socket socket, deadline_sweep& sweep);
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    /// Reads at least one byte into `into`, or returns an error.
    task<std::size_t> read_some(std::span<char> into, error_code& ec);

    /// Writes everything. `timeout` runs anew with every piece that the peer takes; zero: no limit.
    task<error_code> write(std::span<const asio::const_buffer> buffers, milliseconds timeout);
    task<error_code> write(std::string_view bytes, milliseconds timeout);

    /// Whether the socket has room: for a third of its buffer, as the kernel sees it.
    bool is_writable() noexcept;
    /// Writes what the socket takes at once; returns the number of bytes. `ec` is would_block if it takes
    /// none.
    std::size_t write_now(std::span<const asio::const_buffer> buffers, error_code& ec);

    /// For a caller that reads from socket() by itself: accounts for the read and gives the error its name.
    error_code after_read(error_code ec, std::size_t n) noexcept {
        bytes_read_ += n;
        return translate(ec);
    }

    /// The deadline for reading. The caller arms and clears it: it may span several reads.
    deadline& read_deadline() noexcept { return read_deadline_; }
    bool timed_out() const noexcept { return timed_out_; }
    /// Forgets that the read deadline passed, so that an answer that says so can be written.
    void forget_timeout() noexcept { timed_out_ = false; }

    stream_socket& socket() noexcept { return socket_; }
    bool is_open() const noexcept { return socket_.is_open(); }
    /// Ends the sending direction (FIN).
    void shutdown_send() noexcept;
    /// Ends both directions at once; operations that wait come back with an error.
    void abort() noexcept;
    /// Ends the connection by RST, for a peer that takes a clean end for the end of the message.
    void reset() noexcept;
    void close() noexcept;

    std::size_t bytes_read() const noexcept { return bytes_read_; }
    std::size_t bytes_written() const noexcept { return bytes_written_; }

  private:
    class canceller final : public deadline {
      public:
        canceller(deadline_sweep& sweep, stream& owner) : deadline(sweep), owner_(owner) {}

      private:
        void on_deadline() noexcept override { owner_.expire(); }
        stream& owner_;
    };

    void expire() noexcept;
    error_code translate(error_code ec) const noexcept;

    stream_socket socket_;
    canceller read_deadline_;
    canceller write_deadline_;
    bool timed_out_ = false;
    std::size_t bytes_read_ = 0;
    std::size_t bytes_written_ = 0;
};

/// Drops `n` bytes from the front of a gather list; returns what is left of it.
std::span<asio::const_buffer> drop_front(std::span<asio::const_buffer> buffers, std::size_t n) noexcept;

} // namespace meshcache::net
