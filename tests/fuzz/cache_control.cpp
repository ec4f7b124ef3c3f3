// Cache-Control says the same on one line and on two, and a restriction is never lost by what stands beside
// it.
#include "fuzz.hpp"

#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/fields.hpp>

#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view value = fuzz::text(data, size);
    field_list fields;
    fields.add("Cache-Control", value);
    read_request_directives(fields);
    const response_directives alone = read_response_directives(fields);
    must(alone.present && !alone.targeted, "the field is there");
    for (const auto& lifetime :
         {alone.max_age, alone.s_maxage, alone.stale_while_revalidate, alone.stale_if_error})
        must(!lifetime || (*lifetime >= seconds{0} && *lifetime <= seconds{std::int64_t{1} << 31}),
             "lifetimes are within their bounds");
    for (const std::string_view name : alone.private_fields)
        must(fuzz::within(name, value), "names are views into the value");

    fields.add("Cache-Control", "private, max-age=5");
    const response_directives both = read_response_directives(fields);
    must(both.is_private, "the second line counts");
    must(both.max_age && *both.max_age <= seconds{5}, "two lifetimes are not added up");
    must(both.no_store == alone.no_store && both.no_cache == alone.no_cache, "the first line still counts");

    // The longer value holds the same directives, unless its end was inside a quoted string.
    const std::string joined = std::string(value) + ", no-store";
    field_list one;
    one.add("Cache-Control", joined);
    must(read_response_directives(one).no_store, "no-store counts at the end of any value");

    field_list targeted;
    targeted.add("Meshcache-Cache-Control", value);
    targeted.add("Cache-Control", "no-store");
    const response_directives t = read_response_directives(targeted);
    must(t.targeted || t.no_store, "either the targeted field counts or Cache-Control does");
    return 0;
}
