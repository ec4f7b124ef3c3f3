#include "purge_sweep.hpp"

namespace meshcache::app {

bool purge_sweep::step() {
    constexpr std::size_t under_a_mutex = 64;
    if (cursor_ == 0) {
        if (generation_ == cache_.purge_generation()) return false;
        generation_ = cache_.purge_generation();
    }
    std::size_t looked_at = 0;
    do {
        cursor_ = cache_.sweep(cursor_, under_a_mutex);
        looked_at += under_a_mutex;
    } while (cursor_ != 0 && looked_at < responses);
    return cursor_ != 0;
}

} // namespace meshcache::app
