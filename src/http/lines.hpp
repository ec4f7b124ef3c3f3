#pragma once
// How the writers of heads and keys append field lines, numbers and parts. Inline, because they are a few
// instructions each.
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace meshcache::http {

/// `name: value` and CRLF.
inline void append_line(std::string_view name, std::string_view value, std::string& out) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
}

inline void append_number(std::uint64_t n, std::string& out) {
    char digits[20];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, n).ptr);
}

/// A part of a cache key: `5:bytes`.
inline void append_key_part(std::string_view part, std::string& out) {
    append_number(part.size(), out);
    out += ':';
    out += part;
}

} // namespace meshcache::http
