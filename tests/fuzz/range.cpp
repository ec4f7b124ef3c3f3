// Whatever Range says, the spans lie within the content, do not overlap, and ask for no more bytes than there
// are; and what is announced for them is what is sent.
#include "fuzz.hpp"

#include <meshcache/http/range.hpp>
#include <meshcache/http/validation.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

namespace {

void check(std::string_view value, std::uint64_t length) {
    const requested_ranges ranges = parse_range(value, length);
    const auto spans = ranges.spans();
    if (ranges.what() != requested_ranges::kind::partial) {
        must(spans.empty(), "only a partial answer has spans");
        return;
    }
    must(!spans.empty() && spans.size() <= most_spans, "there are as many spans as may be");
    std::vector<byte_span> sorted(spans.begin(), spans.end());
    std::sort(sorted.begin(), sorted.end(), [](auto a, auto b) { return a.begin < b.begin; });
    std::uint64_t end = 0;
    for (const byte_span& s : sorted) {
        must(s.begin < s.end && s.end <= length, "spans lie within the content");
        must(end == 0 || s.begin > end, "spans lie apart");
        end = s.end;
    }

    response_head stored;
    stored.status = 200;
    stored.fields.add("Content-Type", "text/plain");
    const multipart_ranges parts(stored, spans, length, make_boundary(1, 2));
    std::uint64_t total = parts.closing().size();
    for (std::size_t i = 0; i < spans.size(); ++i) total += parts.part_head(i).size() + spans[i].size();
    must(total == parts.content_length(), "the announced length is the length");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::text(data, size);
    for (const std::uint64_t length :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{100000},
          std::uint64_t{std::numeric_limits<std::int64_t>::max()}}) {
        check(input, length);
        check("bytes=" + std::string(input), length);
    }

    // The same bytes as entity tags and conditions.
    const wall_time now{seconds{1700000000}};
    response_head stored;
    stored.status = 200;
    stored.fields.add("ETag", "\"a\"");
    field_list request;
    request.add("If-None-Match", input);
    request.add("If-Range", input);
    const auto outcome = evaluate_preconditions(request, method::get, stored, now, now);
    must(outcome != precondition::forward, "If-None-Match is for caches");
    if (if_range_holds(request, stored.fields, now))
        must(input == "\"a\"", "If-Range holds for the tag alone");
    if (const auto tag = parse_entity_tag(input)) {
        must(fuzz::within(tag->opaque, input), "the tag is within the field");
        must(tag->opaque.find('"') == std::string_view::npos, "a tag has no quotes in it");
        must((outcome == precondition::not_modified) == (tag->opaque == "a"), "one tag matches or does not");
    }
    return 0;
}
