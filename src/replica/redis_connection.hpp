#pragma once
// One connection to Redis: hiredis' asynchronous API over Asio. The only door to hiredis: what others see of
// it are reply_view and this class.
//
// Everything happens on the thread that runs the io_context. Handlers are called from there, never from
// within open() or send(). After close() no handler of this connection is called any more, except that
// close() itself answers what was sent with null.
#include <meshcache/base/clock.hpp>
#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/error.hpp>
#include <meshcache/base/turn_meter.hpp>

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace meshcache::replica {

/// A reply of Redis, or an element of one. Valid while the handler that got it runs.
class reply_view {
  public:
    enum class kind : std::uint8_t { nil, text, error, integer, array };

    explicit reply_view(const void* raw) noexcept : raw_(raw) {}

    kind what() const noexcept;
    bool is_error() const noexcept { return what() == kind::error; }
    /// Of text (strings and statuses) and errors; empty otherwise.
    std::string_view text() const noexcept;
    /// Of an integer; 0 otherwise.
    std::int64_t integer() const noexcept;
    /// Elements of an array; 0 otherwise.
    std::size_t size() const noexcept;
    reply_view operator[](std::size_t i) const noexcept;

  private:
    const void* raw_;
};

class redis_connection {
  public:
    struct target {
        endpoint address;
        bool tls = false;
        milliseconds connect_timeout{1000}; ///< for names, connecting and the TLS handshake's start together
    };

    /// `error` is set when no connection came about; `why` is for the log.
    using open_handler = std::function<void(error_code error, const std::string& why)>;
    /// `reply` is null when the connection was lost, or the command's deadline passed.
    using reply_handler = std::function<void(const reply_view* reply)>;
    /// An open connection was lost: by Redis, the network, or because a command's deadline passed
    /// (errc::redis_timeout).
    using lost_handler = std::function<void(error_code error, const std::string& why)>;

    /// All but `to` outlive the connection. `turns` is told when it has read or written what it could.
    redis_connection(boost::asio::io_context& io, const clock_source& clock, turn_meter& turns, target to);
    /// Closes.
    ~redis_connection();
    redis_connection(const redis_connection&) = delete;
    redis_connection& operator=(const redis_connection&) = delete;

    /// Why `to` cannot be served by the hiredis that this was built with, or an empty string.
    static std::string unsupported(const target& to);

    /// Resolves and connects. Once.
    void open(open_handler opened, lost_handler lost);

    /// Sends a command. If no reply has come after `timeout`, the connection is given up, because replies
    /// come in order. On a connection that is not open, `handler` gets null soon.
    void send(std::span<const std::string_view> arguments, milliseconds timeout, reply_handler handler);

    /// Gives the connection up. What was sent is answered with null, here and now. Idempotent.
    void close();

    bool is_open() const noexcept;

  private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace meshcache::replica
