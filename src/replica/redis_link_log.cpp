// Following the change log: where to begin, whether something was missed, and what an entry means here.
#include "redis_link_impl.hpp"
#include "scripts.hpp"

#include <meshcache/base/test_hooks.hpp>

#include <boost/asio/post.hpp>
#include <spdlog/logger.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

namespace {

/// The score of a floor in ms; nullopt if there is none.
std::optional<wall_time> floor_score(const reply_view& reply) {
    const std::string_view text = reply.text();
    double ms = 0;
    if (text.empty() || std::from_chars(text.data(), text.data() + text.size(), ms).ec != std::errc{})
        return std::nullopt;
    if (!(ms >= 0 && ms < 281474976710656.0)) return std::nullopt; // 2^48
    return wall_time{milliseconds{static_cast<std::int64_t>(ms)}};
}

/// The highest version of a millisecond.
store::version end_of(wall_time t) noexcept {
    return {static_cast<std::uint64_t>(t.time_since_epoch().count()) << 16 | 0xffff,
            std::numeric_limits<std::uint64_t>::max()};
}

} // namespace

void link::impl::locate() {
    // A floor for everything is in no record's way in Redis, so it must be known before one is read.
    ask(*follower_, {"ZSCORE", names_.floors(), "a"}, "reading the floors", [this](const reply_view& reply) {
        const auto floor = floor_score(reply);
        if (floor && *floor > floor_of_all_.time()) apply_floor_of_all(end_of(*floor), clock_.wall());
    });
    if (!position_) {
        // What this replica stored before it first met the others may be out of date by their reckoning.
        if (local_.stats().objects > 0) reconcile_wanted_ = true;
        locate_end(false, [this] { advance(); });
        return;
    }
    check_position([this] { advance(); });
}

/// Whether the last entry that was read is still there; if not, entries may have been missed: trimmed, or
/// gone with everything else in Redis.
void link::impl::check_position(std::function<void()> then) {
    const std::string at = position_->to_string();
    if (position_->is_start()) {
        // The log was empty when it was last looked at.
        if (local_.stats().objects > 0) reconcile_wanted_ = true;
        locate_end(false, std::move(then));
        return;
    }
    ask(*follower_, {"XRANGE", names_.log(), at, at, "COUNT", "1"}, "reading the log",
        [this, then = std::move(then)](const reply_view& reply) {
            if (reply.size() > 0) {
                then();
                return;
            }
            on_gap(then);
        });
}

/// While entries keep coming, the position moves on with them, also into a log that has taken the place of
/// the one that was followed (FLUSHALL). So an older position is asked for now and then.
void link::impl::check_anchor(std::function<void()> then) {
    const steady_time now = clock_.steady();
    if (!anchor_ || anchor_->is_start()) anchor_ = position_;
    if (!anchor_ || anchor_->is_start() || now - anchor_checked_ < anchor_period) {
        then();
        return;
    }
    anchor_checked_ = now;
    const std::string at = anchor_->to_string();
    ask(*follower_, {"XRANGE", names_.log(), at, at, "COUNT", "1"}, "reading the log",
        [this, then = std::move(then)](const reply_view& reply) {
            if (reply.size() > 0) {
                anchor_ = position_;
                then();
                return;
            }
            on_gap(then);
        });
}

/// Entries were missed, or what they told is gone: the log was trimmed past our place, or lost.
void link::impl::on_gap(std::function<void()> then) {
    if constexpr (planted == mutant::gap_ignored) return locate_end(false, std::move(then));
    slab_.add(counter::log_gaps);
    log_->warn("redis {}: the change log has a gap after {}", settings_.address.to_string(),
               position_->to_string());
    reconcile_wanted_ = true;
    if (clock_.wall() - last_synced_ > floor_retention - std::chrono::hours{1}) {
        // Floors may have come and gone meanwhile.
        floors_complete_ = false;
        const std::size_t lost = queue_.with([](write_queue& q) { return q.forget_puts(); });
        slab_.add(counter::redis_puts_dropped, lost);
    }
    anchor_.reset();
    locate_end(true, std::move(then));
}

/// Moves to the end of the log.
void link::impl::locate_end(bool gap, std::function<void()> then) {
    if (gap) tell_floors_again();
    ask(*follower_, {"XREVRANGE", names_.log(), "+", "-", "COUNT", "1"}, "reading the log",
        [this, then = std::move(then)](const reply_view& reply) {
            stream_id end;
            if (reply.size() > 0 && reply[0].size() > 0)
                if (const auto id = stream_id::parse(reply[0][0].text())) end = *id;
            position_ = end;
            show_position();
            then();
        });
}

/// Redis was emptied, or has come back with what it held some time ago, and has forgotten what was purged
/// since. Replicas that were cut off since before the purge must not bring it back. Others may have told it
/// of some purges already, so each floor that is remembered here is compared.
void link::impl::tell_floors_again() {
    if constexpr (planted == mutant::floors_not_told_again) return;
    const auto remembered = std::make_shared<const std::vector<floor_memory::item>>(floors_.all());
    for (std::size_t begin = 0; begin < remembered->size(); begin += reconcile_keys) {
        const std::size_t count = std::min(reconcile_keys, remembered->size() - begin);
        std::vector<std::string> selectors;
        selectors.reserve(count);
        std::vector<std::string_view> arguments{"ZMSCORE", names_.floors()};
        for (std::size_t i = 0; i < count; ++i) {
            selectors.push_back("k" + (*remembered)[begin + i].key);
            arguments.push_back(selectors.back());
        }
        follower_->send(arguments, settings_.command_timeout,
                        [this, remembered, begin, count](const reply_view* reply) {
                            if (reply == nullptr) return;
                            if (reply->is_error()) return fail("reading the floors", reply->text());
                            for (std::size_t i = 0; i < count && i < reply->size(); ++i) {
                                const floor_memory::item& f = (*remembered)[begin + i];
                                const auto there = floor_score((*reply)[i]);
                                if (there && *there >= f.floor.time()) continue;
                                queue_.with([&](write_queue& q) { q.invalidate({f.key, f.hash}, f.floor); });
                            }
                            pump();
                        });
    }
}

void link::impl::show_position() {
    std::string text = position_.value_or(stream_id{}).to_string();
    const std::lock_guard lock(stats_mutex_);
    shown_position_ = std::move(text);
}

void link::impl::follow(bool block) {
    const std::string count = std::to_string(follow_count), wait = std::to_string(follow_block.count());
    const std::string from = position_.value_or(stream_id{}).to_string();
    std::vector<std::string_view> arguments{"XREAD", "COUNT", count};
    if (block) arguments.insert(arguments.end(), {"BLOCK", wait});
    arguments.insert(arguments.end(), {"STREAMS", names_.log(), from});
    follower_->send(arguments, settings_.command_timeout + (block ? follow_block : milliseconds{0}),
                    [this, block](const reply_view* reply) {
                        if (reply == nullptr) return;
                        if (reply->is_error())
                            fail("following the log", reply->text());
                        else
                            on_log_reply(*reply, block);
                    });
}

void link::impl::on_log_reply(const reply_view& reply, bool blocked) {
    // [[name, [[id, [field, value, ...]], ...]]], or nil
    const wall_time now = clock_.wall();
    last_synced_ = now;
    if (state_.load() == link_state::ready) in_sync_at_.store(clock_.steady().time_since_epoch().count());
    std::size_t entries = 0, skipped = 0;
    std::vector<std::string_view> fields;
    if (reply.size() > 0 && reply[0].size() > 1) {
        const reply_view list = reply[0][1];
        entries = list.size();
        for (std::size_t i = 0; i < entries; ++i) {
            const reply_view item = list[i];
            if (item.size() < 2) continue;
            if (const auto id = stream_id::parse(item[0].text())) position_ = *id;
            const reply_view pairs = item[1];
            fields.clear();
            for (std::size_t f = 0; f < pairs.size(); ++f) fields.push_back(pairs[f].text());
            const auto entry = read_entry(fields, skipped);
            if (!entry || entry->replica == versions_.replica()) continue;
            for (const change& c : entry->changes) apply(c, now);
        }
        pump_refetches();
    }
    show_position();
    if (!blocked) {
        if (entries >= follow_count)
            follow(false);
        else
            advance();
        return;
    }
    if (entries > 0 || !position_ || position_->is_start()) {
        check_anchor([this] {
            follow(true);
            if (reconcile_wanted_ && !reconciling_) begin_reconciliation();
        });
        return;
    }
    // Nothing new for a while: make sure that it is still the same log, and not that of a Redis that was
    // flushed. What was flushed under the last traffic has left our position in the new log, but not the
    // anchor.
    anchor_checked_ = {};
    check_anchor([this] {
        check_position([this] {
            follow(true);
            if (reconcile_wanted_ && !reconciling_) begin_reconciliation();
        });
    });
}

void link::impl::apply(const change& c, wall_time now) {
    slab_.add(counter::log_events);
    if (store::too_far_ahead(c.version, now)) {
        slab_.add(counter::versions_refused);
        note_error("log",
                   "replica " + replica_name(c.version.replica) + " has a clock more than a minute ahead");
        return;
    }
    versions_.observe(c.version);
    {
        const auto age = std::max(now - c.version.time(), milliseconds{0});
        const std::lock_guard lock(stats_mutex_);
        propagation_.add(static_cast<double>(age.count()));
    }
    switch (c.kind) {
    case change_kind::put:
        apply_put(local_.view(c.key), c.version);
        break;
    case change_kind::floor:
        apply_floor(local_.view(c.key), c.version, now);
        break;
    case change_kind::floor_all:
        apply_floor_of_all(c.version, now);
        break;
    }
}

void link::impl::apply_put(http::key_view key, const store::version& version) {
    if constexpr (planted == mutant::log_puts_ignored) return;
    const store::response_ptr held = local_.peek(key);
    if (held && held->meta().version >= version) return;
    // Also where nothing is held: a fill that is under way may be older.
    if (!local_.supersede(key, version)) return;
    slab_.add(counter::removed_invalidated);
    want(key, version);
}

store::version link::impl::local_floor(const store::version& floor, wall_time now) {
    if constexpr (planted == mutant::skew_ignored) return floor;
    const store::version skewed = end_of(floor.time() + settings_.max_clock_skew);
    return std::max(floor, std::min(skewed, versions_.next(now)));
}

void link::impl::apply_floor(http::key_view key, const store::version& floor, wall_time now) {
    if constexpr (planted == mutant::log_floors_ignored) return;
    const store::version here = local_floor(floor, now);
    floors_.raise(key, floor, here);
    queue_.with([&](write_queue& q) { q.forget_below(key, here); });
    if (local_.raise_floor(key, here)) slab_.add(counter::removed_invalidated);
}

void link::impl::apply_floor_of_all(const store::version& floor, wall_time now) {
    if (floor <= floor_of_all_) return;
    versions_.observe(floor);
    floor_of_all_ = floor;
    local_floor_of_all_ = std::max(local_floor_of_all_, local_floor(floor, now));
    // From now on put() refuses what lies below, so that fills under way do not stay, either.
    queue_.with([this](write_queue& q) { q.raise_all(local_floor_of_all_); });
    sweep(0);
}

void link::impl::sweep(std::uint64_t cursor) {
    std::vector<store::response_ptr> seen;
    cursor = local_.scan(cursor, 1024, seen);
    for (const store::response_ptr& response : seen)
        if (response->meta().version < local_floor_of_all_ &&
            local_.erase({response->key(), response->hash()}, response->meta().version))
            slab_.add(counter::removed_purged);
    if (cursor != 0 && !finished_) asio::post(io_, [this, cursor] { sweep(cursor); });
}

} // namespace meshcache::replica
