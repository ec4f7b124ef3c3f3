#pragma once
// A stored response as the bytes of a record in Redis, and back. The layout is in docs/record-format.md.
// Pure; any thread.
#include <meshcache/base/error.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/store/stored_response.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::replica {

/// The codec version that is written, and the only one that is read. A replica that meets another one takes
/// the record for a miss, so that versions may run side by side during a rolling upgrade.
inline constexpr std::uint8_t codec_version = 1;

/// Bytes of a record before its key.
inline constexpr std::size_t record_header_size = 88;

/// The record of `response`.
std::string encode(const store::stored_response& response);

/// The response in `record`. `key` is the key that was asked for, with its hash in the local store; the
/// record's own key must be the same. Never reads outside `record`, whatever is in it. Errors:
/// record_truncated, record_checksum, record_codec (unknown version, or a value that no encoder writes),
/// record_key_mismatch.
result<store::response_ptr> decode(std::string_view record, http::key_view key);

/// The version at the start of a record, or nullopt if there is none.
std::optional<store::version> record_version(std::string_view record) noexcept;

/// The key in a record, or nullopt if there is none whole. Nothing is checked: decode() does that.
std::optional<std::string_view> record_key(std::string_view record) noexcept;

} // namespace meshcache::replica
