// A date that parses is written as a date that parses to the same time, and lists and numbers stay in bounds.
#include "fuzz.hpp"

#include <meshcache/http/grammar.hpp>

#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::text(data, size);
    const wall_time now{seconds{1700000000}};
    if (const auto time = parse_date(input, now)) {
        const std::string written = format_date(*time);
        must(written.size() == date_size, "a date has its size");
        must(parse_date(written, now) == time, "what is written reads as the same time");
    }
    std::string_view member;
    std::size_t total = 0;
    for (list_cursor c(input); c.next(member);) {
        must(!member.empty() && fuzz::within(member, input), "members are within the list");
        must(trim(member) == member, "members are trimmed");
        total += member.size();
    }
    must(total <= size, "members do not overlap");
    if (const auto age = parse_delta_seconds(input))
        must(*age >= seconds{0}, "delta-seconds are not negative");
    return 0;
}
