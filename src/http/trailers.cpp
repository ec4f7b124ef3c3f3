#include "lines.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/trailers.hpp>

#include <algorithm>
#include <array>

namespace meshcache::http {
namespace {

/// What no trailer may say, beside the names that meshcache acts upon.
constexpr std::array<std::string_view, 22> refused_names = {
    "alt-svc",         "authentication-control",
    "clear-site-data", "client-ip",
    "cookie2",         "destination",
    "expect-ct",       "front-end-https",
    "http2-settings",  "link",
    "method",          "nel",
    "referrer-policy", "refresh",
    "report-to",       "retry-after",
    "server",          "set-cookie2",
    "status",          "strict-transport-security",
    "true-client-ip",  "www-authenticate",
};
constexpr std::array<std::string_view, 16> refused_prefixes = {
    "accept-",     "access-control-", "cdn-", "cf-",        "content-",   "cross-origin-", "fastly-",
    "if-",         "proxy-",          "sec-", "surrogate-", "x-cluster-", "x-forwarded-",  "x-http-",
    "x-original-", "x-rewrite-",
};
/// Claims about the client or the request, as in forwarding.
constexpr std::array<std::string_view, 7> refused_claims = {
    "x-real-ip", "x-client-ip", "x-host", "x-scheme", "x-url-scheme", "x-accel-redirect", "x-sendfile",
};

std::string joined(const field_list& fields, field_id id) {
    std::string out;
    for (const field& f : fields)
        if (f.id == id) out.append(f.value).append(",");
    return out;
}

} // namespace

bool accepts_trailers(const request_head& head) noexcept {
    if (head.minor < 1 || !head.fields.has(field_id::te)) return false;
    return std::any_of(head.fields.begin(), head.fields.end(),
                       [](const field& f) { return f.id == field_id::te && list_has(f.value, "trailers"); });
}

bool may_trail(std::string_view name) {
    std::string look(name);
    for (char& c : look) c = c == '_' ? '-' : to_lower(c);
    // The digests of what was sent are what trailers are for (RFC 9530).
    if (look == "content-digest" || look == "repr-digest") return name.find('_') == std::string_view::npos;
    if (classify(look) != field_id::other) return false;
    const auto is_it = [&](std::string_view n) { return look == n; };
    const auto begins = [&](std::string_view p) { return look.starts_with(p); };
    return std::none_of(refused_names.begin(), refused_names.end(), is_it) &&
           std::none_of(refused_claims.begin(), refused_claims.end(), is_it) &&
           std::none_of(refused_prefixes.begin(), refused_prefixes.end(), begins);
}

trailer_filter trailer_filter::of_response(const field_list& fields) {
    trailer_filter out;
    out.open_ = true;
    out.dropped_ = joined(fields, field_id::connection);
    return out;
}

trailer_filter trailer_filter::of_request(const field_list& fields) {
    trailer_filter out = of_response(fields);
    out.announced_only_ = true;
    out.announced_ = joined(fields, field_id::trailer);
    return out;
}

void trailer_filter::append(std::string_view section, std::string& out) const {
    if (!open_ || section.empty()) return;
    const std::string lines = std::string(section).append("\r\n");
    field_list fields;
    std::size_t size = 0;
    const head_limits bounds{lines.size() + 1, lines.size(), 0};
    if (parse_field_lines(lines, bounds, fields, size).state != parse_state::complete) return;
    for (const field& f : fields) {
        if (!may_trail(f.name) || list_has(dropped_, f.name)) continue;
        if (announced_only_ && !list_has(announced_, f.name)) continue;
        append_line(f.name, f.value, out);
    }
}

void append_trailer_field(const field_list& fields, std::string& out) {
    const std::string announced = joined(fields, field_id::trailer);
    const std::string dropped = joined(fields, field_id::connection);
    std::string names;
    std::string_view name;
    for (list_cursor c(announced); c.next(name);) {
        if (!is_token(name) || !may_trail(name) || list_has(dropped, name)) continue;
        if (!names.empty()) names += ", ";
        names += name;
    }
    if (!names.empty()) append_line("Trailer", names, out);
}

} // namespace meshcache::http
