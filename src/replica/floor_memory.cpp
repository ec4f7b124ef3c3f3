#include "floor_memory.hpp"

namespace meshcache::replica {

void floor_memory::raise(http::key_view key, const store::version& floor, const store::version& known) {
    if (const auto found = index_.find(key); found != index_.end()) {
        item& held = *found->second;
        if (held.floor < floor) held.floor = floor;
        if (held.known < known) held.known = known;
        items_.splice(items_.end(), items_, found->second);
        return;
    }
    const position at = items_.insert(items_.end(), item{std::string(key.bytes), key.hash, floor, known});
    index_.emplace(http::key_view{at->key, at->hash}, at);
    bytes_ += cost(*at);
    while (bytes_ > max_bytes_) forget_oldest();
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
