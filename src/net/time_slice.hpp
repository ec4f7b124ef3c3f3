#pragma once
// How long the kernel lets others run on before a thread that has just woken gets its turn.
#include <meshcache/base/error.hpp>

#include <chrono>

namespace meshcache::net {

/// Asks the kernel to give the calling thread its CPU time in slices of that length (100 us to 100 ms). Since
/// Linux 6.12, a thread that wakes takes the place of one with longer slices at once, rather than when that
/// has used up its slice; its share of the CPU stays the same. Older kernels do not care, and need not. It
/// takes no privilege, but a sandbox may refuse it.
error_code ask_for_time_slice(std::chrono::microseconds length) noexcept;

} // namespace meshcache::net
