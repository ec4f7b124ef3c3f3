#pragma once
// Is the message's length unambiguous, and what is it? RFC 9112, section 6, at its strictest: whatever two
// parsers could read differently is refused. Pure functions over parsed heads.
#include <meshcache/http/head.hpp>

#include <cstdint>
#include <string_view>

namespace meshcache::http {

enum class body_kind : std::uint8_t {
    none,        ///< no content
    length,      ///< exactly `length` bytes
    chunked,     ///< chunked transfer coding
    until_close, ///< responses only: up to the end of the connection
};

struct body_framing {
    body_kind kind = body_kind::none;
    std::uint64_t length = 0;
};

enum class framing_error : std::uint8_t {
    none,
    length_and_transfer_encoding,
    transfer_encoding_not_chunked, ///< anything but one single `chunked`
    transfer_encoding_in_http10,
    bad_content_length, ///< not 1*DIGIT, a list, with leading zeros, or beyond 2^63-1
    repeated_content_length,
    content_in_interim, ///< a 1xx that says that content follows
    content_in_204,     ///< a 204 that does
    host_missing,       ///< HTTP/1.1 without Host
    host_repeated,
    host_malformed,
};

std::string_view describe(framing_error e) noexcept;

/// The framing of a request's content, or why it is refused (400 and close). `out` is set on success.
/// Fields that look like framing fields to a gateway (`Content_Length`) are refused too. Host is not looked
/// at.
framing_error request_framing(const request_head& head, body_framing& out) noexcept;

/// What becomes of a response in a transfer coding that we do not know, and did not ask for: it is refused,
/// or its content is what comes until the connection closes (RFC 9112, section 6.3). The latter never where
/// another reader could find `chunked`.
enum class unknown_coding : std::uint8_t { refuse, until_close };

/// The framing of a response to a request with method `request_method`. 304 and answers to HEAD have no
/// content whatever their fields say of that of a GET; 1xx and 204 that say they had some are refused, since
/// what follows could be taken for it (RFC 9112, section 6.1; RFC 9110, section 8.6).
framing_error response_framing(const response_head& head, method request_method, body_framing& out,
                               unknown_coding policy = unknown_coding::refuse) noexcept;

/// Whether a response with that status can be the answer to a request with those fields: 206 only to Range,
/// and 304 only to If-None-Match or If-Modified-Since (RFC 9110, sections 15.3.7 and 15.4.5).
bool was_asked_for(int status, const field_list& request_fields) noexcept;

/// Whether the connection stays open after this message (RFC 9112, section 9.3): the version's default and
/// the options of Connection.
bool keeps_alive(int minor, const field_list& fields) noexcept;

/// Exactly one Host in HTTP/1.1, at most one in 1.0, and its value a valid `host[:port]`: a name, an
/// IPv4 or a bracketed IPv6 address; no userinfo, no percent-encoding, no empty value, no empty port.
framing_error check_host(const request_head& head) noexcept;

} // namespace meshcache::http
