#pragma once
// Tags by which an operator purges groups of responses: the members of the response fields Surrogate-Key
// (separated by blanks) and Cache-Tag (separated by commas). A tag is bytes, case-sensitive. The tags that
// the operator gives to a response become members of its Cache-Tag, and so go wherever its head goes: into
// Redis, to other replicas, and to clients. Pure.
#include <meshcache/http/fields.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace meshcache::http {

/// Bytes of a tag at the most, and tags of a response: one that has longer ones or more is not stored.
inline constexpr std::size_t max_tag_size = 1024;
inline constexpr std::size_t max_tags = 256;

/// Walks the tags of a stored head (status line and field lines, each ended by CRLF). Usage:
/// `for (tag_cursor c(head); c.next(tag);)`. Views into the head. Finds every tag, however long or many.
class tag_cursor {
  public:
    explicit tag_cursor(std::string_view head) noexcept : lines_(head) {}
    bool next(std::string_view& tag) noexcept;

  private:
    bool next_field() noexcept;

    std::string_view lines_; ///< not looked at yet
    std::string_view value_; ///< what is left of a field's value
    bool by_comma_ = false;
};

/// Whether an operator can name a tag so, in a purge or as one to be added: no blanks, commas or control
/// characters, and 1 to max_tag_size bytes.
bool is_tag(std::string_view s) noexcept;

/// Whether a response with these fields, and those of the tags `added` that it does not have, keeps within
/// max_tags and max_tag_size.
bool tags_within_bounds(const field_list& fields, std::span<const std::string> added = {}) noexcept;

/// Appends to a stored head (see tag_cursor) one Cache-Tag of those of the tags `added` that it does not
/// have; nothing if it has them all. Each of them is_tag().
void add_tags(std::span<const std::string> added, std::string& head);

} // namespace meshcache::http
