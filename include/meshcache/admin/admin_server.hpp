#pragma once
// The admin port: health, readiness, metrics, statistics, inspection and purges over HTTP, for operators and
// machines.
// Runs on the event loop that it is given, beside the proxy's own; it is not on the way of any request.
#include <meshcache/admin/inspection.hpp>
#include <meshcache/admin/purge.hpp>
#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/error.hpp>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace meshcache::admin {

/// What /readyz says: 200 or 503, and why.
struct readiness {
    bool ready = false;
    std::string text;
};

/// Where the answers come from. Called on the admin loop's thread.
struct admin_sources {
    std::function<readiness()> ready;     ///< whether this replica should get traffic
    std::function<std::string()> metrics; ///< the page for Prometheus
    // These call `done` once, on the admin loop's thread, within a bounded time, and possibly before they
    // return.
    std::function<void(std::function<void(std::string)> done)> stats; ///< the JSON object
    /// Once `given_up` is stopped, on that thread, nobody waits for the replicas any more, and `done` is
    /// called soon with what is known.
    std::function<void(purge_request, std::stop_token given_up, std::function<void(purge_report)> done)>
        purge;
    std::function<void(inspect_request, std::function<void(inspection)> done)> inspect;
};

class admin_server {
  public:
    /// `token`: what a client must send as `Authorization: Bearer ...`, health and readiness excepted; empty:
    /// nothing.
    admin_server(boost::asio::io_context& io, admin_sources sources, std::string token);
    ~admin_server();
    admin_server(const admin_server&) = delete;
    admin_server& operator=(const admin_server&) = delete;

    /// Binds and begins to serve; port 0 is replaced in `at`.
    error_code listen(endpoint& at);
    /// Stops accepting and closes what is open. On the loop's thread.
    void stop();

  private:
    class impl;
    std::shared_ptr<impl> impl_;
};

} // namespace meshcache::admin
