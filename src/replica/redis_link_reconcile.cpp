// Reconciliation: after a gap in the log, after Redis has lost what it held, and after the queue had
// overflowed, the local store and Redis are compared key by key, in bounded steps, beside everything else.
#include "reconcile.hpp"
#include "redis_link_impl.hpp"
#include "scripts.hpp"

#include <meshcache/base/test_hooks.hpp>
#include <meshcache/store/vary.hpp>

#include <spdlog/logger.h>

#include <utility>

namespace meshcache::replica {

/// One step: some local responses, and what Redis says of them.
struct link::impl::reconcile_step {
    std::uint64_t run = 0;
    std::vector<store::response_ptr> held;
    std::vector<std::optional<store::version>> in_redis;
    std::vector<std::optional<store::version>> floors;
    std::vector<bool> unknown; ///< Redis answered with an error
    bool last = false;
};

void link::impl::request_reconciliation(std::string_view why) {
    log_->info("redis {}: reconciling, because {}", settings_.address.to_string(), why);
    reconcile_wanted_ = true;
    if (serving_ && !reconciling_) begin_reconciliation();
}

void link::impl::begin_reconciliation() {
    if (draining_) return;
    reconcile_wanted_ = false;
    reconciling_ = true;
    reconcile_cursor_ = 0;
    ++reconcile_run_;
    reconcile_done_.store(0);
    reconcile_total_.store(local_.stats().objects);
    publish_state();
    if constexpr (planted == mutant::reconcile_skipped) return end_reconciliation();
    next_reconcile_step();
}

void link::impl::pause_reconciliation(milliseconds pause) {
    reconcile_timer_.expires_after(pause);
    reconcile_timer_.async_wait([this, run = reconcile_run_](error_code e) {
        if (!e && run == reconcile_run_) next_reconcile_step();
    });
}

void link::impl::next_reconcile_step() {
    if (!serving_ || !reconciling_) return;
    // Putting again must not push out of the queue what is new.
    if (queue_.with([this](const write_queue& q) { return q.bytes() > settings_.queue_bytes / 2; })) {
        pause_reconciliation(milliseconds{20});
        return;
    }
    auto step = std::make_shared<reconcile_step>();
    step->run = reconcile_run_;
    reconcile_cursor_ = local_.scan(reconcile_cursor_, reconcile_keys, step->held);
    step->last = reconcile_cursor_ == 0;
    const std::size_t count = step->held.size();
    if (count == 0) {
        if (step->last)
            end_reconciliation();
        else
            pause_reconciliation(milliseconds{0});
        return;
    }
    step->in_redis.resize(count);
    step->floors.resize(count);
    step->unknown.resize(count);

    std::vector<std::string> selectors;
    selectors.reserve(count);
    std::vector<std::string_view> scores{"ZMSCORE", names_.floors()};
    for (const store::response_ptr& r : step->held) {
        selectors.push_back("k" + std::string(http::primary_of(r->key()))); // it holds for variants
        scores.push_back(selectors.back());
    }
    command_->send(scores, settings_.command_timeout, [step](const reply_view* reply) {
        if (reply == nullptr) return;
        for (std::size_t i = 0; i < step->floors.size(); ++i) {
            if (reply->size() <= i) {
                step->unknown[i] = true;
                continue;
            }
            step->floors[i] = version_at_score((*reply)[i].text());
        }
    });
    for (std::size_t i = 0; i < count; ++i) {
        const std::string name = names_.record(step->held[i]->key());
        const std::string_view getrange[] = {"GETRANGE", name, "0", "15"};
        command_->send(getrange, settings_.command_timeout, [this, step, i, count](const reply_view* reply) {
            if (reply == nullptr) return;
            if (reply->is_error() && !reply->text().starts_with("WRONGTYPE")) step->unknown[i] = true;
            step->in_redis[i] =
                store::version::from_bytes(reply->is_error() ? std::string_view{} : reply->text());
            if (i + 1 == count) on_reconcile_step(step);
        });
    }
}

void link::impl::on_reconcile_step(const std::shared_ptr<reconcile_step>& step) {
    if (!serving_ || !reconciling_ || step->run != reconcile_run_) return;
    const wall_time now = clock_.wall();
    reconcile_done_.fetch_add(step->held.size());
    for (std::size_t i = 0; i < step->held.size(); ++i) {
        if (step->unknown[i]) continue;
        const store::response_ptr& held = step->held[i];
        const http::key_view key{held->key(), held->hash()};
        const store::version& version = held->meta().version;
        auto in_redis = step->in_redis[i];
        if (in_redis && store::too_far_ahead(*in_redis, now)) {
            slab_.add(counter::versions_refused);
            in_redis.reset(); // the put script lets it make way, too
        }
        // As the put script would hold it against the floor.
        const store::version oldest = store::oldest_admitted(*held);
        const http::key_view primary = primary_view(key);
        const floor_memory::item* const known = floors_.find(primary);
        const bool knew = known != nullptr && step->floors[i] &&
                          known->heard.stamp >= step->floors[i]->stamp && oldest > known->bound.mine;
        const milliseconds skew = knew ? milliseconds{0} : settings_.max_clock_skew;
        // A purge of a URI leaves the records of its variants in Redis where they are.
        if (primary.hash != key.hash && in_redis == version && step->floors[i] &&
            oldest.stamp <= step->floors[i]->stamp + (static_cast<std::uint64_t>(skew.count()) << 16))
            in_redis.reset();
        switch (judge(version, oldest, in_redis, step->floors[i], skew, floors_complete_)) {
        case verdict::keep:
            break;
        case verdict::refresh:
            versions_.observe(*in_redis);
            if (local_.supersede(key, *in_redis)) {
                slab_.add(counter::reconcile_dropped);
                slab_.add(counter::removed_invalidated);
                want(key, *in_redis, store::insert_for::use);
            }
            break;
        case verdict::drop:
            if (step->floors[i]) {
                const store::version& floor = *step->floors[i];
                if (!store::too_far_ahead(floor, now)) {
                    versions_.observe(floor);
                    apply_floor(primary, floor, now);
                }
            } else if (local_.erase(key, version)) {
                slab_.add(counter::removed_invalidated);
            }
            slab_.add(counter::reconcile_dropped);
            break;
        case verdict::restore:
            if (usable_for(*held, now) <= milliseconds{0}) break;
            if (queue_.put(held, clock_.steady()).what == put_result::queued)
                slab_.add(counter::reconcile_put);
            break;
        }
    }
    pump();
    pump_refetches();
    if (!serving_ || !reconciling_ || step->run != reconcile_run_) return;
    if (step->last)
        end_reconciliation();
    else
        pause_reconciliation(reconcile_pause);
}

void link::impl::end_reconciliation() {
    reconciling_ = false;
    slab_.add(counter::reconciliations);
    if (reconcile_wanted_) {
        begin_reconciliation();
        return;
    }
    floors_complete_ = true;
    log_->info("redis {}: reconciled", settings_.address.to_string());
    publish_state();
}

} // namespace meshcache::replica
