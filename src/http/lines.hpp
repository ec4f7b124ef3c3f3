#pragma once
// How the writers of heads append field lines and numbers. Inline, because they are a few instructions each.
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

} // namespace meshcache::http
