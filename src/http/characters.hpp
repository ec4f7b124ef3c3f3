#pragma once
// One table that knows for every byte where the grammars of RFC 9110 and RFC 9112 allow it. Inline, because
// the head parser asks it once a byte.
#include <array>
#include <cstdint>

namespace meshcache::http::characters {

/// What a byte may be; a set of bits.
enum kind : std::uint8_t {
    tchar = 1,       ///< RFC 9110, section 5.6.2
    field_value = 2, ///< HTAB, SP, VCHAR, and obs-text (RFC 9110, section 5.5)
    target = 4,      ///< visible ASCII without '#': what a request target is made of
    digit = 8,
    hex = 16,
    blank = 32,    ///< SP and HTAB
    reg_name = 64, ///< what we accept in a host name: the unreserved characters of RFC 3986
};

constexpr bool is_alpha(unsigned c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_digit(unsigned c) noexcept { return c >= '0' && c <= '9'; }

constexpr std::array<std::uint8_t, 256> make_table() noexcept {
    std::array<std::uint8_t, 256> table{};
    for (unsigned c = 0; c < 256; ++c) {
        unsigned bits = 0;
        const bool alnum = is_alpha(c) || is_digit(c);
        if (alnum) bits |= tchar | reg_name;
        for (const char special :
             {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
            if (c == static_cast<unsigned char>(special)) bits |= tchar;
        for (const char special : {'-', '.', '_', '~'})
            if (c == static_cast<unsigned char>(special)) bits |= reg_name;
        if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= field_value;
        if (c >= 0x21 && c <= 0x7e && c != '#') bits |= target;
        if (is_digit(c)) bits |= digit | hex;
        if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= hex;
        if (c == ' ' || c == '\t') bits |= blank;
        table[c] = static_cast<std::uint8_t>(bits);
    }
    return table;
}

inline constexpr std::array<std::uint8_t, 256> table = make_table();

constexpr bool is(char c, kind k) noexcept { return (table[static_cast<unsigned char>(c)] & k) != 0; }

/// ASCII lower case, without a locale.
constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(static_cast<unsigned char>(c) | 0x20U) : c;
}

} // namespace meshcache::http::characters
