#pragma once
// A client that sends exactly the bytes that it is told, and reads answers one by one.
#include "support/message.hpp"
#include "support/socket.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace meshcache::test {

/// One client connection. One thread.
class client {
  public:
    /// Connects. A `receive_buffer` above 0 keeps the kernel from taking much that is not read.
    explicit client(const endpoint& to, int receive_buffer = 0) : on_(connection::to(to, receive_buffer)) {}

    /// Sends bytes as they are; false when the proxy ended the connection.
    bool send(std::string_view bytes) { return on_.send(bytes); }

    /// Reads the next answer, the 1xx before it, and its body; gives up when there is none.
    response read(bool answers_head = false);
    /// Reads up to the end of the head; the body is left to rest() or a body_reader on raw().
    response read_top(bool answers_head = false);
    /// Reads the body of an answer of read_top() until it holds `size` bytes or ends.
    /// `body` must be the reader made for that answer.
    static void read_until(body_reader& body, response& into, std::size_t size);

    /// GET with Host shop.example; `fields` are lines, each with CRLF.
    response get(std::string_view target, std::string_view fields = {});
    /// A request with any method and, if `body` is not empty or `fields` do not say otherwise,
    /// Content-Length.
    response ask(std::string_view method, std::string_view target, std::string_view fields = {},
                 std::string_view body = {});

    /// Waits until the proxy ends the connection without another byte.
    ending wait_for_end() { return on_.wait_for_end(); }
    connection& raw() noexcept { return on_; }

  private:
    connection on_;
};

/// A request's text.
std::string request_text(std::string_view method, std::string_view target, std::string_view fields = {},
                         std::string_view body = {});

} // namespace meshcache::test
