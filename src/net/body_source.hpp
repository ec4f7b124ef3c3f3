#pragma once
// The content of one message as it arrives: takes the framing off, and reads more when what was buffered
// is used up.
#include "stream.hpp"

#include <meshcache/http/chunked.hpp>
#include <meshcache/http/framing.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::net {

/// Reads one body from a stream and the buffer that its head came in. Used by one coroutine.
class body_source {
  public:
    /// `idle_timeout` bounds each wait for more bytes.
    body_source(stream& io, recv_buffer& in, const http::body_framing& framing, milliseconds idle_timeout);

    /// As many pieces as one gather write takes: a body of tiny chunks has no more of them in memory.
    static constexpr std::size_t most_pieces = 64;

    /// Appends what is buffered to `pieces`, without I/O, until they are `most_pieces`. Returns false if the
    /// coding is malformed.
    bool take_buffered(std::vector<std::string_view>& pieces);

    /// Sets `pieces` to the next bytes of content, at least one unless done() or an error, in `most_pieces`
    /// at the most. The views are valid until the next call. Errors: eof when the stream ended too early,
    /// errc::client_timeout, errc::client_malformed for a bad chunked coding, or what the system said.
    task<error_code> next(std::vector<std::string_view>& pieces);

    /// All content was handed out.
    bool done() const noexcept { return done_; }

    /// The field lines of the trailer section as they came, once all is done(); 8 KiB at the most.
    std::string_view trailers() const noexcept { return trailers_; }

    /// More has come than the message announced; once it is done().
    bool has_surplus() const noexcept { return in_.size() > used_; }

    /// Drops what the last call handed out from the buffer. next() does it by itself.
    void release_pieces() noexcept;

  private:
    static constexpr std::size_t small_buffer = 16 * 1024;
    static constexpr std::size_t large_buffer = 64 * 1024;

    stream& io_;
    recv_buffer& in_;
    http::chunk_decoder chunks_;
    http::body_kind kind_;
    std::uint64_t remaining_;
    milliseconds idle_timeout_;
    std::string trailers_;
    std::size_t used_ = 0; ///< bytes at the buffer's front that the last pieces and their framing take
    bool done_ = false;
};

} // namespace meshcache::net
