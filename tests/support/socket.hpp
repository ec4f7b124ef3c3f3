#pragma once
// Plain sockets for the stage: a descriptor that closes itself, a listener on a port that the kernel chooses,
// and a connection whose every read and write ends by patience(). One thread per connection,
// except that shutdown() may come from any.
#include "support/wait.hpp"

#include <meshcache/base/endpoint.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace meshcache::test {

/// Owns a descriptor.
class unique_fd {
  public:
    unique_fd() = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd() { close(); }
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    void close() noexcept;

  private:
    int fd_ = -1;
};

/// Reads "127.0.0.1:80", "[::1]:80" or "unix:/path", as the log and the flags have them.
endpoint parse_address(std::string_view text);

/// A port of 127.0.0.1 on which nothing listens, as far as one can know.
endpoint unused_port();

/// A fresh directory for unix sockets and files; removed with its content at the end.
class temporary_directory {
  public:
    temporary_directory();
    ~temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

/// How the other side ended a connection.
enum class ending { none, closed, reset };

/// A connected socket with a read buffer. Non-blocking underneath; blocks in poll() up to patience().
class connection {
  public:
    connection() = default;
    explicit connection(unique_fd fd);
    /// Connects, or gives up.
    static connection to(const endpoint& where, int receive_buffer = 0);
    /// Connects; an unusable connection when nobody listens.
    static connection try_to(const endpoint& where);

    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

    /// Sends everything; false when the other side is gone.
    bool send(std::string_view bytes);
    /// Sends what the socket takes within `bound`; returns how much that was. Less than asked for: the
    /// other side does not read, or is gone.
    std::size_t send_within(std::string_view bytes, milliseconds bound);
    /// Waits for bytes and appends them to buffer(); false at the end of the connection: see ended().
    bool fill();
    /// The same, but gives up waiting after `bound` and then returns false with ended() none.
    bool fill_within(milliseconds bound);
    /// Received and not yet taken.
    std::string& buffer() noexcept { return buffer_; }
    /// Calls `tap` with all bytes that come from now on, as they come.
    void set_tap(std::function<void(std::string_view)> tap) { tap_ = std::move(tap); }
    ending ended() const noexcept { return ended_; }
    /// Waits until the other side closes or resets; gives up if bytes come instead.
    ending wait_for_end();

    /// Sends FIN; the other direction stays open.
    void finish();
    /// Ends both directions, from any thread; whoever waits wakes.
    void shutdown() noexcept;
    void close() noexcept;
    /// Closes by RST.
    void reset() noexcept;
    int fd() const noexcept { return fd_.get(); }

  private:
    unique_fd fd_;
    std::string buffer_;
    std::function<void(std::string_view)> tap_;
    ending ended_ = ending::none;
};

/// A listening socket.
class listening_socket {
  public:
    /// At `where`; port 0 lets the kernel choose. The kernel keeps about `backlog` connections that nobody
    /// accepts, and does not answer those that come further.
    explicit listening_socket(const endpoint& where, int backlog = 1024);
    /// Where it listens, with the port that was chosen.
    const endpoint& address() const noexcept { return address_; }
    /// Waits for a connection; an empty descriptor after shutdown().
    unique_fd accept();
    /// Wakes accept() for good; from any thread. Connections that come later are refused once closed.
    void shutdown() noexcept;
    /// Stops listening. Not while another thread is in accept().
    void close() noexcept;

  private:
    unique_fd fd_;
    unique_fd wake_read_, wake_write_;
    endpoint address_;
};

} // namespace meshcache::test
