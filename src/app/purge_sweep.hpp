#pragma once
// Purges of groups leave the store by look-ups, and by a walk after each, in steps that hold neither the
// calling event loop nor a shard's mutex for long. Used by one thread.
#include <meshcache/store/cache.hpp>

#include <cstddef>
#include <cstdint>

namespace meshcache::app {

class purge_sweep {
  public:
    /// Stored responses that a step looks at, at the most: to drop so many takes well below a millisecond.
    static constexpr std::size_t responses = 1024;

    /// `cache` outlives this.
    explicit purge_sweep(store::cache& cache) noexcept : cache_(cache) {}

    /// Goes on with a walk, or begins one if there was a purge since the last began; drops what is invalid.
    /// Returns whether there is more to walk.
    bool step();

  private:
    store::cache& cache_;
    std::uint64_t cursor_ = 0;     ///< where the walk is; 0: it rests
    std::uint32_t generation_ = 0; ///< the purges that the last walk began with
};

} // namespace meshcache::app
