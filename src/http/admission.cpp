#include <meshcache/http/admission.hpp>
#include <meshcache/http/chunked.hpp>
#include <meshcache/http/grammar.hpp>

namespace meshcache::http {
namespace {

bool gives_away(const request_head& head) noexcept {
    return head.verb == method::trace || head.method_text == "TRACK";
}

bool expects_what_we_know(const field_list& fields) noexcept {
    return !fields.has(field_id::expect) ||
           (fields.count(field_id::expect) == 1 && iequals(fields.value(field_id::expect), "100-continue"));
}

} // namespace

refusal examine_request(const request_head& head, std::string_view behind, std::string& host_buffer,
                        request_uri& uri, body_framing& framing) {
    if (const auto e = check_host(head); e != framing_error::none) return {400, describe(e)};
    if (const auto e = request_framing(head, framing); e != framing_error::none) return {400, describe(e)};
    if (const auto e = split_uri(head, host_buffer, uri); e != uri_error::none)
        return {e == uri_error::connect ? 501 : 400, describe(e)};
    if (gives_away(head)) return {501, "TRACE is not supported"};
    if (!expects_what_we_know(head.fields)) return {417, "unknown expectation"};
    // What can be seen to be malformed now need not be begun.
    if (framing.kind == body_kind::chunked && is_malformed_chunked(behind))
        return {400, "malformed chunked coding"};
    return {};
}

} // namespace meshcache::http
