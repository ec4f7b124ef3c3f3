#pragma once
// HTTP/1 messages as the stage reads them: deliberately not by meshcache's own parsers, and lenient, so that
// what the proxy really sent can be looked at. The body is read as it is framed, and how it
// ended is kept: whole, or cut short.
#include "support/socket.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace meshcache::test {

/// Field lines in their order; names keep their case, look-ups ignore it.
class field_lines {
  public:
    void add(std::string name, std::string value) { lines_.emplace_back(std::move(name), std::move(value)); }
    bool has(std::string_view name) const { return count(name) != 0; }
    std::size_t count(std::string_view name) const;
    /// The first line's value; empty when there is none.
    std::string get(std::string_view name) const;
    /// All lines' values, joined by ", ".
    std::string joined(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& all() const noexcept { return lines_; }

  private:
    std::vector<std::pair<std::string, std::string>> lines_;
};

/// The head of a request or a response.
struct head {
    std::string raw;        ///< start line to empty line, as it came
    std::string start_line; ///< without CRLF
    field_lines fields;

    /// The n-th part of the start line, by single blanks; the last takes the rest.
    std::string part(std::size_t n) const;
};

/// Takes a head from the connection; nothing when it ended first (then buffer() holds what came).
std::optional<head> read_head(connection& from);

/// How a body is framed.
struct framing {
    enum class kind_t { none, length, chunked, until_close } kind = kind_t::none;
    std::uint64_t length = 0;
};
framing request_framing(const head& request);
framing response_framing(const head& response, bool answers_head);

/// Reads one body, piece by piece.
class body_reader {
  public:
    body_reader(connection& from, framing how);
    /// Appends the next piece to `out`; false at the end, whole or not.
    bool next(std::string& out);
    /// Reads what is left, without keeping it; returns how many bytes.
    std::uint64_t skip();
    /// The body came to the end that its framing gives it.
    bool complete() const noexcept { return complete_; }
    /// The chunked coding was malformed.
    bool malformed() const noexcept { return malformed_; }

  private:
    bool next_chunked(std::string& out);

    connection& from_;
    framing how_;
    std::uint64_t remaining_ = 0; ///< of the content, or of this chunk
    bool in_chunk_ = false;
    bool complete_ = false;
    bool malformed_ = false;
};

/// A whole request, as an upstream saw it.
struct request {
    head top;
    std::string body;
    bool complete = false;
    std::size_t connection = 0; ///< which of the upstream's connections, from 0

    std::string method() const { return top.part(0); }
    std::string target() const { return top.part(1); }
    std::string field(std::string_view name) const { return top.fields.get(name); }
};

/// What Cache-Status (RFC 9211) says of one cache: `meshcache; hit; ttl=42` has "hit", and "ttl" is "42".
class cache_status {
  public:
    cache_status() = default;
    explicit cache_status(std::string_view member);
    const std::string& cache() const noexcept { return cache_; }
    bool has(std::string_view parameter) const;
    std::string parameter(std::string_view name) const;
    bool hit() const { return has("hit"); }
    bool stored() const { return has("stored"); }
    std::string fwd() const { return parameter("fwd"); }
    std::string detail() const { return parameter("detail"); }
    long ttl() const;

  private:
    std::string cache_;
    std::vector<std::pair<std::string, std::string>> parameters_;
};

/// A whole response, as a client saw it.
struct response {
    head top;
    int status = 0;
    std::string body;
    framing framed;
    bool complete = false;     ///< the whole message came, as its framing says
    std::vector<head> interim; ///< 1xx heads before it

    std::string field(std::string_view name) const { return top.fields.get(name); }
    /// The member of the last cache before the client, which is meshcache.
    cache_status cached() const;
    /// For messages of failed checks.
    std::string summary() const;
};

/// `size` in hex, CRLF, bytes, CRLF.
std::string chunk(std::string_view bytes);

/// `size` bytes that look like nothing else: the same for the same seed.
std::string noise(std::size_t size, std::uint64_t seed = 1);

} // namespace meshcache::test
