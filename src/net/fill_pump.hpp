#pragma once
// Feeds a fill from the upstream, on nobody's behalf but the fill's: no client that stalls or goes away can
// hold it up.
#include "body_source.hpp"
#include "loop_context.hpp"

#include <meshcache/flow/exchange.hpp>
#include <meshcache/flow/fill_end.hpp>
#include <meshcache/store/collapse.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::net {

/// Whose content a pump reads, for warnings.
struct pumped_uri {
    std::string host, path_query;
};

/// Reads the answer's content to its end, records it, and completes or fails the fill that `guard` holds.
/// Spawned by the session whose request was the fetcher's, and then runs on by itself; awaited by a fetch
/// behind an answer.
task<void> pump_fill(loop_context& loop, upstream_lease lease, http::body_framing framing, bool reusable,
                     store::fetcher_guard guard, std::shared_ptr<const store::streamed_head> head,
                     pumped_uri uri);

/// A fill that has ended: the answer, and whether it was stored.
struct ended_fill {
    store::response_ptr answer;
    bool stored = false;
};

/// Ends the fill at once if all of the content came with its head, which it has for most small answers: no
/// pump, no stream, no copy but the one that is stored; and if nothing came behind it. Has then given the
/// connection back if it is `reusable`; or there is no answer, and nothing has happened. `pieces` is room to
/// work in.
ended_fill end_fill_at_once(loop_context& loop, upstream_lease& lease, const http::body_framing& framing,
                            bool reusable, store::fill& f, const store::streamed_head& head,
                            std::vector<std::string_view>& pieces);

/// Completes `f` with `content`, and hands what was stored to the write-behind.
ended_fill end_fill(loop_context& loop, store::fill& f, const store::streamed_head& head,
                    std::span<const std::string_view> content);

/// Ends the exchange's fill with the content of its stored response under the head that validation updated,
/// and hands that to the write-behind. Called once, where `exchange.updates()`.
ended_fill end_update(loop_context& loop, flow::exchange& exchange);

/// Raises a floor for that key here and, through the link, everywhere: nothing of it below `floor` is valid.
void invalidate(loop_context& loop, std::string_view key, const store::version& floor);

/// What went wrong with an answer's content, from the error that reading it gave.
error_code body_error(error_code ec) noexcept;

} // namespace meshcache::net
