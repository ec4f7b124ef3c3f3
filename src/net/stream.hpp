#pragma once
// A socket with a read and a write deadline, counted. Client and upstream connections are streams.
#include "deadline.hpp"
#include "descriptor.hpp"
#include "io.hpp"
#include "poller.hpp"
#include "recv_buffer.hpp"
#include "wait_slot.hpp"

#include <meshcache/base/error.hpp>

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <optional>
#include <span>

namespace meshcache::net {

/// A connected socket of one event loop. Everything is called on that loop's thread. One coroutine at a time
/// reads, and one writes.
///
/// Errors come back as error_code: errc::client_timeout when a deadline passed (the caller knows which side
/// it is on and says so), asio::error::eof at the end of the stream, else what the system said.
class stream final
    : public pollable,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  public:
    /// Without a socket. Both outlive the stream.
    stream(poller& readiness, deadline_sweep& sweep) noexcept;
    ~stream() { close(); }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    /// Takes a non-blocking socket, and has the poller watch it.
    error_code open(descriptor socket) noexcept;
    /// Takes a non-blocking socket that somebody else has the poller watch, and who passes on to on_ready()
    /// what it says; all else begins anew.
    void attach(descriptor socket) noexcept;
    /// Gives it back. Nobody waits for it.
    descriptor detach() noexcept;

    /// Reads what is there; `ec` is would_block if that is nothing. `into` is not empty.
    std::size_t read_now(std::span<char> into, error_code& ec) noexcept;
    /// Whether something may have come since read_now() or read_some() found no more than it took.
    bool may_be_readable() const noexcept { return readable_; }
    /// Reads at least one byte into `into`, or returns an error. Lets others run now and then, however much
    /// there is to read.
    task<std::size_t> read_some(std::span<char> into, error_code& ec);

    /// Writes what the socket takes at once, but no more than others may be kept waiting for; returns the
    /// number of bytes. `ec` is would_block if that is not all.
    std::size_t write_now(std::span<const asio::const_buffer> buffers, error_code& ec) noexcept;
    /// As write(), as far as that does not have to wait: takes what was written off the front of `buffers`.
    /// Nothing, if there is a rest, which is write()'s.
    std::optional<error_code> write_at_once(std::span<asio::const_buffer>& buffers) noexcept;
    /// Writes everything. `timeout` runs anew with every piece that the peer takes; zero: no limit.
    task<error_code> write(std::span<const asio::const_buffer> buffers, milliseconds timeout);
    task<error_code> write(std::string_view bytes, milliseconds timeout);

    /// Whether the socket has room: for a third of its buffer, as the kernel sees it.
    bool is_writable() const noexcept;

    /// What a look at the socket finds, without taking it.
    enum class sight : std::uint8_t { nothing, bytes, end };
    sight look() const noexcept;

    void on_ready(std::uint32_t events) noexcept override;

    /// The deadline for reading. The caller arms and clears it: it may span several reads.
    deadline& read_deadline() noexcept { return read_deadline_; }
    bool timed_out() const noexcept { return timed_out_; }
    /// Forgets that the read deadline passed, so that an answer that says so can be written.
    void forget_timeout() noexcept { timed_out_ = false; }

    bool is_open() const noexcept { return static_cast<bool>(socket_); }
    /// Ends a read that waits, with operation_aborted.
    void cancel_read() noexcept;
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
        canceller(deadline_sweep& sweep, stream& owner) noexcept : deadline(sweep), owner_(owner) {}

      private:
        void on_deadline() noexcept override { owner_.expire(); }
        stream& owner_;
    };

    void expire() noexcept;
    void cancel() noexcept;
    error_code translate(error_code ec) const noexcept;

    poller& poller_;
    descriptor socket_;
    bool readable_ = false;
    bool ended_ = false; ///< reading comes to the end of the stream without waiting
    bool timed_out_ = false;
    bool read_cancelled_ = false;
    bool broken_off_ = false;       ///< the last write, for the sake of others: the socket would take more
    unsigned reads_in_a_row_ = 0;   ///< that did not have to wait
    std::size_t read_in_a_row_ = 0; ///< bytes by them
    wait_slot reader_, writer_;
    canceller read_deadline_;
    canceller write_deadline_;
    std::size_t bytes_read_ = 0;
    std::size_t bytes_written_ = 0;
};

/// Drops `n` bytes from the front of a gather list; returns what is left of it.
std::span<asio::const_buffer> drop_front(std::span<asio::const_buffer> buffers, std::size_t n) noexcept;

} // namespace meshcache::net
