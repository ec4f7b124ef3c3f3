#include "write_queue.hpp"

#include <meshcache/base/test_hooks.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::replica {
namespace {

void raise(std::optional<store::version>& floor, const store::version& to) {
    if (!floor || *floor < to) floor = to;
}

void mark(const store::stored_response& response, store::reach as) { response.meta().reached.set(as); }

/// Names of selectors; their hash is 0 in the index.
constexpr std::string_view everything = "a", soft_everything = "sa";

std::string key_floor_name(std::string_view key) {
    std::string name(1, static_cast<char>(store::selector_kind::key));
    name += key;
    return name;
}

} // namespace

put_result write_queue::put(store::response_ptr response, steady_time now) {
    const http::key_view key = view(*response);
    const store::version& version = response->meta().version;
    if (const auto floor = floor_of(key); floor && version < *floor) {
        ++counts_.below;
        mark(*response, store::reach::refused);
        return put_result::invalidated;
    }

    for (const batch_ptr& batch : in_flight_)
        for (const store::response_ptr& sent : batch->puts)
            if (key_view_equal{}(view(*sent), key) && sent->meta().version >= version) {
                ++counts_.coalesced;
                if (sent->meta().version > version) mark(*response, store::reach::refused);
                return put_result::older;
            }

    if (const auto found = put_index_.find(key); found != put_index_.end()) {
        const put_list::iterator at = found->second;
        ++counts_.coalesced;
        if (const store::version& waiting = at->response->meta().version; waiting >= version) {
            if (waiting > version) mark(*response, store::reach::refused);
            return put_result::older;
        }
        // It keeps the place of the older one, so that a key that changes all the time is sent all the same.
        put_index_.erase(found);
        put_bytes_ += cost(*response);
        put_bytes_ -= cost(*at->response);
        mark(*at->response, store::reach::refused);
        mark(*response, store::reach::shared);
        *at = {std::move(response), now};
        put_index_.emplace(view(*at->response), at);
        make_room();
        return put_result::replaced;
    }

    const std::size_t size = cost(*response);
    if (size > limits_.bytes) {
        ++counts_.too_large;
        mark(*response, store::reach::lost);
        return put_result::dropped;
    }
    put_bytes_ += size;
    mark(*response, store::reach::shared);
    const put_list::iterator at = puts_.insert(puts_.end(), {std::move(response), now});
    put_index_.emplace(view(*at->response), at);
    const std::size_t before = puts_.size();
    make_room();
    // What is in flight cannot go, so the newcomer itself may have had to.
    return puts_.empty() && before != 0 ? put_result::dropped : put_result::queued;
}

void write_queue::invalidate(http::key_view key, const store::version& floor, steady_time now) {
    forget_below(key, floor);
    add_floor({key_floor_name(key.bytes), key.hash, floor, now}, false);
    merge_floors_if_too_many();
    make_room();
}

void write_queue::purge(std::string_view name, std::uint64_t hash, const store::version& floor,
                        steady_time now) {
    const bool of_all = name == everything || name == soft_everything;
    add_floor({std::string(name), of_all ? 0 : hash, floor, now}, false);
    merge_floors_if_too_many();
    make_room();
}

void write_queue::add_floor(floor_item item, bool first) {
    if (const auto all = floor_index_.find({everything, 0});
        all != floor_index_.end() && item.floor <= all->second->floor)
        return;
    if (const auto waiting = floor_index_.find(view(item)); waiting != floor_index_.end()) {
        waiting->second->floor = std::max(waiting->second->floor, item.floor);
        waiting->second->since = std::min(waiting->second->since, item.since);
        return;
    }
    const floor_list::iterator at = floors_.insert(first ? floors_.begin() : floors_.end(), std::move(item));
    floor_index_.emplace(view(*at), at);
    floor_bytes_ += cost(*at);
}

void write_queue::forget_below(http::key_view key, const store::version& floor) {
    const auto found = put_index_.find(key);
    if (found == put_index_.end() || found->second->response->meta().version >= floor) return;
    erase_put(found->second, store::reach::refused);
    ++counts_.below;
}

std::size_t write_queue::forget_puts() {
    const std::size_t count = puts_.size();
    while (!puts_.empty()) erase_put(puts_.begin(), store::reach::lost);
    return count;
}

batch_ptr write_queue::take() {
    if (!has_work()) return nullptr;
    auto batch = std::make_shared<write_batch>();
    batch->id = ++last_id_;
    std::size_t bytes = 0;
    if (!floors_.empty()) {
        while (!floors_.empty() && batch->floors.size() < limits_.batch_records &&
               bytes < limits_.batch_bytes) {
            floor_item& first = floors_.front();
            bytes += first.name.size();
            floor_index_.erase(view(first));
            batch->floors.push_back(std::move(first));
            floors_.pop_front();
        }
    } else {
        std::size_t tags = 0;
        while (!puts_.empty() && batch->puts.size() + tags / limits_.tags_as_record < limits_.batch_records) {
            const store::stored_response& first = *puts_.front().response;
            tags += first.tags().size();
            const std::size_t size =
                first.key().size() * 2 + first.head().size() + first.content().size() + 128;
            if (!batch->puts.empty() && bytes + size > limits_.batch_bytes) break;
            bytes += size;
            put_index_.erase(view(first));
            batch->puts_since.push_back(puts_.front().since);
            batch->puts.push_back(std::move(puts_.front().response));
            puts_.pop_front();
        }
    }
    in_flight_.push_back(batch);
    return batch;
}

void write_queue::acknowledge(std::uint64_t id) {
    const auto found =
        std::find_if(in_flight_.begin(), in_flight_.end(), [id](const batch_ptr& b) { return b->id == id; });
    if (found == in_flight_.end()) return;
    for (const store::response_ptr& sent : (*found)->puts) put_bytes_ -= cost(*sent);
    for (const floor_item& sent : (*found)->floors) floor_bytes_ -= cost(sent);
    in_flight_.erase(found);
}

void write_queue::put_back(std::uint64_t id) {
    const auto found =
        std::find_if(in_flight_.begin(), in_flight_.end(), [id](const batch_ptr& b) { return b->id == id; });
    if (found == in_flight_.end()) return;
    const batch_ptr batch = std::move(*found);
    in_flight_.erase(found);
    for (const store::response_ptr& sent : batch->puts) put_bytes_ -= cost(*sent);
    for (const floor_item& sent : batch->floors) floor_bytes_ -= cost(sent);
    if constexpr (planted == mutant::failed_batch_is_lost) return;

    for (auto sent = batch->floors.rbegin(); sent != batch->floors.rend(); ++sent) add_floor(*sent, true);
    for (std::size_t i = batch->puts.size(); i-- > 0;) {
        const store::response_ptr& sent = batch->puts[i];
        const http::key_view key = view(*sent);
        if (put_index_.contains(key)) { // put() took it because it is newer
            ++counts_.coalesced;
            mark(*sent, store::reach::refused);
            continue;
        }
        if (const auto floor = floor_of(key); floor && sent->meta().version < *floor) {
            ++counts_.below;
            mark(*sent, store::reach::refused);
            continue;
        }
        const put_list::iterator at = puts_.insert(puts_.begin(), {sent, batch->puts_since[i]});
        put_index_.emplace(key, at);
        put_bytes_ += cost(*sent);
    }
    merge_floors_if_too_many();
    make_room();
}

std::optional<store::version> write_queue::floor_of(http::key_view key) const {
    std::optional<store::version> floor;
    if (floors_.empty() && in_flight_.empty()) return floor;
    if (const auto found = floor_index_.find({everything, 0}); found != floor_index_.end())
        raise(floor, found->second->floor);
    const std::string name = key_floor_name(key.bytes);
    if (const auto found = floor_index_.find({name, key.hash}); found != floor_index_.end())
        raise(floor, found->second->floor);
    for (const batch_ptr& batch : in_flight_)
        for (const floor_item& sent : batch->floors)
            if (sent.is_everything() || sent.name == name) raise(floor, sent.floor);
    return floor;
}

std::optional<store::version> write_queue::version_of(http::key_view key) const {
    if (const auto found = put_index_.find(key); found != put_index_.end())
        return found->second->response->meta().version;
    std::optional<store::version> newest;
    for (const batch_ptr& batch : in_flight_)
        for (const store::response_ptr& sent : batch->puts)
            if (key_view_equal{}(view(*sent), key)) raise(newest, sent->meta().version);
    return newest;
}

bool write_queue::holds(const store::stored_response& response) const {
    const http::key_view key = view(response);
    const store::version& version = response.meta().version;
    if (const auto found = put_index_.find(key);
        found != put_index_.end() && found->second->response->meta().version == version)
        return true;
    for (const batch_ptr& batch : in_flight_)
        for (const store::response_ptr& sent : batch->puts)
            if (sent->meta().version == version && key_view_equal{}(view(*sent), key)) return true;
    return false;
}

std::size_t write_queue::depth() const noexcept {
    std::size_t count = puts_.size() + floors_.size();
    for (const batch_ptr& batch : in_flight_) count += batch->puts.size() + batch->floors.size();
    return count;
}

queue_counts write_queue::take_counts() { return std::exchange(counts_, {}); }

void write_queue::erase_put(put_list::iterator at, store::reach why) {
    mark(*at->response, why);
    put_index_.erase(view(*at->response));
    put_bytes_ -= cost(*at->response);
    puts_.erase(at);
}

void write_queue::make_room() {
    if constexpr (planted == mutant::queue_without_bound) return;
    while (bytes() > limits_.bytes && !puts_.empty()) {
        erase_put(puts_.begin(), store::reach::lost);
        ++counts_.full;
        counts_.overflowed = true;
    }
}

void write_queue::merge_floors_if_too_many() {
    if (floors_.size() <= limits_.floors && floor_bytes_ <= limits_.bytes / 4) return;
    std::optional<store::version> hard, soft;
    steady_time since = steady_time::max(); // of the one that has waited longest
    for (const floor_item& waiting : floors_) {
        raise(waiting.is_soft() ? soft : hard, waiting.floor);
        since = std::min(since, waiting.since);
        floor_bytes_ -= cost(waiting);
    }
    if (!hard && !soft) return;
    ++counts_.merged;
    floor_index_.clear();
    floors_.clear();
    if (hard) add_floor({std::string(everything), 0, *hard, since}, false);
    if (soft) add_floor({std::string(soft_everything), 0, *soft, since}, false);
}

shared_write_queue::put_outcome shared_write_queue::put(store::response_ptr response, steady_time now) {
    const std::lock_guard lock(mutex_);
    put_outcome out{queue_.put(std::move(response), now), false};
    if (out.what == put_result::queued || out.what == put_result::replaced)
        out.wake = std::exchange(consumer_waits_, false);
    return out;
}

bool shared_write_queue::invalidate(http::key_view key, const store::version& floor, steady_time now) {
    const std::lock_guard lock(mutex_);
    queue_.invalidate(key, floor, now);
    return std::exchange(consumer_waits_, false);
}

batch_ptr shared_write_queue::take() {
    const std::lock_guard lock(mutex_);
    batch_ptr batch = queue_.take();
    if (!batch) consumer_waits_ = true;
    return batch;
}

} // namespace meshcache::replica
