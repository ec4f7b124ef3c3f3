#pragma once
// Trailer fields (RFC 9110, section 6.5): which of them may pass. They are never merged into the head, and a
// stored response has none. Pure: text in, text out.
#include <meshcache/http/head.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace meshcache::http {

/// Whether the request says that its sender will not discard trailers: HTTP/1.1 with `trailers` among the
/// members of TE (RFC 9110, section 10.1.4).
bool accepts_trailers(const request_head& head) noexcept;

/// Whether a trailer field of that name may pass: not what frames, routes, authenticates, modifies a request,
/// controls caches, says how content is to be handled (RFC 9110, section 6.5.1), or claims what a head may
/// not claim either; nor what its look-alikes with underscores could be taken for.
bool may_trail(std::string_view name);

/// Decides for one message which lines of its trailer section pass. It keeps what it needs of the head.
class trailer_filter {
  public:
    /// Lets nothing pass.
    trailer_filter() = default;
    /// For the response with these fields: what may_trail() lets pass and Connection does not name.
    static trailer_filter of_response(const field_list& fields);
    /// For the request with these fields: of that, what its Trailer has announced. An upstream that was not
    /// told could take the rest for something else.
    static trailer_filter of_request(const field_list& fields);

    /// Appends the lines of `section` that may pass, each with its CRLF. `section`: field lines, without the
    /// empty line, as chunk_decoder hands them out.
    void append(std::string_view section, std::string& out) const;

  private:
    bool open_ = false, announced_only_ = false;
    std::vector<std::string> dropped_, announced_; ///< names, in lower case and sorted; 64 of each
};

/// Appends a Trailer field with those of the first 64 names of Trailer that may pass, if there are any.
void append_trailer_field(const field_list& fields, std::string& out);

} // namespace meshcache::http
