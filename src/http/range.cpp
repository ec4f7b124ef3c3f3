#include "characters.hpp"
#include "lines.hpp"

#include <meshcache/http/grammar.hpp>
#include <meshcache/http/range.hpp>
#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/validation.hpp>

#include <algorithm>
#include <limits>
#include <optional>

namespace meshcache::http {
namespace {

namespace ch = characters;

using kind = requested_ranges::kind;

/// A span with the place of its spec in the request.
struct placed_span {
    byte_span span;
    std::size_t place = 0;
};

/// The specs of one request that can be satisfied.
struct spec_list {
    std::array<placed_span, most_range_specs> items;
    std::size_t count = 0;

    auto begin() noexcept { return items.begin(); }
    auto end() noexcept { return items.begin() + static_cast<std::ptrdiff_t>(count); }
};

/// 1*DIGIT; a number that does not fit counts as the largest, which lies behind any content.
std::optional<std::uint64_t> parse_position(std::string_view s) noexcept {
    if (s.empty() || !std::all_of(s.begin(), s.end(), [](char c) { return ch::is(c, ch::digit); }))
        return std::nullopt;
    return parse_digits(s).value_or(std::numeric_limits<std::uint64_t>::max());
}

enum class spec : std::uint8_t { malformed, satisfiable, unsatisfiable };

/// int-range or suffix-range (RFC 9110, section 14.1.1).
spec parse_spec(std::string_view s, std::uint64_t complete_length, byte_span& out) noexcept {
    const std::size_t dash = s.find('-');
    if (dash == std::string_view::npos) return spec::malformed;
    const std::string_view after = s.substr(dash + 1);
    if (dash == 0) {
        const auto length = parse_position(after);
        if (!length) return spec::malformed;
        if (*length == 0) return spec::unsatisfiable;
        out = {complete_length - std::min(*length, complete_length), complete_length};
        return spec::satisfiable;
    }
    const auto first = parse_position(s.substr(0, dash));
    if (!first) return spec::malformed;
    std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
    if (!after.empty()) {
        const auto position = parse_position(after);
        if (!position || *position < *first) return spec::malformed;
        last = *position;
    }
    if (*first >= complete_length) return spec::unsatisfiable;
    out = {*first, last < complete_length ? last + 1 : complete_length};
    return spec::satisfiable;
}

/// Whether the specs ask for more than a well-meaning client would (RFC 9110, section 17.15).
bool is_abusive(spec_list& specs, std::uint64_t complete_length, const range_limits& limits) noexcept {
    std::uint64_t left = complete_length;
    std::size_t overlapping = 0;
    for (const placed_span& a : specs) {
        if (a.span.size() > left) return true;
        left -= a.span.size();
        const bool overlaps = std::any_of(specs.begin(), specs.end(), [&a](const placed_span& b) {
            return a.place != b.place && a.span.begin < b.span.end && b.span.begin < a.span.end;
        });
        if (overlaps && ++overlapping > limits.max_overlapping) return true;
    }
    return false;
}

/// Joins what touches, overlaps or lies close together, and puts the rest back into the request's order.
void join(spec_list& specs, std::uint64_t gap) noexcept {
    std::sort(specs.begin(), specs.end(), [](const placed_span& a, const placed_span& b) {
        return a.span.begin != b.span.begin ? a.span.begin < b.span.begin : a.place < b.place;
    });
    std::size_t kept = 0;
    for (std::size_t i = 1; i < specs.count; ++i) {
        placed_span& last = specs.items[kept];
        const placed_span& next = specs.items[i];
        if (next.span.begin <= last.span.end || next.span.begin - last.span.end < gap) {
            last.span.end = std::max(last.span.end, next.span.end);
            last.place = std::min(last.place, next.place);
        } else {
            specs.items[++kept] = next;
        }
    }
    specs.count = std::min(specs.count, kept + 1);
    std::sort(specs.begin(), specs.end(),
              [](const placed_span& a, const placed_span& b) { return a.place < b.place; });
}

/// The stored fields that a 206 has too.
void append_stored_fields(const response_head& stored, bool multipart, std::string& out) {
    out += "HTTP/1.1 206 Partial Content\r\n";
    for (const field& f : stored.fields) {
        if (describes_message_content(f) || (multipart && f.id == field_id::content_type)) continue;
        if (f.id == field_id::accept_ranges && list_has(f.value, "none")) continue;
        append_line(f.name, f.value, out);
    }
}

void append_content_length(std::uint64_t length, std::string& out) {
    out += "Content-Length: ";
    append_number(length, out);
    out += "\r\n";
}

} // namespace

requested_ranges parse_range(std::string_view value, std::uint64_t complete_length,
                             const range_limits& limits) noexcept {
    const requested_ranges ignored(kind::whole);
    const std::size_t equals = value.find('=');
    if (equals == std::string_view::npos || !iequals(value.substr(0, equals), "bytes")) return ignored;
    const std::string_view set = value.substr(equals + 1);
    if (set.empty() || ch::is(set.front(), ch::blank)) return ignored;

    const std::size_t max_specs = std::min(limits.max_specs, most_range_specs);
    spec_list specs;
    std::size_t seen = 0;
    std::string_view member;
    for (list_cursor c(set); c.next(member);) {
        if (seen == max_specs) return ignored;
        placed_span& next = specs.items[specs.count];
        const spec s = parse_spec(member, complete_length, next.span);
        if (s == spec::malformed) return ignored;
        next.place = seen++;
        // Of empty content a suffix is all, and no Content-Range can say so.
        if (s == spec::satisfiable && next.span.size() == 0) return ignored;
        if (s == spec::satisfiable) ++specs.count;
    }
    if (seen == 0) return ignored;
    if (specs.count == 0) return requested_ranges(kind::unsatisfiable);
    if (is_abusive(specs, complete_length, limits)) return ignored;
    join(specs, limits.join_gap);
    if (specs.count > std::min(limits.max_spans, most_spans)) return ignored;

    requested_ranges out(kind::partial);
    for (const placed_span& p : specs) out.spans_[out.count_++] = p.span;
    return out;
}

bool if_range_holds(const field_list& request_fields, const field_list& stored_fields,
                    wall_time now) noexcept {
    if (!request_fields.has(field_id::if_range)) return true;
    if (request_fields.count(field_id::if_range) != 1) return false;
    const std::string_view value = request_fields.value(field_id::if_range);
    const validators stored = read_validators(stored_fields, now);
    if (const auto tag = parse_entity_tag(value)) return stored.etag && strong_match(*tag, *stored.etag);
    const auto date = parse_date(value, now);
    return date && stored.strong_last_modified() && *date == *stored.last_modified;
}

requested_ranges select_ranges(const field_list& request_fields, method verb, const response_head& stored,
                               std::uint64_t complete_length, wall_time now,
                               const range_limits& limits) noexcept {
    if (request_fields.count(field_id::range) != 1 || verb != method::get || stored.status != 200) return {};
    if (!if_range_holds(request_fields, stored.fields, now)) return {};
    return parse_range(request_fields.value(field_id::range), complete_length, limits);
}

std::optional<content_range> parse_content_range(const field_list& response_fields) noexcept {
    if (response_fields.count(field_id::content_range) != 1) return std::nullopt;
    std::string_view rest = response_fields.value(field_id::content_range);
    constexpr std::string_view unit = "bytes ";
    if (rest.size() < unit.size() || !iequals(rest.substr(0, unit.size()), unit)) return std::nullopt;
    rest.remove_prefix(unit.size());
    const std::size_t dash = rest.find('-');
    const std::size_t slash = rest.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash)
        return std::nullopt;
    const auto first = parse_digits(rest.substr(0, dash));
    const auto last = parse_digits(rest.substr(dash + 1, slash - dash - 1));
    const auto length = parse_digits(rest.substr(slash + 1));
    if (!first || !last || !length || *last < *first || *last >= *length) return std::nullopt;
    return content_range{{*first, *last + 1}, *length};
}

void write_content_range(const byte_span& span, std::uint64_t complete_length, std::string& out) {
    out += "bytes ";
    append_number(span.begin, out);
    out += '-';
    append_number(span.end - 1, out);
    out += '/';
    append_number(complete_length, out);
}

void write_partial_head(const response_head& stored, const byte_span& span, std::uint64_t complete_length,
                        std::string& out) {
    append_stored_fields(stored, false, out);
    out += "Content-Range: ";
    write_content_range(span, complete_length, out);
    out += "\r\n";
    append_content_length(span.size(), out);
}

void write_unsatisfiable_head(std::uint64_t complete_length, std::string_view now_date, std::string& out) {
    out += "HTTP/1.1 416 Range Not Satisfiable\r\n";
    append_line("Date", now_date, out);
    out += "Content-Range: bytes */";
    append_number(complete_length, out);
    out += "\r\nVia: 1.1 ";
    out += pseudonym;
    out += "\r\n";
    append_content_length(0, out);
}

std::string make_boundary(std::uint64_t high, std::uint64_t low) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const std::uint64_t half : {high, low})
        for (unsigned shift = 64; shift != 0; shift -= 4) out += digits[(half >> (shift - 4)) & 0xfU];
    return out;
}

multipart_ranges::multipart_ranges(const response_head& stored, std::span<const byte_span> spans,
                                   std::uint64_t complete_length, std::string_view boundary)
    : boundary_(boundary) {
    const field* const type = stored.fields.find(field_id::content_type);
    ends_.reserve(spans.size());
    for (const byte_span& span : spans) {
        text_.append(ends_.empty() ? "--" : "\r\n--").append(boundary_).append("\r\n");
        if (type != nullptr) append_line(type->name, type->value, text_);
        text_ += "Content-Range: ";
        write_content_range(span, complete_length, text_);
        text_ += "\r\n\r\n";
        ends_.push_back(text_.size());
        content_length_ += span.size();
    }
    text_.append("\r\n--").append(boundary_).append("--\r\n");
    content_length_ += text_.size();
}

std::string_view multipart_ranges::part_head(std::size_t i) const noexcept {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(text_).substr(begin, ends_[i] - begin);
}

std::string_view multipart_ranges::closing() const noexcept {
    return std::string_view(text_).substr(ends_.empty() ? 0 : ends_.back());
}

void multipart_ranges::write_head(const response_head& stored, std::string& out) const {
    append_stored_fields(stored, true, out);
    out.append("Content-Type: multipart/byteranges; boundary=").append(boundary_).append("\r\n");
    append_content_length(content_length_, out);
}

} // namespace meshcache::http
