#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

#define XXH_INLINE_ALL
#include "authority.hpp"
#include "characters.hpp"
#include "lines.hpp"
#include "vary.hpp"

#include <xxhash.h>

namespace meshcache::http {
namespace {

constexpr std::string_view http_scheme = "http";

/// Between a primary key and the parts of a variant.
constexpr char variant_marker = ';';

/// Takes `scheme://` from the front of `target`. False when there is none.
bool take_scheme(std::string_view& target, std::string_view& scheme) noexcept {
    const std::size_t end = target.find("://");
    if (end == std::string_view::npos || end == 0) return false;
    const std::string_view text = target.substr(0, end);
    const auto fits = [](char c) {
        const char l = to_lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    };
    if (!std::all_of(text.begin(), text.end(), fits)) return false;
    scheme = text;
    target.remove_prefix(end + 3);
    return true;
}

/// RFC 9112, section 3.2.2: the target's authority wins, and Host is rewritten from it.
uri_error split_absolute_form(const request_head& head, std::string& host_buffer, request_uri& out) {
    std::string_view rest = head.target;
    std::string_view scheme;
    if (!take_scheme(rest, scheme)) return uri_error::bad_form;
    if (!iequals(scheme, http_scheme)) return uri_error::bad_scheme;

    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    if (!is_authority(authority)) return uri_error::bad_authority;
    normalise_authority(authority, host_buffer);
    rest.remove_prefix(authority.size());
    const std::size_t host_size = host_buffer.size();
    if (rest.empty()) {
        // Section 3.2.4: OPTIONS of a URI without path and query is OPTIONS of the server.
        out.path_query = head.verb == method::options ? "*" : "/";
    } else if (rest.front() == '?') {
        host_buffer += '/';
        host_buffer += rest;
        out.path_query = std::string_view(host_buffer).substr(host_size);
    } else {
        out.path_query = rest;
    }
    out.host = std::string_view(host_buffer).substr(0, host_size);
    return uri_error::none;
}

/// Whether the value is a list of words whose case means nothing, and their order as little as applications
/// keep to the RFC.
bool is_preference(field_id id) noexcept {
    return id == field_id::accept_encoding || id == field_id::accept_language;
}

/// Appends a field line's value, without blanks around its commas, to what came before.
void append_normalised(const field& f, std::string& out) {
    // A comma in a comment of User-Agent separates nothing.
    if (f.id == field_id::user_agent) {
        out += f.value;
        return;
    }
    const bool fold = is_preference(f.id);
    const std::size_t before = out.size();
    out.resize(before + f.value.size());
    char* to = out.data() + before;
    bool quoted = false;
    for (std::size_t i = 0; i < f.value.size(); ++i) {
        const char c = f.value[i];
        if (!quoted && (c == ' ' || c == '\t')) {
            // Blanks are dropped before and after a comma, and kept elsewhere as they are.
            const std::size_t end = std::min(f.value.find_first_not_of(" \t", i), f.value.size());
            const bool after_comma = i > 0 && f.value[i - 1] == ',';
            const bool before_comma = end < f.value.size() && f.value[end] == ',';
            if (!after_comma && !before_comma) to = std::copy_n(f.value.data() + i, end - i, to);
            i = end - 1;
            continue;
        }
        if (c == '"') quoted = !quoted;
        *to++ = fold ? characters::lower(c) : c;
        if (quoted && c == '\\' && i + 1 < f.value.size()) *to++ = f.value[++i];
    }
    out.resize(static_cast<std::size_t>(to - out.data()));
}

/// The members of a normalised list in the order of their bytes.
void sort_members(std::string& value) {
    std::vector<std::string_view> members;
    std::string_view member;
    for (list_cursor c(value); c.next(member);) members.push_back(member);
    std::sort(members.begin(), members.end());
    std::string sorted;
    sorted.reserve(value.size());
    for (const std::string_view m : members) {
        if (!sorted.empty()) sorted += ',';
        sorted += m;
    }
    value = std::move(sorted);
}

/// Whether a gateway that writes fields into environment variables takes one name for the other, as
/// `Accept_Language` for Accept-Language.
bool looks_like(std::string_view name, std::string_view other) noexcept {
    const auto dashed = [](char c) { return c == '_' ? '-' : to_lower(c); };
    return std::equal(name.begin(), name.end(), other.begin(), other.end(),
                      [&](char a, char b) { return dashed(a) == dashed(b); });
}

/// What stands before the variant's part of a key. A part begins with a digit, so that the first marker
/// between parts is the variant's.
std::string_view primary_part(std::string_view key) noexcept {
    for (std::size_t at = 0; at < key.size();) {
        if (key[at] == variant_marker) return key.substr(0, at);
        std::size_t size = 0;
        const char* const from = key.data() + at;
        const auto [end, error] = std::from_chars(from, key.data() + key.size(), size);
        const auto header = static_cast<std::size_t>(end - from) + 1;
        if (error != std::errc{} || header > key.size() - at || *end != ':') break;
        if (size > key.size() - at - header) break;
        at += header + size;
    }
    return key;
}

/// Calls `use(name)` for each member of a list of names as parse_vary writes it.
template <class Use>
void for_each_name(std::string_view names, Use use) {
    while (!names.empty()) {
        const std::size_t end = std::min(names.find(','), names.size());
        if (end != 0) use(names.substr(0, end));
        names.remove_prefix(std::min(end + 1, names.size()));
    }
}

bool is_encoded(const field_list& response_fields) noexcept {
    for (const field& f : response_fields) {
        if (f.id != field_id::content_encoding) continue;
        std::string_view coding;
        for (list_cursor c(f.value); c.next(coding);)
            if (!iequals(coding, "identity")) return true;
    }
    return false;
}

bool names_origin(const field_list& response_fields) noexcept {
    constexpr std::string_view allow_origin = "access-control-allow-origin";
    return std::any_of(response_fields.begin(), response_fields.end(), [&](const field& f) {
        return f.id == field_id::other && iequals(f.name, allow_origin) && f.value != "*";
    });
}

} // namespace

std::string_view describe(uri_error e) noexcept {
    switch (e) {
    case uri_error::none:
        return "none";
    case uri_error::bad_form:
        return "request target is neither a path nor a URI";
    case uri_error::bad_scheme:
        return "scheme is not http";
    case uri_error::bad_authority:
        return "malformed or missing host";
    case uri_error::connect:
        return "CONNECT is not supported";
    }
    return "unknown";
}

uri_error split_uri(const request_head& head, std::string& host_buffer, request_uri& out) {
    if (head.verb == method::connect) return uri_error::connect;
    // A client has to send a valid Host even beside an absolute-form target.
    if (check_host(head) != framing_error::none) return uri_error::bad_authority;
    out.scheme = http_scheme;
    const bool asterisk = head.target == "*" && head.verb == method::options;
    if (!asterisk && (head.target.empty() || head.target.front() != '/'))
        return split_absolute_form(head, host_buffer, out);
    // HTTP/1.0 may come without Host; the authority is then empty, and so is the Host that is sent upstream.
    host_buffer.clear();
    if (head.fields.has(field_id::host)) normalise_authority(head.fields.value(field_id::host), host_buffer);
    out.host = host_buffer;
    out.path_query = head.target;
    return uri_error::none;
}

void build_key(const request_uri& uri, std::string_view method_text, std::string& out) {
    out.clear();
    append_key_part(uri.scheme, out);
    append_key_part(uri.host, out);
    append_key_part(method_text == "HEAD" ? std::string_view("GET") : method_text, out);
    append_key_part(uri.path_query, out);
}

std::optional<key_parts> split_key(std::string_view key) noexcept {
    std::string_view parts[4];
    std::size_t at = 0;
    for (std::string_view& part : parts) {
        std::size_t size = 0;
        const char* const end = key.data() + key.size();
        const auto [colon, error] = std::from_chars(key.data() + at, end, size);
        if (error != std::errc{} || colon == end || *colon != ':') return std::nullopt;
        at = static_cast<std::size_t>(colon - key.data()) + 1;
        if (size > key.size() - at) return std::nullopt;
        part = key.substr(at, size);
        at += size;
    }
    return key_parts{parts[1], parts[3], key.substr(0, at)};
}

void append_variant(std::string_view vary_names, const field_list& request_fields, std::string& out,
                    const variant_policy& policy) {
    // The upstream never saw what Connection made us drop, so that the variant is the one without it.
    const connection_options connection(request_fields);
    const auto has_underscore = [](std::string_view name) {
        return name.find('_') != std::string_view::npos;
    };
    const bool look_alikes =
        has_underscore(vary_names) || std::any_of(request_fields.begin(), request_fields.end(),
                                                  [&](const field& f) { return has_underscore(f.name); });
    std::string value;
    if (!vary_names.empty()) out += variant_marker;
    for_each_name(vary_names, [&](std::string_view name) {
        append_key_part(name, out);
        const field_id id = classify(name);
        bool present = false;
        value.clear();
        for (const field& f : request_fields) {
            if (f.id != id || (id == field_id::other && !iequals(f.name, name))) continue;
            if (connection.drops(f)) continue;
            if (present) value += ',';
            present = true;
            append_normalised(f, value);
        }
        if (policy.ignore_order && is_preference(id)) sort_members(value);
        if (present)
            append_key_part(value, out);
        else
            out += '-';
        if (!look_alikes) return;
        for (const field& f : request_fields) {
            if (iequals(f.name, name) || !looks_like(f.name, name)) continue;
            append_key_part(f.name, out);
            append_key_part(f.value, out);
        }
    });
}

bool vary_matches_nothing(const field_list& response_fields) noexcept {
    for (const field& f : response_fields) {
        if (f.id != field_id::vary) continue;
        std::string_view name;
        for (list_cursor c(f.value); c.next(name);) {
            if (name == "*" || !is_token(name)) return true;
            const field_id id = classify(name);
            if (id == field_id::x_forwarded_for || id == field_id::forwarded) return true;
        }
    }
    return false;
}

/// Every request for the URI holds all of its fields against all of them.
static constexpr std::size_t most_vary_names = 64;

bool parse_vary(const field_list& response_fields, std::string& out) {
    out.clear();
    if (vary_matches_nothing(response_fields)) return false;
    std::vector<std::string> names;
    for (const field& f : response_fields) {
        if (f.id != field_id::vary) continue;
        std::string_view name;
        for (list_cursor c(f.value); c.next(name);) {
            std::string& lower = names.emplace_back(name);
            std::transform(lower.begin(), lower.end(), lower.begin(), to_lower);
        }
    }
    // An encoded response is not for a client that did not ask for the encoding, nor one that names an origin
    // for another origin, even where the application forgot to say so.
    if (is_encoded(response_fields)) names.emplace_back("accept-encoding");
    if (names_origin(response_fields)) names.emplace_back("origin");
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    if (names.size() > most_vary_names) return false;
    for (const std::string& name : names) {
        if (!out.empty()) out += ',';
        out += name;
    }
    return true;
}

std::uint64_t hash_key(std::string_view bytes, std::uint64_t seed) noexcept {
    const auto of = [seed](std::string_view part) {
        return static_cast<std::uint64_t>(XXH3_64bits_withSeed(part.data(), part.size(), seed));
    };
    const std::string_view primary = primary_part(bytes);
    if (primary.size() == bytes.size()) return of(bytes);
    return (of(primary) & family_bits) | (of(bytes) & ~family_bits);
}

bool is_variant_key(std::string_view key) noexcept { return primary_part(key).size() != key.size(); }

std::string_view primary_of(std::string_view key) noexcept { return primary_part(key); }

bool same_primary(std::string_view a, std::string_view b) noexcept {
    return primary_part(a) == primary_part(b);
}

} // namespace meshcache::http
