#include "floor_memory.hpp"

#include <algorithm>

namespace meshcache::replica {

void floor_memory::raise(http::key_view key, const store::version& floor, const store::floor_bound& bound) {
    if (const auto found = index_.find(key); found != index_.end()) {
        item& held = *found->second;
        held.bound.raise(bound);
        held.floor = std::max(held.floor, floor);
        if (held.bound.made.replica == 0) held.floor.replica = 0;
        items_.splice(items_.end(), items_, found->second);
        return;
    }
    const position at = items_.insert(items_.end(), item{std::string(key.bytes), key.hash, floor, bound, {}});
    index_.emplace(http::key_view{at->key, at->hash}, at);
    bytes_ += cost(*at);
    while (bytes_ > max_bytes_) forget_oldest();
}

void floor_memory::hear(http::key_view key, const store::version& floor) {
    if (const auto found = index_.find(key); found != index_.end())
        found->second->heard = std::max(found->second->heard, floor);
}

void floor_memory::forget_heard() {
    for (item& i : items_) i.heard = {};
}

const floor_memory::item* floor_memory::find(http::key_view key) const {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &*found->second;
}

void floor_memory::expire(wall_time time) {
    while (!items_.empty() && items_.front().floor.time() < time) forget_oldest();
}

void floor_memory::forget_oldest() {
    const item& oldest = items_.front();
    bytes_ -= cost(oldest);
    index_.erase(http::key_view{oldest.key, oldest.hash});
    items_.pop_front();
}

} // namespace meshcache::replica
