#pragma once
// A request's content on its way to the upstream, while the answer may already be coming.
#include "session.hpp"

namespace meshcache::net {

/// Shared by the session's coroutine and the one that uploads; the session waits for `ended` before it lets
/// go of this or of the connection. Used by one thread.
struct session::upload {
    upload(const executor& ex, upstream_connection& to) : upstream(to), ended(ex) {}
    upstream_connection& upstream;
    event ended;
    error_code client_error; ///< the client failed, not the upstream
    bool complete = false;   ///< all of it was sent
    bool answered = false;   ///< the head of the answer has come: nothing waits for it any more
    bool stopped = false;    ///< by the session: no more is to be read from the client
};

} // namespace meshcache::net
