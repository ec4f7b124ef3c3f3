#pragma once
// Field lines as views into the buffer that they were read into, in their order, with the names that
// the proxy acts upon recognised once, while parsing.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace meshcache::http {

/// The field names that meshcache acts upon. Everything else is `other` and only passes through.
enum class field_id : std::uint8_t {
    other,
    accept,
    accept_encoding,
    accept_language,
    accept_ranges,
    age,
    allow,
    authorization,
    cache_control,
    cache_status,
    cdn_cache_control,
    connection,
    content_encoding,
    content_length,
    content_location,
    content_range,
    content_type,
    cookie,
    date,
    etag,
    expect,
    expires,
    forwarded,
    host,
    if_match,
    if_modified_since,
    if_none_match,
    if_range,
    if_unmodified_since,
    keep_alive,
    last_modified,
    location,
    max_forwards,
    meshcache_cache_control,
    origin,
    pragma,
    proxy_authenticate,
    proxy_authentication_info,
    proxy_authorization,
    proxy_connection,
    range,
    set_cookie,
    surrogate_control,
    surrogate_key,
    cache_tag,
    te,
    trailer,
    transfer_encoding,
    upgrade,
    user_agent,
    vary,
    via,
    warning,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_port,
    x_forwarded_prefix,
    x_forwarded_proto,
    x_http_method,
    x_http_method_override,
    x_method_override,
    x_original_url,
    x_rewrite_url,
    count_ ///< how many there are; not a field
};

/// Recognises a field name, whatever its case. Never fails: an unknown name is `field_id::other`.
field_id classify(std::string_view name) noexcept;

/// The name in its usual spelling, e.g. "Cache-Control". Empty for `other`.
std::string_view canonical_name(field_id id) noexcept;

/// One field line. The views point into the buffer that was parsed; the value has no surrounding
/// whitespace (RFC 9110, section 5.5).
struct field {
    std::string_view name;
    std::string_view value;
    field_id id = field_id::other;
};

/// Field lines in the order in which they were received. Keeps its capacity over clear(), so that a
/// connection's later messages allocate nothing. Not thread-safe.
class field_list {
  public:
    void clear() noexcept {
        items_.clear();
        present_ = 0;
    }
    void add(field f) {
        items_.push_back(f);
        present_ |= bit(f.id);
    }
    void add(std::string_view name, std::string_view value) { add({name, value, classify(name)}); }

    /// Whether at least one line of that name is there. Constant time.
    bool has(field_id id) const noexcept { return (present_ & bit(id)) != 0; }
    /// The first line of that name, or null.
    const field* find(field_id id) const noexcept;
    /// The first line's value, or an empty view.
    std::string_view value(field_id id) const noexcept {
        const field* f = find(id);
        return f ? f->value : std::string_view{};
    }
    /// How many lines have that name.
    std::size_t count(field_id id) const noexcept;
    /// The first line whose name is `name`, whatever the case, or null.
    const field* find(std::string_view name) const noexcept;

    auto begin() const noexcept { return items_.begin(); }
    auto end() const noexcept { return items_.end(); }
    std::size_t size() const noexcept { return items_.size(); }
    bool empty() const noexcept { return items_.empty(); }
    const field& operator[](std::size_t i) const noexcept { return items_[i]; }

  private:
    static std::uint64_t bit(field_id id) noexcept { return std::uint64_t{1} << static_cast<unsigned>(id); }
    static_assert(static_cast<unsigned>(field_id::count_) <= 64);

    std::vector<field> items_;
    std::uint64_t present_ = 0;
};

} // namespace meshcache::http
