#pragma once
// meshcache's own error codes, and the result type by which fallible calls return them.
// Errors are values; nothing here throws, and nothing crosses a thread as an exception.
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <string_view>

namespace meshcache {

using boost::system::error_code;

/// A value or an error_code.
template <class T>
using result = boost::system::result<T, error_code>;

/// Everything that can go wrong for a reason of meshcache's own. The words of message() are what the
/// log and the `detail` parameter of Cache-Status show, so they are short and stable.
enum class errc {
    ok = 0,
    // towards the upstream
    upstream_resolve_failed, ///< the upstream's name did not resolve
    upstream_refused,        ///< no address accepted a connection
    upstream_connect_timeout,
    upstream_reset,          ///< the connection ended before an answer
    upstream_silent,         ///< no answer within the first-byte time-out
    upstream_truncated,      ///< the answer ended before its announced length
    upstream_malformed,      ///< the answer is not HTTP, or its length is ambiguous
    upstream_stalled,        ///< the body stopped for longer than the idle time-out
    upstream_error,          ///< it answered, but with an error of its own (5xx)
    upstream_busy,           ///< the connection limit was reached and none came free in time
    // towards the client
    client_gone,             ///< the client closed or reset its connection
    client_timeout,          ///< the client was slower than a time-out allows
    client_malformed,        ///< the request's body is malformed
    // stored records
    record_truncated,
    record_checksum,
    record_codec,            ///< written by a codec version unknown here
    record_key_mismatch,     ///< the record's own key is not the one that was asked for
    // Redis
    redis_unavailable,       ///< not connected, or the circuit breaker is open
    redis_timeout,
    redis_error,             ///< Redis answered with an error
    shutting_down,
};

/// The words of an error; static storage, empty for a value that is not in the enum.
std::string_view describe(errc e) noexcept;

const boost::system::error_category& meshcache_category() noexcept;

inline error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), meshcache_category()}; }

} // namespace meshcache

template <>
struct boost::system::is_error_code_enum<meshcache::errc> : std::true_type {};
