#pragma once
// Reading the heads of the upstream's answers. Used on the loop's thread.
#include "loop_context.hpp"
#include "upstream_pool.hpp"

namespace meshcache::net {

/// How many informational responses may come before the final one.
inline constexpr int most_informational = 16;

/// Whether a status ends the wait for an answer: 1xx do not, but 101 does.
inline bool is_final(int status) noexcept { return status >= 200 || status == 101; }

/// Reads one response head, informational or final, into `upstream.head`, and leaves its bytes in the buffer.
/// The connection's read deadline is the caller's. Errors: errc::upstream_*.
task<error_code> read_one_head(loop_context& loop, upstream_connection& upstream);

/// Gives the connection back after an answer without content, if it stays open.
void give_back_after_head(upstream_lease& lease) noexcept;

} // namespace meshcache::net
