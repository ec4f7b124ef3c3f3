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

/// Whether `f` holds for every tag in these fields; it is called up to the first for which it does not.
template <class F>
bool all_tags(const field_list& fields, F f) {
    for (const field& line : fields) {
        if (line.id != field_id::surrogate_key && line.id != field_id::cache_tag) continue;
        std::string_view value = line.value, tag;
        while (take_tag(value, line.id == field_id::cache_tag, tag))
            if (!f(tag)) return false;
    }
    return true;
}

bool bears(std::string_view head, std::string_view wanted) noexcept {
    std::string_view tag;
    for (tag_cursor c(head); c.next(tag);)
        if (tag == wanted) return true;
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

bool is_tag(std::string_view s) noexcept {
    return !s.empty() && s.size() <= max_tag_size && std::all_of(s.begin(), s.end(), [](char c) {
        return static_cast<unsigned char>(c) > ' ' && c != 0x7f && c != ',';
    });
}

bool tags_within_bounds(const field_list& fields, std::span<const std::string> added) noexcept {
    if (added.empty() && !fields.has(field_id::surrogate_key) && !fields.has(field_id::cache_tag))
        return true;
    std::size_t count = 0;
    const bool own = all_tags(
        fields, [&count](std::string_view tag) { return ++count <= max_tags && tag.size() <= max_tag_size; });
    if (!own) return false;
    for (const std::string& tag : added)
        if (all_tags(fields, [&tag](std::string_view t) { return t != tag; })) ++count;
    return count <= max_tags;
}

void add_tags(std::span<const std::string> added, std::string& head) {
    const std::size_t size = head.size();
    for (const std::string& tag : added) {
        // What is appended here counts, too: a tag that is named twice is added once.
        if (bears(head, tag)) continue;
        head += head.size() == size ? "Cache-Tag: " : ", ";
        head += tag;
    }
    if (head.size() != size) head += "\r\n";
}

} // namespace meshcache::http
