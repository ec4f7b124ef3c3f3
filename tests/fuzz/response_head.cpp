// Whatever response is accepted goes to the client as a head that is accepted again, without framing fields.
#include "fuzz.hpp"

#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/freshness.hpp>
#include <meshcache/http/head.hpp>
#include <meshcache/http/storability.hpp>

#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text(data, size);
    response_head head;
    if (parse_response_head(bytes, head_limits{}, head).state != parse_state::complete) return 0;
    must(head.size <= size, "the head is within the input");
    must(head.status >= 100 && head.status <= 999, "the status has three digits");
    body_framing framing;
    response_framing(head, method::get, framing);

    const wall_time now{seconds{1700000000}};
    const response_directives cc = read_response_directives(head.fields);
    const lifetime life = compute_lifetime(head, cc, now, now, cache_policy{});
    must(life.initial_age >= seconds{0}, "ages are not negative");
    must(life.stale_until >= life.fresh_until && life.error_until >= life.fresh_until,
         "windows are not negative");
    request_head request;
    request.verb = method::get;
    if (may_store(request, {}, head, cc, life, now, cache_policy{}) == store_refusal::none)
        must(!cc.is_private && !head.fields.has(field_id::set_cookie), "nothing private is stored");

    std::string out;
    write_client_head(head, "Thu, 01 Jan 1970 00:00:00 GMT", true, out);
    out += "\r\n";
    response_head again;
    const head_limits roomy{1U << 20U, 1000, 1U << 16U};
    must(parse_response_head(out, roomy, again).state == parse_state::complete, "what is sent parses");
    must(again.size == out.size() && again.status == head.status, "it is the same response");
    for (const field_id id :
         {field_id::content_length, field_id::transfer_encoding, field_id::connection, field_id::age})
        must(!again.fields.has(id), "framing and hop-by-hop fields are gone");
    return 0;
}
