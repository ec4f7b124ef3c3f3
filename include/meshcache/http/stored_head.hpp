#pragma once
// Heads as they are stored: status line and field lines, each ended by CRLF, without the empty line (RFC
// 9111, section 3.1). Read here into the structure that the other functions of this floor take. Pure.
#include <meshcache/http/head.hpp>

#include <string_view>

namespace meshcache::http {

/// Reads a stored head, which write_client_head or a function of validation.hpp wrote. The views in `out`
/// point into `text`; `out.size` is the size of `text`. False when it is no such head: it came from
/// elsewhere, and nothing may be concluded from it.
bool read_stored_head(std::string_view text, response_head& out);

/// Whether a field describes the content of the very message that it stands in, and so is wrong in an answer
/// with other content made from that message: Content-Length, Content-Range, Content-MD5, Content-Digest (RFC
/// 9530, section 2).
bool describes_message_content(const field& f) noexcept;

} // namespace meshcache::http
