#pragma once
// Gives memory back beside the event loops: malloc may take many milliseconds for it, in one go.
#include "heap.hpp"

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>

namespace meshcache::app {

/// A thread that tends the heap of a process (heap_keeper) from its constructor to its destructor.
class heap_thread {
  public:
    /// `bound`: as for heap_keeper. `wasted` is called there after each look, with the bytes that are
    /// resident and of no use; it must not throw.
    heap_thread(std::size_t bound, std::function<void(std::size_t)> wasted);

  private:
    void run(const std::stop_token& stop);

    heap_keeper keeper_;
    std::function<void(std::size_t)> wasted_;
    std::mutex mutex_; ///< guards nothing but the wait
    std::condition_variable_any stopped_;
    std::jthread thread_; ///< the last, since it uses the others
};

} // namespace meshcache::app
