#include "authority.hpp"
#include "characters.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/uri_reference.hpp>

#include <algorithm>

namespace meshcache::http {
namespace {

namespace ch = characters;

bool is_alpha(char c) noexcept { return ch::is_alpha(static_cast<unsigned char>(c)); }

/// `scheme ":"` (RFC 3986, section 3.1) at the front of `s`; its length without the colon, or 0.
std::size_t scheme_size(std::string_view s) noexcept {
    const std::size_t end = s.find_first_of(":/?#");
    if (end == std::string_view::npos || s[end] != ':' || end == 0 || !is_alpha(s.front())) return 0;
    const auto fits = [](char c) {
        return is_alpha(c) || ch::is(c, ch::digit) || c == '+' || c == '-' || c == '.';
    };
    return std::all_of(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(end), fits) ? end : 0;
}

/// What could stand in a request target: no blanks, no control characters, nothing outside ASCII.
bool is_visible(std::string_view s) noexcept {
    return std::all_of(s.begin(), s.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::string_view path_of(std::string_view path_query) noexcept {
    return path_query.substr(0, path_query.find('?'));
}

/// RFC 3986, section 5.2.3: `path` after the base's path up to its last slash.
std::string merge(std::string_view base_path, std::string_view path) {
    std::string out(base_path.substr(0, base_path.rfind('/') + 1));
    if (out.empty()) out = '/';
    return out.append(path);
}

} // namespace

std::string remove_dot_segments(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        // What is at the front is a segment with the slash before it, if there is one.
        const std::size_t end = std::min(path.find('/', 1), path.size());
        const std::string_view segment = path.substr(0, end);
        const bool last = end == path.size();
        const std::string_view name = segment.front() == '/' ? segment.substr(1) : segment;
        if (name == "." || name == "..") {
            if (name == ".." && !out.empty()) out.erase(std::min(out.rfind('/'), out.size()));
            if (last) out += '/';
        } else {
            out += segment;
        }
        path.remove_prefix(end);
    }
    return out;
}

bool resolve_same_origin(const request_uri& base, std::string_view reference, std::string& path_query) {
    reference = reference.substr(0, reference.find('#'));
    if (!is_visible(reference)) return false;

    if (const std::size_t size = scheme_size(reference)) {
        if (!iequals(reference.substr(0, size), base.scheme)) return false;
        reference.remove_prefix(size + 1);
        if (!reference.starts_with("//")) return false;
    }
    bool has_authority = false;
    if (reference.starts_with("//")) {
        reference.remove_prefix(2);
        const auto authority = reference.substr(0, reference.find_first_of("/?"));
        if (!is_authority(authority)) return false;
        std::string host;
        normalise_authority(authority, host);
        if (host != base.host) return false;
        reference.remove_prefix(authority.size());
        has_authority = true;
    }

    const std::size_t question = reference.find('?');
    const std::string_view path = reference.substr(0, question);
    std::string_view query =
        question == std::string_view::npos ? std::string_view{} : reference.substr(question);
    const std::string_view base_path = path_of(base.path_query);
    if (path.empty()) {
        path_query = has_authority ? std::string("/") : std::string(base_path);
        if (!has_authority && question == std::string_view::npos)
            query = base.path_query.substr(base_path.size());
    } else if (path.front() == '/') {
        path_query = remove_dot_segments(path);
    } else {
        path_query = remove_dot_segments(merge(base_path, path));
    }
    path_query += query;
    return !path_query.empty() && path_query.front() == '/';
}

} // namespace meshcache::http
