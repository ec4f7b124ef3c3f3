#pragma once
// What the admin port can do beside showing numbers: purge, inspect, and say which replicas there are. Each
// answer comes within a bounded time, whatever Redis does. On the admin loop's thread; the link, where there
// is one, ends before the desk.
#include <meshcache/admin/inspection.hpp>
#include <meshcache/admin/purge.hpp>
#include <meshcache/base/clock.hpp>
#include <meshcache/base/metrics.hpp>
#include <meshcache/replica/link.hpp>
#include <meshcache/store/cache.hpp>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

namespace meshcache::app {

/// All that the desk works with; everything outlives it.
struct desk_parts {
    boost::asio::io_context& io; ///< the admin loop
    store::cache& cache;
    store::hybrid_clock& versions;
    const clock_source& clock;
    metrics_slab& counts;
    milliseconds command_timeout; ///< of Redis
    milliseconds max_clock_skew;
    bool trust_forwarded; ///< keys may have a part that no URL tells
};

class operator_desk {
  public:
    explicit operator_desk(const desk_parts& parts) : p_(parts) {}

    /// Before the first request; without it there is no Redis.
    void set_link(replica::link& link) noexcept { link_ = &link; }

    /// Applies the purge here, at once, and tells Redis; `done` is called when all is done that was asked
    /// for, or when its time has passed, or soon after `given_up` is stopped.
    void purge(admin::purge_request what, std::stop_token given_up,
               std::function<void(admin::purge_report)> done);

    /// What is stored of a URL here, and what Redis has. With `trust_forwarded` the whole store is walked
    /// for it, in steps.
    void inspect(admin::inspect_request what, std::function<void(admin::inspection)> done);

    /// Which replicas there are; nullopt when Redis does not say so soon.
    using replica_list = std::optional<std::vector<replica::listed_replica>>;
    void replicas(std::function<void(replica_list)> done);

  private:
    struct search;
    void step(const std::shared_ptr<search>& s);
    void examine(admin::inspect_request what, std::vector<store::response_ptr> stored,
                 std::function<void(admin::inspection)> done);

    const desk_parts p_;
    replica::link* link_ = nullptr;
};

} // namespace meshcache::app
