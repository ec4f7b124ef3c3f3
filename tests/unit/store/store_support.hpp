#pragma once
// What the tests of this floor share: responses made from little, and the heap's own count of its bytes.
#include <meshcache/store/cache.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MESHCACHE_TEST_SANITIZED 1
#elif defined(__GLIBC__)
#include <malloc.h>
#endif

namespace meshcache::store::test {

/// The version of that number.
inline version nth(std::uint64_t n) { return {n << 16, 1}; }

/// A response of version `v` whose content is its key, its version and padding to `size`.
inline response_ptr make_response(http::key_view key, const version& v, std::size_t size = 100) {
    response_meta meta;
    meta.version = v;
    meta.status = 200;
    std::string content = std::string(key.bytes) + "@" + v.to_string();
    content.resize(size, '.');
    const std::string_view pieces[] = {content};
    return stored_response::make(meta, key.bytes, key.hash, "HTTP/1.1 200 OK\r\n", pieces);
}

/// Whether `r` is what make_response() made.
inline bool is_intact(const stored_response& r) {
    std::string content = std::string(r.key()) + "@" + r.meta().version.to_string();
    content.resize(r.content().size(), '.');
    return r.head() == "HTTP/1.1 200 OK\r\n" && r.content() == content;
}

/// Bytes that malloc has given out in the main arena, its own headers included; nullopt where a
/// sanitizer has replaced it. For the main thread.
inline std::optional<std::size_t> heap_bytes() {
#if defined(MESHCACHE_TEST_SANITIZED) || !defined(__GLIBC__)
    return std::nullopt;
#else
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
}

} // namespace meshcache::store::test
