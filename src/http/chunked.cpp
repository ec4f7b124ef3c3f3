#include "characters.hpp"

#include <meshcache/http/chunked.hpp>

#include <algorithm>

namespace meshcache::http {
namespace {

namespace ch = characters;

constexpr std::uint32_t max_size_digits = 16;
constexpr std::uint32_t max_extension = 256;
constexpr std::uint32_t max_trailers = 8 * 1024;

constexpr unsigned hex_value(char c) noexcept {
    return ch::is_digit(static_cast<unsigned char>(c)) ? static_cast<unsigned>(c - '0')
                                                       : static_cast<unsigned>(ch::lower(c) - 'a') + 10U;
}

} // namespace

chunk_decoder::phase chunk_decoder::after_size() const noexcept {
    return remaining_ == 0 ? phase::trailer_start : phase::content;
}

chunk_decoder::phase chunk_decoder::next_size(char c) noexcept {
    if (ch::is(c, ch::hex)) {
        // Two bounds: no number above 2^63-1, and no endless leading zeros.
        if (++small_ > max_size_digits || remaining_ >> 59U != 0) return phase::malformed;
        remaining_ = remaining_ << 4U | hex_value(c);
        return phase::size;
    }
    if (small_ == 0) return phase::malformed;
    small_ = 0;
    if (c == ';') return phase::extension_start;
    return c == '\r' ? phase::size_lf : phase::malformed;
}

chunk_decoder::phase chunk_decoder::next_extension(char c) noexcept {
    if (++small_ > max_extension) return phase::malformed;
    switch (phase_) {
    case phase::extension_start:
        return ch::is(c, ch::tchar) ? phase::extension_name : phase::malformed;
    case phase::extension_name:
        if (ch::is(c, ch::tchar)) return phase::extension_name;
        if (c == '=') return phase::extension_value_start;
        break;
    case phase::extension_value_start:
        if (c == '"') return phase::extension_quoted;
        return ch::is(c, ch::tchar) ? phase::extension_value : phase::malformed;
    case phase::extension_value:
        if (ch::is(c, ch::tchar)) return phase::extension_value;
        break;
    case phase::extension_quoted:
        if (c == '"') return phase::extension_end;
        if (c == '\\') return phase::extension_escape;
        return ch::is(c, ch::field_value) ? phase::extension_quoted : phase::malformed;
    case phase::extension_escape:
        return ch::is(c, ch::field_value) ? phase::extension_quoted : phase::malformed;
    default:
        break; // extension_end
    }
    if (c == ';') return phase::extension_start;
    return c == '\r' ? phase::size_lf : phase::malformed;
}

chunk_decoder::phase chunk_decoder::next_trailer(char c) noexcept {
    if (++small_ > max_trailers) return phase::malformed;
    switch (phase_) {
    case phase::trailer_start:
        if (c == '\r') return phase::end_lf;
        return ch::is(c, ch::tchar) ? phase::trailer_name : phase::malformed;
    case phase::trailer_name:
        if (c == ':') return phase::trailer_value;
        return ch::is(c, ch::tchar) ? phase::trailer_name : phase::malformed;
    case phase::trailer_value:
        if (c == '\r') return phase::trailer_lf;
        return ch::is(c, ch::field_value) ? phase::trailer_value : phase::malformed;
    case phase::trailer_lf:
        return c == '\n' ? phase::trailer_start : phase::malformed;
    default:
        return c == '\n' ? phase::done : phase::malformed; // end_lf
    }
}

bool chunk_decoder::in_trailer_line(char c) const noexcept {
    switch (phase_) {
    case phase::trailer_start:
        return c != '\r';
    case phase::trailer_name:
    case phase::trailer_value:
    case phase::trailer_lf:
        return true;
    default:
        return false;
    }
}

chunk_decoder::phase chunk_decoder::next_phase(char c) noexcept {
    switch (phase_) {
    case phase::size:
        return next_size(c);
    case phase::size_lf:
        small_ = 0;
        return c == '\n' ? after_size() : phase::malformed;
    case phase::content_cr:
        return c == '\r' ? phase::content_lf : phase::malformed;
    case phase::content_lf:
        return c == '\n' ? phase::size : phase::malformed;
    case phase::extension_start:
    case phase::extension_name:
    case phase::extension_value_start:
    case phase::extension_value:
    case phase::extension_quoted:
    case phase::extension_escape:
    case phase::extension_end:
        return next_extension(c);
    case phase::trailer_start:
    case phase::trailer_name:
    case phase::trailer_value:
    case phase::trailer_lf:
    case phase::end_lf:
        return next_trailer(c);
    case phase::content:
    case phase::done:
    case phase::malformed:
        break;
    }
    return phase_;
}

chunk_decoder::step chunk_decoder::next(std::string_view input) noexcept {
    std::size_t used = 0;
    for (;;) {
        if (phase_ == phase::done) return {state::done, used, {}};
        if (phase_ == phase::malformed) return {state::malformed, used, {}};
        if (used == input.size()) return {state::more, used, {}};
        if (phase_ == phase::content) {
            const auto size =
                static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size() - used));
            remaining_ -= size;
            if (remaining_ == 0) phase_ = phase::content_cr;
            return {state::data, used + size, input.substr(used, size)};
        }
        const std::size_t begin = used;
        while (used != input.size() && in_trailer_line(input[used])) {
            phase_ = next_phase(input[used]);
            // The byte that broke the coding is not used.
            if (phase_ != phase::malformed) ++used;
        }
        if (used != begin) return {state::trailers, used, input.substr(begin, used - begin)};
        if (phase_ == phase::malformed) continue;
        phase_ = next_phase(input[used]);
        if (phase_ != phase::malformed) ++used;
    }
}

bool is_malformed_chunked(std::string_view bytes) noexcept {
    chunk_decoder decoder;
    for (;;) {
        const auto step = decoder.next(bytes);
        if (step.what == chunk_decoder::state::malformed) return true;
        if (step.what == chunk_decoder::state::more || step.what == chunk_decoder::state::done) return false;
        bytes.remove_prefix(step.consumed);
    }
}

std::size_t write_chunk_size(char* out, std::uint64_t size) noexcept {
    constexpr std::string_view digits = "0123456789abcdef";
    std::size_t length = 1;
    for (std::uint64_t rest = size >> 4U; rest != 0; rest >>= 4U) ++length;
    for (std::size_t i = length; i-- > 0; size >>= 4U) out[i] = digits[size & 15U];
    out[length] = '\r';
    out[length + 1] = '\n';
    return length + 2;
}

} // namespace meshcache::http
