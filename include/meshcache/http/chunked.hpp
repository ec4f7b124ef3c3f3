#pragma once
// The chunked transfer coding (RFC 9112, section 7.1): a strict incremental decoder, and the encoder's
// framing. Pure; holds no content, only its place in the coding.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace meshcache::http {

/// Decodes one chunked body as its bytes come. Feed it with next() until `done` or `malformed`.
/// Refuses: signs, blanks and empty chunk sizes, sizes beyond 2^63-1 or 16 digits, bare CR or LF,
/// extensions that are not `;name`, `;name=token` or `;name="quoted"`, extensions beyond 256 bytes, and a
/// trailer section that is malformed or beyond 8 KiB. Trailers are handed out as they are, and are never
/// merged into the head.
class chunk_decoder {
  public:
    enum class state : std::uint8_t {
        more, ///< all input used; feed more
        data,     ///< `content` holds bytes of the body
        trailers, ///< `content` holds bytes of the trailer section's field lines, without the empty line
        done,     ///< the coding has ended
        malformed,
    };
    struct step {
        state what = state::more;
        std::size_t consumed = 0; ///< bytes of the input that were used by this step
        std::string_view content; ///< a view into the input, counted in `consumed`
    };

    /// Takes the next step over `input`; call again with the rest. After `done` or `malformed` it
    /// uses nothing more.
    step next(std::string_view input) noexcept;

    bool done() const noexcept { return phase_ == phase::done; }
    void reset() noexcept { *this = chunk_decoder{}; }

  private:
    enum class phase : std::uint8_t {
        size,
        extension_start,
        extension_name,
        extension_value_start,
        extension_value,
        extension_quoted,
        extension_escape,
        extension_end,
        size_lf,
        content,
        content_cr,
        content_lf,
        trailer_start,
        trailer_name,
        trailer_value,
        trailer_lf,
        end_lf,
        done,
        malformed,
    };
    /// The phase after one byte of framing. The three below do it for their part of the coding.
    phase next_phase(char c) noexcept;
    phase next_size(char c) noexcept;
    phase next_extension(char c) noexcept;
    phase next_trailer(char c) noexcept;
    phase after_size() const noexcept;
    /// Whether the next byte, `c`, belongs to a field line of the trailer section.
    bool in_trailer_line(char c) const noexcept;

    phase phase_ = phase::size;
    std::uint32_t small_ = 0; ///< digits of the size, or bytes of the extension or trailer section, so far
    std::uint64_t remaining_ = 0; ///< of the chunk's content
};

/// Whether `bytes`, with which a chunked body begins, are malformed already.
bool is_malformed_chunked(std::string_view bytes) noexcept;

/// Writes `size` in hex and CRLF to `out` (at least 18 bytes); returns the length.
std::size_t write_chunk_size(char* out, std::uint64_t size) noexcept;

inline constexpr std::string_view last_chunk = "0\r\n\r\n";

} // namespace meshcache::http
