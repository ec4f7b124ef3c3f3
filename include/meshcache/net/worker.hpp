#pragma once
// One thread of the proxy: an event loop with its own acceptor, its own client connections and its own
// upstream connections. Workers share nothing but shared_state.
#include <meshcache/base/error.hpp>
#include <meshcache/net/settings.hpp>

#include <memory>

namespace meshcache::net {

class worker {
  public:
    /// All references outlive the worker. `index` names its thread.
    worker(const settings& cfg, shared_state& shared, unsigned index);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Opens the listening socket; before start(). Several workers may listen at one TCP address
    /// (SO_REUSEPORT); port 0 is replaced in `at` by the port that was chosen.
    error_code listen(endpoint& at);
    /// Shares the listening unix socket of `first`.
    error_code share_listener(const worker& first);

    /// Starts the thread.
    void start();

    /// Stops accepting and lets connections end after their exchange in progress; idle ones end at once. Any
    /// thread.
    void begin_drain();
    /// Whether nothing is in progress any more. Any thread.
    bool idle() const noexcept;
    /// Ends everything that is still in progress. Any thread. All workers are told before one is waited for:
    /// a client of one may follow a fetch of another.
    void request_stop();
    /// request_stop(), then joins the thread. Not from the worker's thread.
    void stop();

  private:
    class impl;
    std::unique_ptr<impl> impl_;
};

} // namespace meshcache::net
