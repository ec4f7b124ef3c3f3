#include "authority.hpp"

#include <meshcache/http/framing.hpp>
#include <meshcache/http/grammar.hpp>

#include <limits>

namespace meshcache::http {
namespace {

/// One Content-Length: digits without leading zeros, within what a signed 64-bit number holds.
framing_error read_content_length(const field_list& fields, std::uint64_t& out) noexcept {
    if (fields.count(field_id::content_length) > 1) return framing_error::repeated_content_length;
    const std::string_view text = fields.value(field_id::content_length);
    // Some parsers read a leading zero as octal.
    if (text.size() > 1 && text.front() == '0') return framing_error::bad_content_length;
    const auto value = parse_digits(text);
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!value || *value > most) return framing_error::bad_content_length;
    out = *value;
    return framing_error::none;
}

/// What requests and responses have in common. `out.kind` stays `none` where no field says anything.
framing_error read_framing_fields(const field_list& fields, int minor, body_framing& out) noexcept {
    if (fields.has(field_id::transfer_encoding)) {
        if (fields.has(field_id::content_length)) return framing_error::length_and_transfer_encoding;
        if (minor == 0) return framing_error::transfer_encoding_in_http10;
        if (fields.count(field_id::transfer_encoding) > 1 ||
            !iequals(fields.value(field_id::transfer_encoding), "chunked"))
            return framing_error::transfer_encoding_not_chunked;
        out.kind = body_kind::chunked;
    } else if (fields.has(field_id::content_length)) {
        const framing_error e = read_content_length(fields, out.length);
        if (e != framing_error::none) return e;
        out.kind = body_kind::length;
    }
    return framing_error::none;
}

/// Whether any Transfer-Encoding line has `chunked` in it, whatever is around it.
bool mentions_chunked(const field_list& fields) noexcept {
    constexpr std::string_view word = "chunked";
    for (const field& f : fields) {
        if (f.id != field_id::transfer_encoding) continue;
        for (std::size_t at = 0; at + word.size() <= f.value.size(); ++at)
            if (iequals(f.value.substr(at, word.size()), word)) return true;
    }
    return false;
}

/// `Content_Length` and `Transfer_Encoding`: gateways that put fields into environment variables cannot tell
/// them from the real ones.
framing_error find_look_alikes(const field_list& fields) noexcept {
    for (const field& f : fields) {
        if (f.id != field_id::other) continue;
        if (f.name.size() == 14 && iequals(f.name, "content_length"))
            return framing_error::bad_content_length;
        if (f.name.size() == 17 && iequals(f.name, "transfer_encoding"))
            return framing_error::transfer_encoding_not_chunked;
    }
    return framing_error::none;
}

} // namespace

std::string_view describe(framing_error e) noexcept {
    switch (e) {
    case framing_error::none:
        return "none";
    case framing_error::length_and_transfer_encoding:
        return "both Content-Length and Transfer-Encoding";
    case framing_error::transfer_encoding_not_chunked:
        return "Transfer-Encoding is not a single chunked";
    case framing_error::transfer_encoding_in_http10:
        return "Transfer-Encoding in HTTP/1.0";
    case framing_error::bad_content_length:
        return "malformed Content-Length";
    case framing_error::repeated_content_length:
        return "repeated Content-Length";
    case framing_error::content_in_interim:
        return "interim response with content";
    case framing_error::content_in_204:
        return "204 with content";
    case framing_error::host_missing:
        return "Host is missing";
    case framing_error::host_repeated:
        return "repeated Host";
    case framing_error::host_malformed:
        return "malformed Host";
    }
    return "unknown";
}

framing_error request_framing(const request_head& head, body_framing& out) noexcept {
    body_framing framing;
    if (head.fields.has(field_id::other)) {
        const framing_error e = find_look_alikes(head.fields);
        if (e != framing_error::none) return e;
    }
    const framing_error e = read_framing_fields(head.fields, head.minor, framing);
    if (e == framing_error::none) out = framing;
    return e;
}

framing_error response_framing(const response_head& head, method request_method, body_framing& out,
                               unknown_coding policy) noexcept {
    body_framing framing;
    const framing_error e = read_framing_fields(head.fields, head.minor, framing);
    const bool as_it_comes = e == framing_error::transfer_encoding_not_chunked &&
                             policy == unknown_coding::until_close && !mentions_chunked(head.fields);
    if (e != framing_error::none && !as_it_comes) return e;
    const int status = head.status;
    const bool announces = framing.kind == body_kind::chunked || as_it_comes || framing.length != 0;
    if (announces && status / 100 == 1) return framing_error::content_in_interim;
    if (announces && status == 204) return framing_error::content_in_204;
    if (request_method == method::head || status / 100 == 1 || status == 204 || status == 304)
        framing = {};
    else if (framing.kind == body_kind::none)
        framing.kind = body_kind::until_close;
    out = framing;
    return framing_error::none;
}

bool was_asked_for(int status, const field_list& request_fields) noexcept {
    if (status == 206) return request_fields.has(field_id::range);
    if (status != 304) return true;
    return request_fields.has(field_id::if_none_match) || request_fields.has(field_id::if_modified_since);
}

bool keeps_alive(int minor, const field_list& fields) noexcept {
    if (!fields.has(field_id::connection)) return minor >= 1;
    bool close = false, keep = minor >= 1;
    for (const field& f : fields) {
        if (f.id != field_id::connection) continue;
        close = close || list_has(f.value, "close");
        keep = keep || list_has(f.value, "keep-alive");
    }
    return keep && !close;
}

framing_error check_host(const request_head& head) noexcept {
    const field* host = nullptr;
    if (head.fields.has(field_id::host)) {
        for (const field& f : head.fields) {
            if (f.id != field_id::host) continue;
            if (host != nullptr) return framing_error::host_repeated;
            host = &f;
        }
    }
    if (host == nullptr) return head.minor == 0 ? framing_error::none : framing_error::host_missing;
    return is_authority(host->value) ? framing_error::none : framing_error::host_malformed;
}

} // namespace meshcache::http
