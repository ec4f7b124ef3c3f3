#pragma once
// What the tests of this floor share.
#include <meshcache/http/cache_key.hpp>
#include <meshcache/store/stored_response.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace meshcache::replica::test {

/// A version of that millisecond.
inline store::version at_ms(std::uint64_t ms, std::uint16_t counter = 0, std::uint64_t replica = 1) {
    return {ms << 16 | counter, replica};
}

/// Not seeded: for tests that need no more than different numbers for different keys.
inline std::uint64_t hash_of(std::string_view key) { return http::hash_key(key, 7); }

inline http::key_view view_of(std::string_view key) { return {key, hash_of(key)}; }

inline store::response_ptr make_response(std::string_view key, const store::version& v,
                                         std::size_t size = 10) {
    store::response_meta meta;
    meta.version = v;
    meta.status = 200;
    const std::string content(size, 'c');
    const std::string_view pieces[] = {content};
    return store::stored_response::make(meta, key, hash_of(key), "HTTP/1.1 200 OK\r\n", pieces);
}

} // namespace meshcache::replica::test
