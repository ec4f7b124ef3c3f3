#include "claims.hpp"
#include "lines.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/trailers.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace meshcache::http {
namespace {

/// What no trailer may say, beside the names that meshcache acts upon and claims about the request.
constexpr std::array<std::string_view, 21> refused_names = {
    "alt-svc",          "authentication-control",
    "clear-site-data",  "cookie2",
    "destination",      "expect-ct",
    "http2-settings",   "link",
    "method",           "nel",
    "referrer-policy",  "refresh",
    "report-to",        "retry-after",
    "server",           "set-cookie2",
    "status",           "strict-transport-security",
    "www-authenticate", "x-accel-redirect",
    "x-sendfile",
};
constexpr std::array<std::string_view, 15> refused_prefixes = {
    "accept-",       "access-control-", "cdn-",    "cf-",         "content-",
    "cross-origin-", "fastly-",         "if-",     "proxy-",      "sec-",
    "surrogate-",    "x-cluster-",      "x-http-", "x-original-", "x-rewrite-",
};

std::string lower(std::string_view name) {
    std::string out(name);
    std::transform(out.begin(), out.end(), out.begin(), to_lower);
    return out;
}

/// How many names of Connection or Trailer count, as in connection_options: the sender chooses how long the
/// lists are that are held against each other.
constexpr std::size_t most_names = 64;

/// The first names in the lines of `id`, in lower case and sorted.
std::vector<std::string> names_in(const field_list& fields, field_id id) {
    std::vector<std::string> out;
    if (!fields.has(id)) return out;
    for (const field& f : fields) {
        if (f.id != id) continue;
        std::string_view name;
        for (list_cursor c(f.value); out.size() < most_names && c.next(name);)
            if (is_token(name)) out.push_back(lower(name));
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

bool has_name(const std::vector<std::string>& sorted, std::string_view name) {
    return std::binary_search(sorted.begin(), sorted.end(), lower(name));
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
    if (classify(look) != field_id::other || claim_of(look) != claim::none) return false;
    const auto is_it = [&](std::string_view n) { return look == n; };
    const auto begins = [&](std::string_view p) { return look.starts_with(p); };
    return std::none_of(refused_names.begin(), refused_names.end(), is_it) &&
           std::none_of(refused_prefixes.begin(), refused_prefixes.end(), begins);
}

trailer_filter trailer_filter::of_response(const field_list& fields) {
    trailer_filter out;
    out.open_ = true;
    out.dropped_ = names_in(fields, field_id::connection);
    return out;
}

trailer_filter trailer_filter::of_request(const field_list& fields) {
    trailer_filter out = of_response(fields);
    out.announced_only_ = true;
    out.announced_ = names_in(fields, field_id::trailer);
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
        if (!may_trail(f.name) || has_name(dropped_, f.name)) continue;
        if (announced_only_ && !has_name(announced_, f.name)) continue;
        append_line(f.name, f.value, out);
    }
}

void append_trailer_field(const field_list& fields, std::string& out) {
    if (!fields.has(field_id::trailer)) return;
    const auto dropped = names_in(fields, field_id::connection);
    std::string names;
    std::size_t left = most_names;
    for (const field& f : fields) {
        if (f.id != field_id::trailer) continue;
        std::string_view name;
        for (list_cursor c(f.value); left > 0 && c.next(name); --left) {
            if (!is_token(name) || !may_trail(name) || has_name(dropped, name)) continue;
            if (!names.empty()) names += ", ";
            names += name;
        }
    }
    if (!names.empty()) append_line("Trailer", names, out);
}

} // namespace meshcache::http
