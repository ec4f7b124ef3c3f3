#include "characters.hpp"
#include "claims.hpp"
#include "lines.hpp"

#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/trailers.hpp>
#include <meshcache/http/upgrade.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace meshcache::http {
namespace {

/// Fields that belong to one connection (RFC 9110, section 7.6.1), the authentication of proxies included.
constexpr bool is_hop_by_hop(field_id id) noexcept {
    switch (id) {
    case field_id::connection:
    case field_id::keep_alive:
    case field_id::proxy_connection:
    case field_id::proxy_authenticate:
    case field_id::proxy_authentication_info:
    case field_id::proxy_authorization:
    case field_id::te:
    case field_id::trailer:
    case field_id::transfer_encoding:
    case field_id::upgrade:
        return true;
    default:
        return false;
    }
}

/// Fields with which a request claims another URL or method than it has. Never forwarded.
constexpr bool is_override(field_id id) noexcept {
    switch (id) {
    case field_id::x_http_method:
    case field_id::x_http_method_override:
    case field_id::x_method_override:
    case field_id::x_original_url:
    case field_id::x_rewrite_url:
        return true;
    default:
        return false;
    }
}

/// The fields in which proxies say who asked, and which write_upstream_head writes itself.
constexpr bool is_forwarded(field_id id) noexcept {
    switch (id) {
    case field_id::forwarded:
    case field_id::x_forwarded_for:
    case field_id::x_forwarded_host:
    case field_id::x_forwarded_port:
    case field_id::x_forwarded_prefix:
    case field_id::x_forwarded_proto:
        return true;
    default:
        return false;
    }
}

/// Fields that ask for less than the whole answer.
constexpr bool is_conditional(field_id id) noexcept {
    switch (id) {
    case field_id::if_match:
    case field_id::if_modified_since:
    case field_id::if_none_match:
    case field_id::if_range:
    case field_id::if_unmodified_since:
    case field_id::range:
        return true;
    default:
        return false;
    }
}

/// What the upstream gets to see of a field of the request.
enum class passage : std::uint8_t { forward, drop, claim, condition };

passage judge(field_id id, std::string_view name) noexcept {
    if (is_hop_by_hop(id) || is_override(id)) return passage::drop;
    switch (id) {
    case field_id::host:
    case field_id::content_length:
        return passage::drop; // written anew
    case field_id::other:
        if (iequals(name, "HTTP2-Settings")) return passage::drop; // belongs to an h2c that is not passed on
        return claim_of(name) == claim::none ? passage::forward : passage::claim;
    default:
        if (is_conditional(id)) return passage::condition;
        return is_forwarded(id) ? passage::claim : passage::forward;
    }
}

/// Gateways that put fields into environment variables read `X_Forwarded_For` as X-Forwarded-For. A name
/// with underscores is judged by what it looks like, and not even trusted where that would be.
passage judge_request_field(const field& f) {
    const passage plain = judge(f.id, f.name);
    if (plain != passage::forward || f.id != field_id::other || f.name.find('_') == std::string_view::npos)
        return plain;
    constexpr std::size_t longest = 32;
    if (f.name.size() > longest) return plain;
    std::array<char, longest> look{};
    std::replace_copy(f.name.begin(), f.name.end(), look.begin(), '_', '-');
    const std::string_view name(look.data(), f.name.size());
    switch (judge(classify(name), name)) {
    case passage::forward:
        return passage::forward;
    case passage::condition:
        return passage::condition; // `If_None_Match` would be heard beside our own If-None-Match
    default:
        return passage::drop;
    }
}

/// The beginning of a line to whose list an element is to be added: all lines of `id` as one, if that is to
/// be continued.
void append_list(field_id id, const field_list& fields, bool continued, std::string& out) {
    out.append(canonical_name(id)).append(": ");
    if (!continued) return;
    for (const field& f : fields)
        if (f.id == id && !f.value.empty()) out.append(f.value).append(", ");
}

/// One element of Forwarded (RFC 7239, section 4).
void append_forwarded_element(const client_facts& client, std::string_view host, std::string& out) {
    out += "for=";
    if (client.address.empty())
        out += "unknown";
    else if (client.address.find(':') != std::string_view::npos)
        out.append("\"[").append(client.address).append("]\"");
    else
        out += client.address;
    if (!host.empty()) {
        out += ";host=";
        if (is_token(host))
            out += host;
        else
            out.append("\"").append(host).append("\"");
    }
    out += ";proto=http";
}

/// X-Forwarded-* and Forwarded. From an untrusted client nothing of its own remains; of a trusted one the
/// lists are continued, and the rest was forwarded with its other fields.
void append_client_facts(const field_list& fields, const client_facts& client, std::string_view host,
                         std::string& out) {
    const bool trusted = client.trust_forwarded;
    const auto single = [&](field_id id, std::string_view value) {
        const bool sent = trusted && fields.has(id);
        if (!sent && !value.empty()) append_line(canonical_name(id), value, out);
    };
    if (!client.address.empty()) {
        append_list(field_id::x_forwarded_for, fields, trusted, out);
        out.append(client.address).append("\r\n");
    } else if (trusted) {
        for (const field& f : fields)
            if (f.id == field_id::x_forwarded_for) append_line(f.name, f.value, out);
    }
    single(field_id::x_forwarded_host, host);
    single(field_id::x_forwarded_proto, "http");
    single(field_id::x_forwarded_port, client.local_port);
    append_list(field_id::forwarded, fields, trusted, out);
    append_forwarded_element(client, host, out);
    out += "\r\n";
}

void append_via(int minor, std::string& out) {
    out += minor == 0 ? "Via: 1.0 " : "Via: 1.1 ";
    out += pseudonym;
    out += "\r\n";
}

/// Max-Forwards of TRACE and OPTIONS counts down (RFC 9110, section 7.6.2).
bool append_max_forwards(const field& f, method verb, std::string& out) {
    if (f.id != field_id::max_forwards || (verb != method::trace && verb != method::options)) return false;
    const auto value = parse_digits(f.value);
    if (!value || *value == 0) return false;
    out.append(f.name).append(": ");
    append_number(*value - 1, out);
    out += "\r\n";
    return true;
}

void append_framing(const body_framing& framing, std::string& out) {
    if (framing.kind == body_kind::chunked) {
        append_line("Transfer-Encoding", "chunked", out);
    } else if (framing.kind == body_kind::length) {
        out += "Content-Length: ";
        append_number(framing.length, out);
        out += "\r\n";
    }
}

} // namespace

/// How many field names of one Connection count; each field of the head is compared with all of them.
static constexpr std::size_t max_names = 64;

connection_options::connection_options(const field_list& fields) {
    if (!fields.has(field_id::connection)) return;
    for (const field& f : fields) {
        if (f.id != field_id::connection) continue;
        std::string_view option;
        for (list_cursor c(f.value); c.next(option);) {
            if (iequals(option, "close"))
                close_ = true;
            else if (iequals(option, "keep-alive"))
                keep_alive_ = true;
            else if (iequals(option, "upgrade"))
                upgrade_ = true;
            else if (names_.size() < max_names && classify(option) == field_id::other &&
                     claim_of(option) == claim::none)
                names_.push_back(option);
        }
    }
}

bool connection_options::drops(const field& f) const noexcept {
    if (f.id != field_id::other) return is_hop_by_hop(f.id);
    return std::any_of(names_.begin(), names_.end(),
                       [&f](std::string_view name) { return iequals(name, f.name); });
}

bool ends_here(const request_head& head) noexcept {
    return head.verb == method::options && head.fields.has(field_id::max_forwards) &&
           std::any_of(head.fields.begin(), head.fields.end(), [](const field& f) {
               return f.id == field_id::max_forwards && parse_digits(f.value) == std::uint64_t{0};
           });
}

void write_upstream_head(const request_head& head, const request_uri& uri, const body_framing& framing,
                         const client_facts& client, bool upgrade, const upstream_conditions& conditions,
                         std::string& out) {
    const connection_options connection(head.fields);
    out.append(head.method_text).append(" ").append(uri.path_query).append(" HTTP/1.1\r\n");
    append_line("Host", uri.host, out);
    // HTTP/1.0 does not know 100, and where no content follows there is nothing to wait for
    // (RFC 9110, section 10.1.1).
    const bool may_expect = head.minor >= 1 && (framing.kind == body_kind::chunked || framing.length != 0);
    for (const field& f : head.fields) {
        if (connection.drops(f)) continue;
        const passage p = judge_request_field(f);
        if (p == passage::drop || (p == passage::claim && !client.trust_forwarded)) continue;
        if (f.id == field_id::expect && !may_expect) continue;
        if (p == passage::condition && conditions.drop_conditionals) continue;
        // The lists among the claims are continued below.
        if (f.id == field_id::x_forwarded_for || f.id == field_id::forwarded) continue;
        if (!append_max_forwards(f, head.verb, out)) append_line(f.name, f.value, out);
    }
    if (!conditions.if_none_match.empty()) append_line("If-None-Match", conditions.if_none_match, out);
    if (!conditions.if_modified_since.empty())
        append_line("If-Modified-Since", conditions.if_modified_since, out);
    append_client_facts(head.fields, client, uri.host, out);
    append_via(head.minor, out);
    append_framing(framing, out);
    if (framing.kind == body_kind::chunked) append_trailer_field(head.fields, out);
    if (conditions.ask_trailers) out += "TE: trailers\r\nConnection: TE\r\n";
    if (upgrade) {
        out += "Connection: upgrade\r\nUpgrade: ";
        append_offered_protocols(head.fields, out);
        out += "\r\n";
    }
    out += "\r\n";
}

void write_upstream_head(const request_head& head, const request_uri& uri, const body_framing& framing,
                         const client_facts& client, bool upgrade, std::string& out) {
    write_upstream_head(head, uri, framing, client, upgrade, upstream_conditions{}, out);
}

void write_client_head(const response_head& head, std::string_view now_date, bool without_age,
                       std::string& out) {
    const connection_options connection(head.fields);
    out += "HTTP/1.1 ";
    append_number(static_cast<std::uint64_t>(head.status), out);
    out += ' ';
    out += head.reason.empty() ? reason_phrase(head.status) : head.reason;
    out += "\r\n";
    for (const field& f : head.fields) {
        if (connection.drops(f) || f.id == field_id::content_length) continue;
        if (without_age && f.id == field_id::age) continue;
        append_line(f.name, f.value, out);
    }
    if (!head.fields.has(field_id::date)) append_line("Date", now_date, out);
    append_via(head.minor, out);
}

std::string_view reason_phrase(int status) noexcept {
    switch (status) {
    case 100:
        return "Continue";
    case 101:
        return "Switching Protocols";
    case 102:
        return "Processing";
    case 103:
        return "Early Hints";
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 203:
        return "Non-Authoritative Information";
    case 204:
        return "No Content";
    case 205:
        return "Reset Content";
    case 206:
        return "Partial Content";
    case 207:
        return "Multi-Status";
    case 208:
        return "Already Reported";
    case 226:
        return "IM Used";
    case 300:
        return "Multiple Choices";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 303:
        return "See Other";
    case 304:
        return "Not Modified";
    case 305:
        return "Use Proxy";
    case 307:
        return "Temporary Redirect";
    case 308:
        return "Permanent Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 402:
        return "Payment Required";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 407:
        return "Proxy Authentication Required";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 411:
        return "Length Required";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 423:
        return "Locked";
    case 424:
        return "Failed Dependency";
    case 425:
        return "Too Early";
    case 426:
        return "Upgrade Required";
    case 428:
        return "Precondition Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 451:
        return "Unavailable For Legal Reasons";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    case 506:
        return "Variant Also Negotiates";
    case 507:
        return "Insufficient Storage";
    case 508:
        return "Loop Detected";
    case 511:
        return "Network Authentication Required";
    default:
        return {};
    }
}

} // namespace meshcache::http
