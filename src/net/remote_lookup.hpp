#pragma once
// Asking Redis on behalf of an exchange: of a client's request, or of a fetch behind an answer.
#include "event.hpp"
#include "loop_context.hpp"

#include <meshcache/flow/exchange.hpp>
#include <meshcache/store/collapse.hpp>

#include <memory>

namespace meshcache::net {

/// What to do where another replica fetches the same thing.
enum class patience : bool {
    wait, ///< for what comes of it, up to --collapse-timeout
    none, ///< leave it to that one
};

/// Carries out action::ask_remote, and returns what the exchange says next; action::answer, with the exchange
/// reset, if another replica fetches it and nobody is to wait. `waker` sets `news`; other wakes do no harm.
/// On the loop's thread.
task<flow::action> look_up_remotely(loop_context& loop, flow::exchange& exchange, event& news,
                                    std::shared_ptr<store::fill_waiter> waker, patience how);

} // namespace meshcache::net
