#pragma once
// One client connection, and all that it holds between requests: no buffer and no coroutine. A session comes
// from the loop's pool when there is something to read, and goes back when the last answer is written
// (docs/decisions/0012).
#include "deadline.hpp"
#include "descriptor.hpp"
#include "listener.hpp"
#include "poller.hpp"
#include "session_pool.hpp"

#include <meshcache/net/client_limit.hpp>

#include <boost/intrusive/list.hpp>
#include <boost/pool/pool.hpp>

#include <cstddef>
#include <new>
#include <string_view>
#include <utility>

namespace meshcache::net {

struct loop_context;

/// Its place in the loop's list; beside the one that every deadline has.
struct connection_tag;
using connection_hook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<connection_tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// Belongs to its loop's list, and is used by its thread alone. Ends itself.
class connection final : public pollable, public connection_hook, private deadline {
  public:
    /// `client` and `local_port` are for X-Forwarded-* and the log, and empty for a unix socket; `local_port`
    /// outlives the connection. `place` is the client's, for as long as the connection lasts.
    connection(loop_context& loop, descriptor socket, const client_text& client, std::string_view local_port,
               client_limit::place place) noexcept;
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Begins to serve. On an error nothing will happen any more.
    error_code start();

    void on_ready(std::uint32_t events) noexcept override;

    /// Ends the connection after the exchange in progress, or at once if there is none: then this is gone.
    void begin_drain() noexcept;
    /// Ends it now; this may be gone.
    void abort() noexcept;
    /// Takes it out of its set: this is gone. Not while a session is at work.
    void end() noexcept;

    std::string_view client() const noexcept { return {client_.data(), client_.size()}; }
    std::string_view local_port() const noexcept { return local_port_; }

  private:
    void on_deadline() noexcept override;
    void serve(std::uint32_t events);
    task<void> attend();
    void rest(session_lease lease) noexcept;

    loop_context& loop_;
    descriptor socket_; ///< unless a session is at work
    client_limit::place place_;
    client_text client_;
    std::string_view local_port_;
    std::size_t requests_ = 0; ///< that were served
    session_lease at_work_;    ///< whose coroutine runs
};
static_assert(sizeof(connection) <= 256, "most connections are idle, and there are many");

/// All connections of one loop; used by its thread alone. They stand side by side in blocks that serve for
/// nothing else: each of them alone would keep a page of what a session has freed around it.
class connection_set {
  public:
    connection_set() : room_(sizeof(connection), in_first_block, in_a_block) {
        static_assert(alignof(connection) <= alignof(void*)); // which is what the pool sees to
    }
    ~connection_set() { for_each(&connection::end); }
    connection_set(const connection_set&) = delete;
    connection_set& operator=(const connection_set&) = delete;

    /// Makes one of what connection's constructor takes. May throw std::bad_alloc.
    template <class... Arguments>
    connection& add(Arguments&&... arguments) {
        void* const at = room_.malloc();
        if (at == nullptr) throw std::bad_alloc();
        auto* const made = new (at) connection(std::forward<Arguments>(arguments)...);
        all_.push_back(*made);
        return *made;
    }
    void remove(connection& gone) noexcept {
        gone.~connection(); // which takes it out of the list
        room_.free(&gone);
    }
    /// Each may be gone afterwards.
    void for_each(void (connection::*what)() noexcept) noexcept {
        for (auto at = all_.begin(); at != all_.end();) ((*at++).*what)();
    }

  private:
    static constexpr std::size_t in_first_block = 32, in_a_block = 512;
    boost::pool<boost::default_user_allocator_malloc_free> room_;
    boost::intrusive::list<connection, boost::intrusive::base_hook<connection_hook>,
                           boost::intrusive::constant_time_size<false>>
        all_;
};

} // namespace meshcache::net
