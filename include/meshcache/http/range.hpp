#pragma once
// Parts of a stored response (RFC 9110, section 14): Range and If-Range of a request become half-open spans
// of the content, and the heads of 206 and 416 are written for them. Pure. What could make a small request
// into a large answer is bounded: such a Range is ignored, as section 14.2 allows, and the answer is the
// whole response.
//
// Stored heads are read by read_stored_head. The writers of heads append status line and field lines, each
// ended by CRLF, without the empty line; Age, Cache-Status and Connection are the sender's.
#include <meshcache/base/clock.hpp>
#include <meshcache/http/head.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::http {

/// Bytes of the content from `begin` up to, but without, `end`. Never empty once it is in a result.
struct byte_span {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t size() const noexcept { return end - begin; }
    friend bool operator==(const byte_span&, const byte_span&) = default;
};

/// The most spans of one answer, and the most range-specs that are read of one request.
inline constexpr std::size_t most_spans = 16;
inline constexpr std::size_t most_range_specs = 64;

struct range_limits {
    std::size_t max_spans = most_spans;       ///< after joining; at most most_spans
    std::size_t max_specs = most_range_specs; ///< as sent; at most most_range_specs
    std::size_t max_overlapping = 2;          ///< specs that overlap another one
    /// Spans with a gap below this are joined: it is about what a part's head costs (RFC 9110, section
    /// 15.3.7.2). 0 joins only what touches or overlaps.
    std::uint64_t join_gap = 80;
};

/// What a Range asks for.
class requested_ranges {
  public:
    enum class kind : std::uint8_t {
        whole,         ///< no Range, or one to be ignored: answer 200
        partial,       ///< answer 206 with spans()
        unsatisfiable, ///< answer 416
    };

    requested_ranges() noexcept = default;
    explicit requested_ranges(kind what) noexcept : what_(what) {}

    kind what() const noexcept { return what_; }
    /// Between 1 and most_spans spans when partial, none otherwise. They lie within the content and do not
    /// overlap or touch; their order is that in which the client asked for them (RFC 9110, section 15.3.7.2),
    /// a joined span standing where the first of its parts stood.
    std::span<const byte_span> spans() const noexcept { return {spans_.data(), count_}; }

  private:
    friend requested_ranges parse_range(std::string_view, std::uint64_t, const range_limits&) noexcept;
    std::array<byte_span, most_spans> spans_{};
    std::size_t count_ = 0;
    kind what_ = kind::whole;
};

/// The value of Range against content of `complete_length` bytes (RFC 9110, sections 14.1 and 14.2). Ignored
/// is what is malformed, in another unit than bytes, or abusive: more specs or spans than the limits, more
/// than `max_overlapping` specs that overlap, or specs that ask for more bytes in all than there are. Numbers
/// of any length are understood. Of empty content, a suffix is the whole.
requested_ranges parse_range(std::string_view value, std::uint64_t complete_length,
                             const range_limits& limits = {}) noexcept;

/// Whether If-Range allows a partial answer from `stored` (RFC 9110, section 13.1.5): it is not there, or has
/// the strong entity tag of the stored response, or its Last-Modified where that is strong. Anything else,
/// malformed or repeated, does not.
bool if_range_holds(const field_list& request_fields, const field_list& stored_fields,
                    wall_time now) noexcept;

/// What a stored response with `complete_length` bytes of content answers to the request's Range: all that
/// section 14.2 asks for. Only GET has ranges, only a 200 has parts, and Range must be there once and
/// If-Range hold. To be asked after evaluate_preconditions has said `proceed` (RFC 9110, section 13.2.2).
requested_ranges select_ranges(const field_list& request_fields, method verb, const response_head& stored,
                               std::uint64_t complete_length, wall_time now,
                               const range_limits& limits = {}) noexcept;

/// Which part of which whole a 206 has.
struct content_range {
    byte_span span;
    std::uint64_t complete_length = 0;
};

/// Content-Range of a response, if it is there once, in bytes, with a complete length, and sound (RFC 9110,
/// section 14.4).
std::optional<content_range> parse_content_range(const field_list& response_fields) noexcept;

/// Appends `bytes 0-4/10`, the value of Content-Range.
void write_content_range(const byte_span& span, std::uint64_t complete_length, std::string& out);

/// Appends the head of a 206 with one span: the stored fields, Content-Range, and Content-Length. Left out
/// are the fields that describe the content of the stored message, and an `Accept-Ranges: none` that the
/// answer belies.
void write_partial_head(const response_head& stored, const byte_span& span, std::uint64_t complete_length,
                        std::string& out);

/// Appends the head of a 416 for content of `complete_length` bytes: Content-Range, and Content-Length 0.
/// `now_date` is an IMF-fixdate.
void write_unsatisfiable_head(std::uint64_t complete_length, std::string_view now_date, std::string& out);

/// 32 hexadecimal digits of 128 random bits: a boundary that nobody can foresee, so that no content holds it.
std::string make_boundary(std::uint64_t high, std::uint64_t low);

/// What stands around the spans of a multipart/byteranges answer (RFC 9110, section 14.6): to be sent are,
/// for each span in turn, part_head(i) and its bytes, and then closing(). Owns all of that text, and no
/// content.
class multipart_ranges {
  public:
    /// `spans` are two or more; `boundary` is of make_boundary. Each part has the stored Content-Type, if
    /// there is one.
    multipart_ranges(const response_head& stored, std::span<const byte_span> spans,
                     std::uint64_t complete_length, std::string_view boundary);

    /// The delimiter and the fields before span `i`, the empty line included. The views live as long as this
    /// object stays where it is.
    std::string_view part_head(std::size_t i) const noexcept;
    /// The last delimiter.
    std::string_view closing() const noexcept;
    std::size_t size() const noexcept { return ends_.size(); }
    /// Bytes of the whole content: part heads, spans, and closing.
    std::uint64_t content_length() const noexcept { return content_length_; }

    /// Appends the head of the 206: the stored fields as in write_partial_head, with the multipart's
    /// Content-Type in place of the stored one, without Content-Range, and with Content-Length.
    void write_head(const response_head& stored, std::string& out) const;

  private:
    std::string text_;              ///< the part heads one after the other, then the closing
    std::vector<std::size_t> ends_; ///< where each part head ends in it
    std::string boundary_;
    std::uint64_t content_length_ = 0;
};

} // namespace meshcache::http
