#pragma once
// Feeds a fill from the upstream, on nobody's behalf but the fill's: no client that stalls or goes away can
// hold it up.
#include "body_source.hpp"
#include "loop_context.hpp"

#include <meshcache/flow/fill_end.hpp>
#include <meshcache/store/collapse.hpp>

#include <memory>

namespace meshcache::net {

/// Reads the answer's content to its end, records it, and completes or fails the fill that `guard` holds.
/// Started by the session whose request was the fetcher's; runs on by itself.
task<void> pump_fill(loop_context& loop, upstream_lease lease, http::body_framing framing, bool reusable,
                     store::fetcher_guard guard, std::shared_ptr<const store::streamed_head> head);

/// Completes `f` with `content`, and hands what was stored to the write-behind. Returns the response.
store::response_ptr end_fill(loop_context& loop, store::fill& f, const store::streamed_head& head,
                             std::span<const std::string_view> content);

/// What went wrong with an answer's content, from the error that reading it gave.
error_code body_error(error_code ec) noexcept;

} // namespace meshcache::net
