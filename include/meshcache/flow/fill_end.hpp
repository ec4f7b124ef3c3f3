#pragma once
// The end of a fill: its content becomes a stored response, goes into the local store, and is what the
// waiters and the write-behind get.
#include <meshcache/base/metrics.hpp>
#include <meshcache/store/cache.hpp>
#include <meshcache/store/collapse.hpp>

#include <functional>
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

/// Carries a stored response on to Redis; must only hand it over.
using publish_function = std::function<void(const store::response_ptr&)>;

/// What is published when.
enum class publishing : std::uint8_t {
    once_stored, ///< what the local store took
    first,       ///< everything, before anybody can find it in the local store; Redis refuses what is too old
};

/// Completes `f`, of which `content` is the whole content. Called once, by the fetcher's thread.
/// The waiters are served even when the store refuses the response. `publish` may be empty; it has been
/// called when the waiters are woken.
filled finish_fill(store::fill& f, const store::streamed_head& head,
                   std::span<const std::string_view> content, store::cache& cache, store::collapse& collapse,
                   metrics_slab& counters, const publish_function& publish = {},
                   publishing when = publishing::once_stored);

} // namespace meshcache::flow
