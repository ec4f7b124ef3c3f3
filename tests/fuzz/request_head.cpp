// Whatever head is accepted goes upstream as a head that is accepted again, with the same key and framing.
#include "fuzz.hpp"

#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/head.hpp>

#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text(data, size);
    request_head head;
    if (parse_request_head(bytes, head_limits{}, head).state != parse_state::complete) return 0;
    must(head.size <= size, "the head is within the input");
    must(fuzz::within(head.target, bytes), "the target is within the input");
    for (const field& f : head.fields)
        must(fuzz::within(f.name, bytes) && fuzz::within(f.value, bytes), "fields are within the input");
    must(parse_request_head(bytes.substr(0, head.size - 1), head_limits{}, head).state ==
             parse_state::incomplete,
         "without its last byte the head is incomplete");
    parse_request_head(bytes, head_limits{}, head);

    body_framing framing;
    request_uri uri;
    std::string host;
    if (request_framing(head, framing) != framing_error::none) return 0;
    if (split_uri(head, host, uri) != uri_error::none) return 0;
    read_request_directives(head.fields);

    for (const bool trusted : {false, true}) {
        std::string out, key, key_again, host_again;
        write_upstream_head(head, uri, framing, {"192.0.2.1", "80", trusted}, trusted, out);
        request_head again;
        const head_limits roomy{1U << 20U, 1000, 1U << 16U};
        must(parse_request_head(out, roomy, again).state == parse_state::complete, "what is sent parses");
        must(again.size == out.size(), "nothing follows the head that is sent");
        body_framing framing_again;
        must(request_framing(again, framing_again) == framing_error::none, "its framing is accepted");
        must(framing_again.kind == framing.kind && framing_again.length == framing.length,
             "its framing is the same");
        // An HTTP/1.0 request without Host goes out with an empty one, which nobody but us may send.
        if (uri.host.empty()) continue;
        request_uri uri_again;
        must(split_uri(again, host_again, uri_again) == uri_error::none, "its URI is accepted");
        build_key(uri, head.method_text, key);
        build_key(uri_again, again.method_text, key_again);
        must(key == key_again, "its key is the same");
    }
    return 0;
}
