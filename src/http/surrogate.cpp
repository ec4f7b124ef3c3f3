#include <meshcache/http/grammar.hpp>
#include <meshcache/http/surrogate.hpp>

#include <algorithm>

namespace meshcache::http {
namespace {

/// Takes the next tag from the front of a field's value; false at its end.
bool take_tag(std::string_view& value, bool by_comma, std::string_view& tag) noexcept {
    const std::string_view separators = by_comma ? "," : " \t";
    while (!value.empty()) {
        const std::size_t end = std::min(value.find_first_of(separators), value.size());
        tag = trim(value.substr(0, end));
        value.remove_prefix(std::min(end + 1, value.size()));
        if (!tag.empty()) return true;
    }
    return false;
}

} // namespace

bool tag_cursor::next(std::string_view& tag) noexcept {
    for (;;) {
        if (take_tag(value_, by_comma_, tag)) return true;
        if (!next_field()) return false;
    }
}

bool tag_cursor::next_field() noexcept {
    while (!lines_.empty()) {
        const std::size_t end = std::min(lines_.find("\r\n"), lines_.size());
        const std::string_view line = lines_.substr(0, end);
        lines_.remove_prefix(std::min(end + 2, lines_.size()));
        constexpr std::string_view surrogate_key = "surrogate-key:", cache_tag = "cache-tag:";
        if (line.empty()) continue;
        const char first = to_lower(line.front());
        if (first == 's' && iequals(line.substr(0, surrogate_key.size()), surrogate_key)) {
            value_ = line.substr(surrogate_key.size());
            by_comma_ = false;
            return true;
        }
        if (first == 'c' && iequals(line.substr(0, cache_tag.size()), cache_tag)) {
            value_ = line.substr(cache_tag.size());
            by_comma_ = true;
            return true;
        }
    }
    return false;
}

bool tags_within_bounds(const field_list& fields) noexcept {
    std::size_t count = 0;
    if (!fields.has(field_id::surrogate_key) && !fields.has(field_id::cache_tag)) return true;
    for (const field& f : fields) {
        if (f.id != field_id::surrogate_key && f.id != field_id::cache_tag) continue;
        std::string_view value = f.value, tag;
        while (take_tag(value, f.id == field_id::cache_tag, tag))
            if (++count > max_tags || tag.size() > max_tag_size) return false;
    }
    return true;
}

} // namespace meshcache::http
