#include "characters.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/stored_head.hpp>

#include <algorithm>
#include <cstddef>

namespace meshcache::http {
namespace {

namespace ch = characters;

/// Takes the next line and its CRLF from the start of `text`.
bool take_line(std::string_view& text, std::string_view& line) noexcept {
    std::size_t end = 0;
    while (end < text.size() && ch::is(text[end], ch::field_value)) ++end;
    line = text.substr(0, end);
    text.remove_prefix(end);
    if (!text.starts_with("\r\n")) return false;
    text.remove_prefix(2);
    return true;
}

bool read_status_line(std::string_view line, response_head& out) noexcept {
    constexpr std::string_view version = "HTTP/1.";
    if (line.size() < 12 || line.substr(0, version.size()) != version || line[8] != ' ') return false;
    if (line[7] != '0' && line[7] != '1') return false;
    out.minor = line[7] - '0';
    for (const char c : line.substr(9, 3)) {
        if (!ch::is(c, ch::digit)) return false;
        out.status = out.status * 10 + (c - '0');
    }
    if (out.status < 100 || (line.size() > 12 && line[12] != ' ')) return false;
    out.reason = line.substr(std::min<std::size_t>(line.size(), 13));
    return true;
}

} // namespace

bool read_stored_head(std::string_view text, response_head& out) {
    out.clear();
    out.size = text.size();
    std::string_view line;
    if (!take_line(text, line) || !read_status_line(line, out)) return false;
    while (!text.empty()) {
        if (!take_line(text, line)) return false;
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
        out.fields.add(line.substr(0, colon), trim(line.substr(colon + 1)));
    }
    return true;
}

bool describes_message_content(const field& f) noexcept {
    switch (f.id) {
    case field_id::content_length:
    case field_id::content_range:
        return true;
    case field_id::other:
        return iequals(f.name, "Content-MD5") || iequals(f.name, "Content-Digest");
    default:
        return false;
    }
}

} // namespace meshcache::http
