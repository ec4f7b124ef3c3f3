#pragma once
// The file that a unix socket leaves behind when its process dies, and at which nobody can listen again.
#include <meshcache/base/endpoint.hpp>

namespace meshcache::app {

/// Removes the file of the unix socket `at` if nobody listens there any more. Everything else, such as a
/// socket in use or a file that is no socket, is somebody's and stays, so that listening there fails. Does
/// nothing for other addresses and in the abstract namespace. To be called before listening.
void remove_left_over(const endpoint& at);

} // namespace meshcache::app
