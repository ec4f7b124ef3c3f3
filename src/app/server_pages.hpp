#pragma once
// The numbers of a running server, gathered for the pages of the admin port.
#include "operator_desk.hpp"

#include <meshcache/app/configuration.hpp>
#include <meshcache/base/clock.hpp>
#include <meshcache/base/metrics.hpp>
#include <meshcache/replica/link.hpp>
#include <meshcache/store/cache.hpp>
#include <meshcache/store/collapse.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace meshcache::app {

/// Where the numbers come from. What is referred to is read while a page is made, from any thread.
struct page_sources {
    const configuration& cfg;
    const metrics& counters;
    const store::cache& cache;
    const store::byte_budget& fill_budget;
    const store::collapse& collapse;
    std::string replica_id{};
    steady_time::duration uptime{};
    std::size_t connections = 0;               ///< open now
    std::optional<replica::link_stats> link{}; ///< without it there is no Redis
};

/// The JSON object of GET /stats.
std::string stats_page(const page_sources& from, operator_desk::replica_list replicas);

/// The page of GET /metrics.
std::string metrics_page(const page_sources& from);

} // namespace meshcache::app
