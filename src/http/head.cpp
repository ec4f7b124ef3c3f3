#include "characters.hpp"

#include <meshcache/http/head.hpp>

#include <algorithm>
#include <cstring>

namespace meshcache::http {
namespace {

namespace ch = characters;

constexpr parse_result need_more{parse_state::incomplete, head_error::none};
constexpr parse_result finished{parse_state::complete, head_error::none};
constexpr parse_result refuse(head_error e) noexcept { return {parse_state::malformed, e}; }

const char* skip(const char* p, const char* end, ch::kind k) noexcept {
    while (p != end && ch::is(*p, k)) ++p;
    return p;
}

/// Skips what a field value may hold. Eight bytes at a time as long as none of them is a control
/// character; values are most of a head.
const char* skip_field_value(const char* p, const char* end) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101;
    constexpr std::uint64_t tops = 0x8080808080808080;
    for (;;) {
        while (end - p >= 8) {
            std::uint64_t w = 0;
            std::memcpy(&w, p, 8);
            const std::uint64_t below_space = (w - ones * 0x20) & ~w;
            const std::uint64_t del = w ^ (ones * 0x7f);
            if ((((del - ones) & ~del) | below_space) & tops) break;
            p += 8;
        }
        // What stopped the words is within the next eight bytes: the line's end, HTAB, or something refused.
        const char* stop = end - p >= 8 ? p + 8 : end;
        p = skip(p, stop, ch::field_value);
        if (p != stop || p == end) return p;
    }
}

/// After a part of a line that stopped at `p`: CRLF is to follow. On success `p` is behind it.
parse_result expect_line_end(const char*& p, const char* end, head_error otherwise) noexcept {
    if (p == end) return need_more;
    if (*p == '\n') return refuse(head_error::bad_line_end);
    if (*p != '\r') return refuse(otherwise);
    if (p + 1 == end) return need_more;
    if (p[1] != '\n') return refuse(head_error::bad_line_end);
    p += 2;
    return finished;
}

/// Field lines up to and including the empty line.
parse_result parse_lines(const char*& p, const char* end, const head_limits& limits, field_list& out) {
    for (;;) {
        if (p == end) return need_more;
        if (*p == '\r' || *p == '\n') return expect_line_end(p, end, head_error::bad_line_end);
        if (ch::is(*p, ch::blank)) return refuse(head_error::obs_fold);

        const char* const name = p;
        p = skip(p, end, ch::tchar);
        const char* const name_end = p;
        if (p == end) return need_more;
        if (*p != ':' || name == name_end) return refuse(head_error::bad_field_name);

        p = skip(p + 1, end, ch::blank);
        const char* const value = p;
        p = skip_field_value(p, end);
        const char* value_end = p;
        const parse_result line = expect_line_end(p, end, head_error::bad_field_value);
        if (line.state != parse_state::complete) return line;
        while (value_end != value && ch::is(value_end[-1], ch::blank)) --value_end;

        if (out.size() == limits.max_fields) return refuse(head_error::too_many_fields);
        out.add(std::string_view(name, static_cast<std::size_t>(name_end - name)),
                std::string_view(value, static_cast<std::size_t>(value_end - value)));
    }
}

/// `HTTP/` DIGIT `.` DIGIT; of these 1.0 and 1.1 are ours.
parse_result parse_version(const char*& p, const char* end, int& minor) noexcept {
    constexpr std::string_view form = "HTTP/0.0";
    const auto size = std::min(form.size(), static_cast<std::size_t>(end - p));
    for (std::size_t i = 0; i < size; ++i) {
        const bool fits = form[i] == '0' ? ch::is(p[i], ch::digit) : p[i] == form[i];
        if (!fits) return refuse(head_error::bad_start_line);
    }
    if (size < form.size()) return need_more;
    if (p[5] != '1' || p[7] > '1') return refuse(head_error::bad_version);
    minor = p[7] - '0';
    p += form.size();
    return finished;
}

method recognise(std::string_view text) noexcept {
    switch (text.size()) {
    case 3:
        if (text == "GET") return method::get;
        if (text == "PUT") return method::put;
        break;
    case 4:
        if (text == "HEAD") return method::head;
        if (text == "POST") return method::post;
        break;
    case 5:
        if (text == "PATCH") return method::patch;
        if (text == "TRACE") return method::trace;
        if (text == "QUERY") return method::query;
        break;
    case 6:
        if (text == "DELETE") return method::delete_;
        break;
    case 7:
        if (text == "OPTIONS") return method::options;
        if (text == "CONNECT") return method::connect;
        break;
    default:
        break;
    }
    return method::other;
}

parse_result parse_request(const char*& p, const char* end, const head_limits& limits, request_head& out) {
    if (p != end && *p == '\r') {
        const parse_result blank = expect_line_end(p, end, head_error::bad_line_end);
        if (blank.state != parse_state::complete) return blank;
    }

    const char* const verb = p;
    p = skip(p, end, ch::tchar);
    if (p == end) return need_more;
    if (*p == '\r' || *p == '\n') return refuse(head_error::bad_start_line);
    if (*p != ' ' || p == verb) return refuse(head_error::bad_method);
    out.method_text = {verb, static_cast<std::size_t>(p - verb)};
    out.verb = recognise(out.method_text);
    ++p;

    const char* const target = p;
    p = skip(p, end, ch::target);
    const auto target_size = static_cast<std::size_t>(p - target);
    if (target_size > limits.max_target) return refuse(head_error::target_too_long);
    if (p == end) return need_more;
    // A line that ends here is HTTP/0.9.
    if (*p == '\r' || *p == '\n' || target_size == 0) return refuse(head_error::bad_start_line);
    if (*p != ' ') return refuse(head_error::bad_target);
    out.target = {target, target_size};
    ++p;

    const parse_result version = parse_version(p, end, out.minor);
    if (version.state != parse_state::complete) return version;
    const parse_result line = expect_line_end(p, end, head_error::bad_start_line);
    if (line.state != parse_state::complete) return line;
    return parse_lines(p, end, limits, out.fields);
}

parse_result parse_response(const char*& p, const char* end, const head_limits& limits, response_head& out) {
    const parse_result version = parse_version(p, end, out.minor);
    if (version.state != parse_state::complete) return version;
    if (p == end) return need_more;
    if (*p != ' ') return refuse(head_error::bad_start_line);
    ++p;

    const char* const status = p;
    while (p != end && p - status < 3 && ch::is(*p, ch::digit)) {
        out.status = out.status * 10 + (*p - '0');
        ++p;
    }
    if (p == end && p - status < 3) return need_more;
    if (p - status < 3 || out.status < 100) return refuse(head_error::bad_status);
    if (p == end) return need_more;
    // The space before an empty reason is often left out; no parser reads that differently.
    if (*p == ' ') {
        const char* const reason = ++p;
        p = skip_field_value(p, end);
        out.reason = {reason, static_cast<std::size_t>(p - reason)};
    } else if (*p != '\r' && *p != '\n') {
        return refuse(head_error::bad_status);
    }
    const parse_result line = expect_line_end(p, end, head_error::bad_start_line);
    if (line.state != parse_state::complete) return line;
    return parse_lines(p, end, limits, out.fields);
}

/// Runs `parse` over at most `max_bytes`: a head that is not complete within them never will be.
template <class Parse>
parse_result bounded(std::string_view bytes, std::size_t max_bytes, std::size_t& size, Parse parse) {
    const char* p = bytes.data();
    const char* const end = p + std::min(bytes.size(), max_bytes);
    const parse_result result = parse(p, end);
    if (result.state == parse_state::incomplete && bytes.size() >= max_bytes)
        return refuse(head_error::too_large);
    size = static_cast<std::size_t>(p - bytes.data());
    return result;
}

} // namespace

void request_head::clear() noexcept {
    verb = method::other;
    method_text = target = {};
    minor = 1;
    fields.clear();
    size = 0;
}

void response_head::clear() noexcept {
    status = 0;
    reason = {};
    minor = 1;
    fields.clear();
    size = 0;
}

bool is_safe(method m) noexcept {
    return m == method::get || m == method::head || m == method::options || m == method::trace ||
           m == method::query;
}

bool is_idempotent(method m) noexcept { return is_safe(m) || m == method::put || m == method::delete_; }

std::string_view describe(head_error e) noexcept {
    switch (e) {
    case head_error::none:
        return "none";
    case head_error::too_large:
        return "head too large";
    case head_error::too_many_fields:
        return "too many fields";
    case head_error::target_too_long:
        return "request target too long";
    case head_error::bad_start_line:
        return "malformed start line";
    case head_error::bad_method:
        return "malformed method";
    case head_error::bad_target:
        return "malformed request target";
    case head_error::bad_version:
        return "unsupported HTTP version";
    case head_error::bad_status:
        return "malformed status code";
    case head_error::bad_field_name:
        return "malformed field name";
    case head_error::bad_field_value:
        return "control character in a field value";
    case head_error::bad_line_end:
        return "line end is not CRLF";
    case head_error::obs_fold:
        return "folded field line";
    }
    return "unknown";
}

int response_status(head_error e) noexcept {
    switch (e) {
    case head_error::too_large:
    case head_error::too_many_fields:
        return 431;
    case head_error::target_too_long:
        return 414;
    case head_error::bad_version:
        return 505;
    default:
        return 400;
    }
}

parse_result parse_request_head(std::string_view bytes, const head_limits& limits, request_head& out) {
    out.clear();
    return bounded(bytes, limits.max_bytes, out.size,
                   [&](const char*& p, const char* end) { return parse_request(p, end, limits, out); });
}

parse_result parse_response_head(std::string_view bytes, const head_limits& limits, response_head& out) {
    out.clear();
    return bounded(bytes, limits.max_bytes, out.size,
                   [&](const char*& p, const char* end) { return parse_response(p, end, limits, out); });
}

parse_result parse_field_lines(std::string_view bytes, const head_limits& limits, field_list& out,
                               std::size_t& size) {
    out.clear();
    size = 0;
    return bounded(bytes, limits.max_bytes, size,
                   [&](const char*& p, const char* end) { return parse_lines(p, end, limits, out); });
}

} // namespace meshcache::http
