#pragma once
// The end of a fill: its content becomes a stored response, goes into the local store, and is what the
// waiters and the write-behind get.
#include <meshcache/base/metrics.hpp>
#include <meshcache/store/cache.hpp>
#include <meshcache/store/collapse.hpp>

#include <span>
#include <string_view>

namespace meshcache::flow {

/// What became of a fill; null where there is nothing to carry to Redis.
struct filled {
    store::response_ptr answer;   ///< what the waiters get, stored or not
    store::response_ptr response; ///< the new stored response; null if a floor or a newer one was in its way
    store::response_ptr note;     ///< the note at the primary key, if the response varies
};

/// Counts what became of an insert, and what had to leave for it.
void count_insert(const store::insert_outcome& outcome, metrics_slab& counters) noexcept;

/// Completes `f`, of which `content` is the whole content. Called once, by the fetcher's thread.
/// The waiters are served even when the store refuses the response.
filled finish_fill(store::fill& f, const store::streamed_head& head,
                   std::span<const std::string_view> content, store::cache& cache, store::collapse& collapse,
                   metrics_slab& counters);

} // namespace meshcache::flow
