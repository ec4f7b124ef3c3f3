// The first line is a Vary; the others are field lines of a request. Names are a fixed point of parse_vary, and
// the secondary key has a part and a value for each of them, and for each field that looks like one.
#include "fuzz.hpp"

#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/head.hpp>

#include <algorithm>
#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

namespace {

/// Reads a part, or "-" for an absent value, from the front of `key`; false when there is none.
bool take_part(std::string_view& key) {
    if (!key.empty() && key.front() == '-') {
        key.remove_prefix(1);
        return true;
    }
    std::size_t size = 0, digits = 0;
    while (digits < key.size() && key[digits] >= '0' && key[digits] <= '9')
        size = size * 10 + static_cast<std::size_t>(key[digits++] - '0');
    if (digits == 0 || digits == key.size() || key[digits] != ':' || key.size() - digits - 1 < size)
        return false;
    key.remove_prefix(digits + 1 + size);
    return true;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text(data, size);
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    field_list response, request;
    response.add("Vary", bytes.substr(0, end));
    std::size_t used = 0;
    const std::string lines(bytes.substr(std::min(end + 1, size)));
    if (parse_field_lines(lines, head_limits{}, request, used).state != parse_state::complete)
        request.clear();

    std::string names;
    if (!parse_vary(response, names)) return 0;
    field_list again;
    again.add("Vary", names);
    std::string names_again;
    must(parse_vary(again, names_again) && names_again == names, "the names are in their last form");

    const std::string primary = "4:http1:a3:GET1:/";
    std::string key = primary;
    append_variant(names, request, key);
    must(is_variant_key(key) == !names.empty(), "a variant is told from its primary key");
    must(same_primary(key, primary), "and belongs to it");
    if (names.empty()) return 0;
    std::string_view rest = std::string_view(key).substr(primary.size());
    must(rest.front() == ';', "the marker is between them");
    rest.remove_prefix(1);
    // Name and value, or name and absence; look-alikes of a name follow it in the same form.
    const auto least = 2 * (1 + static_cast<std::size_t>(std::count(names.begin(), names.end(), ',')));
    std::size_t parts = 0;
    for (; !rest.empty(); ++parts)
        must(take_part(rest), "the key is made of parts, and nothing follows them");
    must(parts >= least && parts % 2 == 0, "every name has its value");
    return 0;
}
