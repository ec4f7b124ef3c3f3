#include "heap_thread.hpp"

#include <chrono>
#include <pthread.h>
#include <utility>

namespace meshcache::app {

heap_thread::heap_thread(std::size_t bound, std::function<void(std::size_t)> wasted)
    : keeper_(bound), wasted_(std::move(wasted)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void heap_thread::run(const std::stop_token& stop) {
    constexpr std::chrono::milliseconds pause{50};
    (void)::pthread_setname_np(::pthread_self(), "mc-heap");
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        if (const auto waste = keeper_.tend()) wasted_(*waste);
        stopped_.wait_for(lock, stop, pause, [] { return false; });
    }
}

} // namespace meshcache::app
