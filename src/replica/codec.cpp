#include "codec.hpp"

#include <meshcache/http/surrogate.hpp>

#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace meshcache::replica {
namespace {

// Offsets; see docs/record-format.md.
constexpr std::size_t at_codec = 16;
constexpr std::size_t at_kind = 17;
constexpr std::size_t at_status = 18;
constexpr std::size_t at_flags = 20;
constexpr std::size_t at_checksum = 24;
constexpr std::size_t at_times = 32;
constexpr std::size_t at_initial_age = 64;
constexpr std::size_t at_key_size = 72;
constexpr std::size_t at_head_size = 76;
constexpr std::size_t at_content_size = 80;
static_assert(record_header_size == at_content_size + 8);

constexpr std::uint8_t flag_explicit_lifetime = 1;
constexpr std::uint8_t flag_must_revalidate = 2;

/// No time that an encoder writes lies beyond these, and sums of two of them cannot overflow.
constexpr std::int64_t max_time = std::int64_t{1} << 53;

void put_big_endian(std::string& out, std::size_t at, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
        out[at + i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * (bytes - 1 - i))));
}

std::uint64_t get_big_endian(std::string_view in, std::size_t at, std::size_t bytes) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(in[at + i]);
    return value;
}

std::uint64_t checksum_of(std::string_view record) {
    const std::uint64_t seed = XXH3_64bits(record.data(), at_checksum);
    return XXH3_64bits_withSeed(record.data() + at_times, record.size() - at_times, seed);
}

std::uint64_t encode_time(wall_time t) {
    // The encoder keeps what it writes within what the decoder takes.
    const std::int64_t ms = t.time_since_epoch().count();
    return static_cast<std::uint64_t>(ms < 0 ? 0 : ms > max_time ? max_time : ms);
}

/// False if the value is none that encode_time() gives.
bool decode_time(std::string_view record, std::size_t at, wall_time& out) {
    const std::uint64_t ms = get_big_endian(record, at, 8);
    if (ms > static_cast<std::uint64_t>(max_time)) return false;
    out = wall_time{milliseconds{static_cast<std::int64_t>(ms)}};
    return true;
}

} // namespace

std::string encode(const store::stored_response& response) {
    const store::response_meta& meta = response.meta();
    const std::string_view key = response.key(), head = response.head(), content = response.content();

    std::string out;
    out.reserve(record_header_size + key.size() + head.size() + content.size());
    out.resize(record_header_size);
    const auto version = meta.version.bytes();
    out.replace(0, version.size(), version.data(), version.size());
    put_big_endian(out, at_codec, codec_version, 1);
    put_big_endian(out, at_kind, static_cast<std::uint64_t>(meta.kind), 1);
    put_big_endian(out, at_status, meta.status, 2);
    put_big_endian(out, at_flags,
                   (meta.life.explicit_lifetime ? flag_explicit_lifetime : 0u) |
                       (meta.life.must_revalidate ? flag_must_revalidate : 0u),
                   1);
    put_big_endian(out, at_times, encode_time(meta.life.response_time), 8);
    put_big_endian(out, at_times + 8, encode_time(meta.life.fresh_until), 8);
    put_big_endian(out, at_times + 16, encode_time(meta.life.stale_until), 8);
    put_big_endian(out, at_times + 24, encode_time(meta.life.error_until), 8);
    put_big_endian(out, at_initial_age, meta.life.initial_age.count(), 8);
    put_big_endian(out, at_key_size, key.size(), 4);
    put_big_endian(out, at_head_size, head.size(), 4);
    put_big_endian(out, at_content_size, content.size(), 8);
    out += key;
    out += head;
    out += content;
    put_big_endian(out, at_checksum, checksum_of(out), 8);
    return out;
}

result<store::response_ptr> decode(std::string_view record, http::key_view key) {
    if (record.size() < record_header_size) return error_code(errc::record_truncated);
    // The codec version comes before the checksum: another codec may well sum up differently.
    if (get_big_endian(record, at_codec, 1) != codec_version) return error_code(errc::record_codec);

    const std::uint64_t key_size = get_big_endian(record, at_key_size, 4);
    const std::uint64_t head_size = get_big_endian(record, at_head_size, 4);
    const std::uint64_t content_size = get_big_endian(record, at_content_size, 8);
    const std::uint64_t rest = record.size() - record_header_size;
    if (key_size + head_size > rest || content_size > rest - key_size - head_size)
        return error_code(errc::record_truncated);
    if (checksum_of(record) != get_big_endian(record, at_checksum, 8))
        return error_code(errc::record_checksum);
    if (content_size != rest - key_size - head_size) return error_code(errc::record_codec);

    store::response_meta meta;
    meta.version = *store::version::from_bytes(record.substr(0, store::version::size));
    const std::uint64_t kind = get_big_endian(record, at_kind, 1);
    const std::uint64_t flags = get_big_endian(record, at_flags, 1);
    const std::uint64_t age = get_big_endian(record, at_initial_age, 8);
    if (kind > static_cast<std::uint64_t>(store::response_meta::kind_t::vary) ||
        flags > (flag_explicit_lifetime | flag_must_revalidate) || age > http::lifetime::age::max().count() ||
        !decode_time(record, at_times, meta.life.response_time) ||
        !decode_time(record, at_times + 8, meta.life.fresh_until) ||
        !decode_time(record, at_times + 16, meta.life.stale_until) ||
        !decode_time(record, at_times + 24, meta.life.error_until))
        return error_code(errc::record_codec);
    meta.kind = static_cast<store::response_meta::kind_t>(kind);
    meta.status = static_cast<std::uint16_t>(get_big_endian(record, at_status, 2));
    meta.life.initial_age = http::lifetime::age{static_cast<std::uint32_t>(age)};
    meta.life.explicit_lifetime = (flags & flag_explicit_lifetime) != 0;
    meta.life.must_revalidate = (flags & flag_must_revalidate) != 0;

    const std::string_view own_key = record.substr(record_header_size, key_size);
    if (own_key != key.bytes) return error_code(errc::record_key_mismatch);
    const std::string_view head = record.substr(record_header_size + key_size, head_size);
    std::size_t tags = 0;
    std::string_view tag;
    for (http::tag_cursor c(head); c.next(tag);)
        if (++tags > http::max_tags) return error_code(errc::record_codec); // a purge could not tell
    const std::array<std::string_view, 1> content{record.substr(record_header_size + key_size + head_size)};
    return store::stored_response::make(meta, own_key, key.hash, head, content);
}

std::optional<store::version> record_version(std::string_view record) noexcept {
    if (record.size() < store::version::size) return std::nullopt;
    return store::version::from_bytes(record.substr(0, store::version::size));
}

std::optional<std::string_view> record_key(std::string_view record) noexcept {
    if (record.size() < record_header_size) return std::nullopt;
    const std::uint64_t size = get_big_endian(record, at_key_size, 4);
    if (size > record.size() - record_header_size) return std::nullopt;
    return record.substr(record_header_size, size);
}

} // namespace meshcache::replica
