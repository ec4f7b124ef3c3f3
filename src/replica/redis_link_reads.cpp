// Look-ups of requests, each with its deadline, and fetching in the background what was replaced elsewhere.
// Both are pipelined on the command connection: a batch before them holds Redis for about a millisecond.
#include "codec.hpp"
#include "redis_link_impl.hpp"

#include <meshcache/base/test_hooks.hpp>
#include <meshcache/store/vary.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::replica {

namespace {

/// How a record that did not decode is counted.
counter counter_of(error_code e) noexcept {
    if (e == make_error_code(errc::record_truncated)) return counter::redis_records_truncated;
    if (e == make_error_code(errc::record_checksum)) return counter::redis_records_checksum;
    if (e == make_error_code(errc::record_key_mismatch)) return counter::redis_records_key;
    return counter::redis_records_codec;
}

} // namespace

void link::impl::take_lookups() {
    std::vector<lookup_ptr> taken;
    {
        const std::lock_guard lock(gate_mutex_);
        taken.swap(inbox_);
    }
    for (const lookup_ptr& request : taken) begin_lookup(request);
}

void link::impl::begin_lookup(const lookup_ptr& request) {
    if (!serving_) {
        answer(request, {});
        return;
    }
    if (!request->sync) slab_.add(counter::redis_lookups);
    request->begun = versions_.next(clock_.wall());
    request->sent = clock_.steady();
    pending_lookups_.push_back(request);
    if (!lookup_timer_armed_) arm_lookup_timer();
    if (request->sync) return send_sync(request);
    // A Redis that takes no writes gives no leases either.
    if (request->acquire && !writes_paused_ && write_errors_ == 0) return send_lease(request);
    send_lookup(request);
}

void link::impl::send_lookup(const lookup_ptr& request) {
    const std::string name = names_.record(request->key);
    const std::string_view get[] = {"GET", name};
    command_->send(get, settings_.command_timeout,
                   [this, request](const reply_view* reply) { on_lookup_reply(request, reply); });
}

void link::impl::on_lookup_reply(const lookup_ptr& request, const reply_view* reply) {
    if (reply != nullptr) answered(histogram::command_lookup, request->sent);
    if (!request->open()) return; // its deadline has passed
    store::response_ptr response;
    bool failed = reply == nullptr;
    const bool absent = reply != nullptr && reply->what() == reply_view::kind::nil;
    if (reply != nullptr) {
        if (reply->is_error()) {
            slab_.add(counter::redis_errors);
            // Something foreign at that name is a miss; all else says that Redis is unwell.
            failed = !reply->text().starts_with("WRONGTYPE");
            if (failed) note_error("look-up", reply->text());
        } else if (reply->what() == reply_view::kind::text) {
            response = accept_record(reply->text(), {request->key, request->hash}, request->begun);
        }
    }
    count_lookup(failed);
    if (response) slab_.add(counter::redis_lookup_hits);
    answer(request, {.response = std::move(response), .lease = {}, .absent = absent});
}

void link::impl::count_lookup(bool failed) {
    const std::lock_guard lock(gate_mutex_);
    if (failed)
        breaker_.failure(clock_.steady());
    else
        breaker_.success();
}

void link::impl::answer(const lookup_ptr& request, acquired result) {
    const lookup_handler handler = std::exchange(request->handler, nullptr);
    const acquire_handler acquire = std::exchange(request->acquire, nullptr);
    const sync_handler sync = std::exchange(request->sync, nullptr);
    if (!handler && !acquire && !sync) return;
    leave_lease_waiters(request);
    {
        const std::lock_guard lock(gate_mutex_);
        --lookups_;
    }
    if (handler)
        handler(std::move(result.response), result.absent);
    else if (acquire)
        acquire(std::move(result));
    else
        sync(false);
}

void link::impl::answer_all_lookups() {
    for (const lookup_ptr& request : std::exchange(pending_lookups_, {}))
        if (!request->waits) answer(request, {});
    answer_lease_waiters();
    syncs_.clear(); // they were among those
    std::vector<lookup_ptr> taken;
    {
        const std::lock_guard lock(gate_mutex_);
        taken.swap(inbox_);
    }
    for (const lookup_ptr& request : taken) answer(request, {});
}

/// One timer for all, set again only when it expires: time-outs are the exception.
void link::impl::arm_lookup_timer() {
    lookup_timer_armed_ = true;
    const auto left =
        std::max(pending_lookups_.front()->deadline - clock_.steady(), steady_time::duration{0});
    lookup_timer_.expires_after(left);
    lookup_timer_.async_wait([this](error_code) {
        lookup_timer_armed_ = false;
        on_lookup_timer();
    });
}

void link::impl::on_lookup_timer() {
    const steady_time now = clock_.steady();
    while (!pending_lookups_.empty()) {
        const lookup_ptr request = pending_lookups_.front();
        if (request->open() && !request->waits) {
            if (request->deadline > now) break;
            slab_.add(counter::redis_lookup_timeouts);
            count_lookup(true);
            pending_lookups_.pop_front();
            answer(request, {});
        } else {
            pending_lookups_.pop_front();
        }
    }
    if (!pending_lookups_.empty() && !lookup_timer_armed_) arm_lookup_timer();
}

store::response_ptr link::impl::accept_record(std::string_view record, http::key_view key,
                                              const store::version& begun) {
    const auto decoded = decode(record, key);
    if (!decoded) {
        slab_.add(counter_of(decoded.error()));
        note_error("a record did not decode", decoded.error().message());
        return nullptr;
    }
    const store::response_ptr& response = *decoded;
    const store::version& version = response->meta().version;
    const wall_time now = clock_.wall();
    if (store::too_far_ahead(version, now)) {
        slab_.add(counter::versions_refused);
        return nullptr;
    }
    versions_.observe(version);
    if (usable_for(*response, now) <= milliseconds{0}) return nullptr;
    if constexpr (planted == mutant::lookup_ignores_floors) return response;
    // Floors that may not have reached Redis yet, and those that mean more here than there.
    const store::version oldest = store::oldest_admitted(*response);
    const auto [queued, ours] =
        queue_.with([&](const write_queue& q) { return std::pair(q.floor_of(key), q.version_of(key)); });
    // A newer one was stored here, has left the local store, and is still on its way to Redis.
    if (ours && version < *ours) return nullptr;
    if (queued && (oldest < *queued || may_be_older(oldest, *queued))) return nullptr;
    if (const floor_memory::item* floor = floors_.find(key); floor != nullptr) {
        if (floor->bound.covers(oldest)) return nullptr;
        // What was read since it is known here, Redis has held against it.
        if (begun < floor->bound.mine && may_be_older(oldest, floor->floor)) return nullptr;
    }
    if (http::is_variant_key(key.bytes) && variant_is_invalid(primary_view(key), version)) return nullptr;
    if constexpr (planted == mutant::lookup_ignores_groups) return response;
    return local_.admit(response);
}

bool link::impl::may_be_older(const store::version& version, const store::version& floor) const noexcept {
    if (version.replica == floor.replica || version.replica == versions_.replica()) return false;
    return version.time() <= floor.time() + settings_.max_clock_skew;
}

/// A purge of a URI leaves the records of variants in Redis where they are. So one within the skew is not
/// taken, whenever it was read: it costs a fetch, after which there is a newer one.
bool link::impl::variant_is_invalid(http::key_view primary, const store::version& version) const {
    const auto queued = queue_.with([&](const write_queue& q) { return q.floor_of(primary); });
    if (queued && (version < *queued || may_be_older(version, *queued))) return true;
    const floor_memory::item* const floor = floors_.find(primary);
    if (floor == nullptr) return false;
    return floor->bound.covers(version) || may_be_older(version, floor->floor);
}

bool link::impl::take_up(store::response_ptr response, const store::version& begun, store::insert_for why) {
    const auto outcome = local_.insert(std::move(response), begun, why);
    if (outcome.took()) slab_.add(counter::stored);
    if (outcome.what == store::insert_result::replaced) slab_.add(counter::removed_replaced);
    if (outcome.displaced) slab_.add(counter::removed_variants);
    slab_.add(counter::removed_evicted, outcome.evicted);
    return outcome.took();
}

void link::impl::want(http::key_view key, const store::version& at_least, store::insert_for why) {
    // While catching up with the log it waits until commands flow.
    if (draining_ || !settings_.refresh) return;
    if (waiting_refetches_.size() >= max_waiting_refetches) {
        slab_.add(counter::refreshes_skipped);
        return;
    }
    // Of two that wait for one key the first will bring what is newest by then.
    if (!refetch_hashes_.insert(key.hash).second) return;
    waiting_refetches_.push_back({std::string(key.bytes), key.hash, at_least, why});
}

void link::impl::pump_refetches() {
    while (serving_ && refetches_ < max_refetches && !waiting_refetches_.empty()) {
        refetch next = std::move(waiting_refetches_.front());
        waiting_refetches_.pop_front();
        refetch_hashes_.erase(next.hash);
        ++refetches_;
        const store::version begun = versions_.next(clock_.wall());
        const std::string name = names_.record(next.key);
        const std::string_view get[] = {"GET", name};
        command_->send(get, settings_.command_timeout,
                       [this, begun, next = std::move(next)](const reply_view* reply) {
                           --refetches_;
                           if (reply == nullptr) return;
                           store::response_ptr response;
                           if (reply->what() == reply_view::kind::text)
                               response = accept_record(reply->text(), {next.key, next.hash}, begun);
                           const bool taken = response && response->meta().version >= next.at_least &&
                                              take_up(std::move(response), begun, next.why);
                           slab_.add(taken ? counter::refreshes_stored : counter::refreshes_unusable);
                           pump_refetches();
                       });
    }
}

} // namespace meshcache::replica
