#pragma once
// The chunked transfer coding (RFC 9112, section 7.1): a strict incremental decoder, and the encoder's
// framing. Pure; holds no content, only its place in the coding.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace meshcache::http {

/// Decodes one chunked body as its bytes come. Feed it with next() until `done` or `malformed`.
/// Refuses: signs, blanks and empty chunk sizes, sizes beyond 2^63-1, bare CR or LF, control characters
/// in extensions, extensions beyond 256 bytes, and a trailer section beyond 8 KiB.
class chunk_decoder {
  public:
    enum class state : std::uint8_t {
        more,      ///< all input used; feed more
        data,      ///< `content` holds bytes of the body
        done,      ///< the coding has ended; `trailers` holds the section's size
        malformed,
    };
    struct step {
        state what = state::more;
        std::size_t consumed = 0;    ///< bytes of the input that were used by this step
        std::string_view content;    ///< for `data`: a view into the input, counted in `consumed`
    };

    /// Takes the next step over `input`; call again with the rest. After `done` or `malformed` it
    /// uses nothing more.
    step next(std::string_view input) noexcept;

    bool done() const noexcept { return phase_ == phase::done; }
    void reset() noexcept { *this = chunk_decoder{}; }

  private:
    enum class phase : std::uint8_t {
        size_first, size, extension, extension_quoted, extension_escape, size_lf, content, content_cr,
        content_lf, trailer_start, trailer_line, trailer_lf, end_lf, done, malformed,
    };
    phase phase_ = phase::size_first;
    std::uint32_t small_ = 0;        ///< bytes of the extension or trailer section so far
    std::uint64_t remaining_ = 0;
};

/// Writes `size` in hex and CRLF to `out` (at least 18 bytes); returns the length.
std::size_t write_chunk_size(char* out, std::uint64_t size) noexcept;

inline constexpr std::string_view last_chunk = "0\r\n\r\n";

} // namespace meshcache::http
