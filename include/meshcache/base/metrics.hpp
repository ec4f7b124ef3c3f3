#pragma once
// Every counter once: its name, its help text, and where it is kept. Each event-loop thread owns one
// slab and is its only writer, so counting is a plain add; the admin port sums the slabs when asked.
#include <meshcache/base/histogram.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>

namespace meshcache {

// X(identifier, "prometheus name", "label=\"value\"" or "", "help, the same for every label of a name")
#define MESHCACHE_COUNTERS(X)                                                                                \
    X(connections_accepted, "meshcache_connections_accepted_total", "", "Client connections accepted.")      \
    X(connections_refused, "meshcache_connections_refused_total", "reason=\"max-connections\"",              \
      "Client connections closed at once, by the limit that was reached.")                                   \
    X(connections_refused_client, "meshcache_connections_refused_total",                                     \
      "reason=\"max-connections-per-client\"", "")                                                           \
    X(connections_used_up, "meshcache_connections_used_up_total", "",                                        \
      "Client connections closed because --max-requests-per-connection was reached.")                        \
    X(requests_hit, "meshcache_requests_total", "cache=\"hit\"",                                             \
      "Requests by how the cache served them (words of RFC 9211).")                                          \
    X(requests_hit_stale, "meshcache_requests_total", "cache=\"hit-stale\"", "")                             \
    X(requests_hit_redis, "meshcache_requests_total", "cache=\"hit-redis\"", "")                             \
    X(requests_uri_miss, "meshcache_requests_total", "cache=\"uri-miss\"", "")                               \
    X(requests_vary_miss, "meshcache_requests_total", "cache=\"vary-miss\"", "")                             \
    X(requests_stale, "meshcache_requests_total", "cache=\"stale\"", "")                                     \
    X(requests_request, "meshcache_requests_total", "cache=\"request\"", "")                                 \
    X(requests_bypass, "meshcache_requests_total", "cache=\"bypass\"", "")                                   \
    X(requests_method, "meshcache_requests_total", "cache=\"method\"", "")                                   \
    X(requests_collapsed, "meshcache_requests_total", "cache=\"collapsed\"", "")                             \
    X(requests_rejected, "meshcache_requests_total", "cache=\"rejected\"", "")                               \
    X(requests_malformed, "meshcache_requests_refused_total", "reason=\"malformed\"",                        \
      "Requests refused because they were malformed or ambiguous, or over a limit, by reason.")              \
    X(requests_head_too_large, "meshcache_requests_refused_total", "reason=\"head-too-large\"", "")          \
    X(requests_too_many_fields, "meshcache_requests_refused_total", "reason=\"too-many-fields\"", "")        \
    X(requests_target_too_long, "meshcache_requests_refused_total", "reason=\"target-too-long\"", "")        \
    X(responses_1xx, "meshcache_responses_total", "code=\"1xx\"", "Responses to clients by status class.")   \
    X(responses_2xx, "meshcache_responses_total", "code=\"2xx\"", "")                                        \
    X(responses_3xx, "meshcache_responses_total", "code=\"3xx\"", "")                                        \
    X(responses_4xx, "meshcache_responses_total", "code=\"4xx\"", "")                                        \
    X(responses_5xx, "meshcache_responses_total", "code=\"5xx\"", "")                                        \
    X(client_bytes_in, "meshcache_client_received_bytes_total", "", "Bytes read from clients.")              \
    X(client_bytes_out, "meshcache_client_sent_bytes_total", "", "Bytes written to clients.")                \
    X(timeout_header, "meshcache_timeouts_total", "at=\"header\"", "Deadlines that passed, by where.")       \
    X(timeout_body, "meshcache_timeouts_total", "at=\"body\"", "")                                           \
    X(timeout_keepalive, "meshcache_timeouts_total", "at=\"keepalive\"", "")                                 \
    X(timeout_write, "meshcache_timeouts_total", "at=\"write\"", "")                                         \
    X(timeout_tunnel, "meshcache_timeouts_total", "at=\"tunnel\"", "")                                       \
    X(timeout_upstream_busy, "meshcache_timeouts_total", "at=\"upstream-busy\"", "")                         \
    X(timeout_upstream_connect, "meshcache_timeouts_total", "at=\"upstream-connect\"", "")                   \
    X(timeout_upstream_first_byte, "meshcache_timeouts_total", "at=\"upstream-first-byte\"", "")             \
    X(timeout_upstream_idle, "meshcache_timeouts_total", "at=\"upstream-idle\"", "")                         \
    X(timeout_collapse, "meshcache_timeouts_total", "at=\"collapse\"", "")                                   \
    X(upstream_requests, "meshcache_upstream_requests_total", "", "Requests sent to the upstream.")          \
    X(upstream_connects, "meshcache_upstream_connects_total", "", "Connections opened to the upstream.")     \
    X(upstream_retries, "meshcache_upstream_retries_total", "",                                              \
      "Requests sent again because a pooled connection had died (RFC 9110, 9.2.2).")                         \
    X(upstream_errors, "meshcache_upstream_errors_total", "", "Exchanges that the upstream failed.")         \
    X(fetches_behind, "meshcache_background_fetches_total", "",                                              \
      "Fetches behind an answer: of stale responses to validate, and of wholes of which a part was asked.")  \
    X(fetches_behind_skipped, "meshcache_background_fetches_skipped_total", "",                              \
      "Fetches behind an answer that were not begun: half of --upstream-connections served such, or one "    \
      "had just failed.")                                                                                    \
    X(stored, "meshcache_stored_total", "", "Responses that were put into the local store.")                 \
    X(store_refused_older, "meshcache_store_refused_total", "reason=\"older\"",                              \
      "Responses that the local store did not take, by reason.")                                             \
    X(store_refused_large, "meshcache_store_refused_total", "reason=\"too-large\"", "")                      \
    X(store_refused_invalidated, "meshcache_store_refused_total", "reason=\"invalidated\"", "")              \
    X(removed_evicted, "meshcache_removed_total", "why=\"evicted\"",                                         \
      "Stored responses that left the local store, by why.")                                                 \
    X(removed_invalidated, "meshcache_removed_total", "why=\"invalidated\"", "")                             \
    X(removed_purged, "meshcache_removed_total", "why=\"purged\"", "")                                       \
    X(removed_replaced, "meshcache_removed_total", "why=\"replaced\"", "")                                   \
    X(removed_variants, "meshcache_removed_total", "why=\"variants\"", "")                                   \
    X(removed_expired, "meshcache_removed_total", "why=\"expired\"", "")                                     \
    X(purges_url_hard, "meshcache_purges_total", "kind=\"url\",mode=\"hard\"",                               \
      "Purges that the admin port took, by what they name; a request may name several.")                     \
    X(purges_url_soft, "meshcache_purges_total", "kind=\"url\",mode=\"soft\"", "")                           \
    X(purges_tag_hard, "meshcache_purges_total", "kind=\"tag\",mode=\"hard\"", "")                           \
    X(purges_tag_soft, "meshcache_purges_total", "kind=\"tag\",mode=\"soft\"", "")                           \
    X(purges_prefix_hard, "meshcache_purges_total", "kind=\"prefix\",mode=\"hard\"", "")                     \
    X(purges_prefix_soft, "meshcache_purges_total", "kind=\"prefix\",mode=\"soft\"", "")                     \
    X(purges_host_hard, "meshcache_purges_total", "kind=\"host\",mode=\"hard\"", "")                         \
    X(purges_host_soft, "meshcache_purges_total", "kind=\"host\",mode=\"soft\"", "")                         \
    X(purges_all_hard, "meshcache_purges_total", "kind=\"all\",mode=\"hard\"", "")                           \
    X(purges_all_soft, "meshcache_purges_total", "kind=\"all\",mode=\"soft\"", "")                           \
    X(redis_lookups, "meshcache_redis_lookups_total", "", "Look-ups in Redis on a local miss.")              \
    X(redis_lookup_hits, "meshcache_redis_lookup_hits_total", "", "Look-ups that found a usable record.")    \
    X(redis_leases_taken, "meshcache_redis_leases_total", "outcome=\"taken\"",                               \
      "Look-ups that found nothing, with --collapse global, by what followed.")                              \
    X(redis_leases_waited, "meshcache_redis_leases_total", "outcome=\"waited\"", "")                         \
    X(redis_leases_unshareable, "meshcache_redis_leases_total", "outcome=\"unshareable\"", "")               \
    X(redis_lease_timeouts, "meshcache_redis_leases_total", "outcome=\"timeout\"", "")                       \
    X(unconfirmed_reads, "meshcache_unconfirmed_total", "what=\"read\"",                                     \
      "Strong requests that Redis did not confirm in time, by what.")                                        \
    X(unconfirmed_writes, "meshcache_unconfirmed_total", "what=\"write\"", "")                               \
    X(redis_lookup_timeouts, "meshcache_redis_lookup_timeouts_total", "",                                    \
      "Look-ups that passed --redis-timeout.")                                                               \
    X(redis_lookups_skipped, "meshcache_redis_lookups_skipped_total", "",                                    \
      "Look-ups not made, because Redis was unwell or the log was not followed.")                            \
    X(redis_records_truncated, "meshcache_redis_records_bad_total", "reason=\"truncated\"",                  \
      "Records read from Redis that did not decode, by reason; each counts as a miss.")                      \
    X(redis_records_checksum, "meshcache_redis_records_bad_total", "reason=\"checksum\"", "")                \
    X(redis_records_codec, "meshcache_redis_records_bad_total", "reason=\"codec\"", "")                      \
    X(redis_records_key, "meshcache_redis_records_bad_total", "reason=\"key\"", "")                          \
    X(redis_puts, "meshcache_redis_puts_total", "", "Records that Redis took.")                              \
    X(redis_puts_refused, "meshcache_redis_puts_refused_total", "",                                          \
      "Records that Redis refused because it held a newer version.")                                         \
    X(redis_puts_coalesced, "meshcache_redis_puts_coalesced_total", "",                                      \
      "Queued records replaced by a newer version of the same key before they were sent.")                   \
    X(redis_puts_dropped_full, "meshcache_redis_puts_dropped_total", "reason=\"queue-full\"",                \
      "Records that were to be sent to Redis and were not, by reason.")                                      \
    X(redis_puts_dropped_large, "meshcache_redis_puts_dropped_total", "reason=\"too-large\"", "")            \
    X(redis_puts_dropped_floor, "meshcache_redis_puts_dropped_total", "reason=\"invalidated\"", "")          \
    X(redis_puts_dropped_expired, "meshcache_redis_puts_dropped_total", "reason=\"expired\"", "")            \
    X(redis_puts_dropped_gap, "meshcache_redis_puts_dropped_total", "reason=\"cut-off\"", "")                \
    X(redis_batches, "meshcache_redis_batches_total", "", "Batches acknowledged by Redis.")                  \
    X(redis_errors, "meshcache_redis_errors_total", "", "Error replies and time-outs from Redis.")           \
    X(redis_connects, "meshcache_redis_connects_total", "", "Connections made to Redis.")                    \
    X(redis_invalidations, "meshcache_redis_invalidations_total", "", "Floors that Redis acknowledged.")     \
    X(redis_invalidations_merged, "meshcache_redis_invalidations_merged_total", "",                          \
      "Times that too many invalidations waited, and became one for everything.")                            \
    X(log_events, "meshcache_log_events_total", "", "Change-log events of other replicas.")                  \
    X(log_gaps, "meshcache_log_gaps_total", "", "Times the change log had been trimmed past our position.")  \
    X(reconciliations, "meshcache_reconciliations_total", "", "Reconciliations with Redis that completed.")  \
    X(reconcile_dropped, "meshcache_reconcile_dropped_total", "",                                            \
      "Local copies dropped by reconciliation because Redis held a newer version.")                          \
    X(reconcile_put, "meshcache_reconcile_put_total", "",                                                    \
      "Records put again by reconciliation because Redis had lost them.")                                    \
    X(refreshes_stored, "meshcache_refreshes_total", "result=\"stored\"",                                    \
      "Newer versions that other replicas announced, by what became of fetching them.")                      \
    X(refreshes_unusable, "meshcache_refreshes_total", "result=\"unusable\"", "")                            \
    X(refreshes_skipped, "meshcache_refreshes_total", "result=\"skipped\"", "")                              \
    X(warm_loaded, "meshcache_warm_start_records_total", "result=\"stored\"",                                \
      "Records read by the warm start, by what became of them.")                                             \
    X(warm_unusable, "meshcache_warm_start_records_total", "result=\"unusable\"", "")                        \
    X(versions_refused, "meshcache_versions_refused_total", "",                                              \
      "Records and events refused because their version lay more than a minute in the future.")

enum class counter : std::uint16_t {
#define MESHCACHE_COUNTER_ID(id, name, labels, help) id,
    MESHCACHE_COUNTERS(MESHCACHE_COUNTER_ID)
#undef MESHCACHE_COUNTER_ID
};

#define MESHCACHE_COUNTER_ONE(id, name, labels, help) +1
inline constexpr std::size_t counter_count = 0 MESHCACHE_COUNTERS(MESHCACHE_COUNTER_ONE);
#undef MESHCACHE_COUNTER_ONE

/// What the metrics page says of one counter. Rows of one name stand together, the first has the help.
struct counter_info {
    std::string_view name;
    std::string_view labels; ///< `key="value"`, or empty
    std::string_view help;
};

const counter_info& describe(counter c) noexcept;

/// One thread's counters and histograms. Only the owning thread calls add() and
/// observe(); any thread may call get().
class alignas(64) metrics_slab {
  public:
    void add(counter c, std::uint64_t n = 1) noexcept {
        auto& cell = cells_[static_cast<std::size_t>(c)];
        cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    std::uint64_t get(counter c) const noexcept {
        return cells_[static_cast<std::size_t>(c)].load(std::memory_order_relaxed);
    }
    /// `value`: in the histogram's unit.
    void observe(histogram h, std::uint64_t value) noexcept {
        histograms_[static_cast<std::size_t>(h)].add(bounds_of(describe(h).unit), value);
    }
    const histogram_cells& get(histogram h) const noexcept {
        return histograms_[static_cast<std::size_t>(h)];
    }

  private:
    std::array<std::atomic<std::uint64_t>, counter_count> cells_{};
    std::array<histogram_cells, histogram_count> histograms_{};
};

/// All slabs. Owned by the server; slabs live as long as it does.
class metrics {
  public:
    /// A new slab for the calling thread's use. Any thread.
    metrics_slab& make_slab();
    /// The sum over all slabs. Any thread; not a snapshot across counters.
    std::uint64_t total(counter c) const;
    histogram_total total(histogram h) const;

  private:
    mutable std::mutex mutex_;
    std::deque<metrics_slab> slabs_;
};

} // namespace meshcache
