#pragma once
// The strict parser of message heads (RFC 9112, sections 2 to 5): start line and field lines, up to and
// including the empty line. It accepts only what every parser reads alike: CRLF line ends, no
// obs-fold, no control characters, no whitespace around names. It keeps views and allocates nothing
// once the field list has grown. Pure: no I/O, no clock.
#include <meshcache/http/fields.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace meshcache::http {

enum class method : std::uint8_t {
    other,
    get,
    head,
    post,
    put,
    delete_,
    connect,
    options,
    trace,
    patch,
    query,
};

/// GET, HEAD, OPTIONS, TRACE (RFC 9110, section 9.2.1), and QUERY, a GET with content.
bool is_safe(method m) noexcept;
/// RFC 9110, section 9.2.2: the safe ones, PUT and DELETE.
bool is_idempotent(method m) noexcept;

struct request_head {
    method verb = method::other;
    std::string_view method_text;
    std::string_view target; ///< as received: origin-form, absolute-form, authority-form or `*`
    int minor = 1;           ///< HTTP/1.minor
    field_list fields;
    std::size_t size = 0; ///< bytes of the whole head, the empty line included
    void clear() noexcept;
};

struct response_head {
    int status = 0;          ///< 100 to 999
    std::string_view reason; ///< may be empty
    int minor = 1;
    field_list fields;
    std::size_t size = 0;
    void clear() noexcept;
};

struct head_limits {
    std::size_t max_bytes = 32 * 1024;
    std::size_t max_fields = 128;
    std::size_t max_target = 8 * 1024;
};

/// Why a head was refused. describe() has the words, response_status() the answer to a client.
enum class head_error : std::uint8_t {
    none,
    too_large,       ///< 431
    too_many_fields, ///< 431
    target_too_long, ///< 414
    bad_start_line,  ///< 400
    bad_method,      ///< 400
    bad_target,      ///< 400: a control character, blank, fragment or non-ASCII byte in it
    bad_version,     ///< 505 for a well-formed other major version, such as HTTP/2.0
    bad_status,
    bad_field_name,  ///< 400: empty, not a token, or followed by whitespace
    bad_field_value, ///< 400: a control character
    bad_line_end,    ///< 400: CR without LF, or LF without CR
    obs_fold,        ///< 400
};

std::string_view describe(head_error e) noexcept;
int response_status(head_error e) noexcept;

enum class parse_state : std::uint8_t { complete, incomplete, malformed };

struct parse_result {
    parse_state state = parse_state::incomplete;
    head_error error = head_error::none;
};

/// Parses a request head from the start of `bytes`. One empty line (CRLF) before the start line is
/// skipped and counted in `out.size` (RFC 9112, section 2.2). `incomplete` means that more bytes are needed
/// and that what is there is within `limits`; `out` is then unspecified. The views in `out` point
/// into `bytes`.
parse_result parse_request_head(std::string_view bytes, const head_limits& limits, request_head& out);

/// The same for a response head.
parse_result parse_response_head(std::string_view bytes, const head_limits& limits, response_head& out);

/// Parses field lines alone, from the start of `bytes` to the empty line; `size` gets the bytes used,
/// the empty line included. For stored heads and for trailer sections.
parse_result parse_field_lines(std::string_view bytes, const head_limits& limits, field_list& out,
                               std::size_t& size);

} // namespace meshcache::http
