#pragma once
// Sessions that serve nobody just now, with the buffers and the lists that they have grown: so that neither
// an idle connection holds any, nor a busy one allocates them for each request.
#include <cstddef>
#include <memory>
#include <vector>

namespace meshcache::net {

struct loop_context;
class session;

struct session_deleter {
    void operator()(session* s) const noexcept;
};
/// A session that is at somebody's service. Not given back, it is destroyed.
using session_lease = std::unique_ptr<session, session_deleter>;

/// The spare sessions of one event loop; used by its thread alone.
class session_pool {
  public:
    /// The one used last, whose memory is the likeliest to be in the CPU's caches, or a new one.
    session_lease take(loop_context& loop);
    /// Takes one that has been detached.
    void give(session_lease s) noexcept;
    /// Frees half of what nobody has needed since the last call. Called by the sweep.
    void trim() noexcept;

  private:
    std::vector<session_lease> spare_;
    std::size_t unused_ = 0; ///< the fewest that were spare since the last trim()
};

} // namespace meshcache::net
