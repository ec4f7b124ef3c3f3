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

/// The highest version of a millisecond.
store::version end_of(wall_time t) noexcept {
    return {static_cast<std::uint64_t>(t.time_since_epoch().count()) << 16 | 0xffff,
            std::numeric_limits<std::uint64_t>::max()};
}

/// The entry with these names and values; `fields` is room for them.
std::optional<log_entry> entry_of(const reply_view& pairs, std::vector<std::string_view>& fields) {
    fields.clear();
    for (std::size_t f = 0; f < pairs.size(); ++f) fields.push_back(pairs[f].text());
    std::size_t skipped = 0; // nobody counts what later releases may add
    return read_entry(fields, skipped);
}

} // namespace

void link::impl::locate() {
    if (!position_) {
        // What this replica stored before it first met the others may be out of date by their reckoning.
        locate_end([this] { advance(); });
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
        locate_end(std::move(then));
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
                out_of_touch_ = false; // nothing was missed all the same
                then();
                return;
            }
            on_gap(then);
        });
}

/// Entries were missed, or what they told is gone: the log was trimmed past our place, or lost.
void link::impl::on_gap(std::function<void()> then) {
    slab_.add(counter::log_gaps);
    log_->warn("redis {}: the change log has a gap after {}", settings_.address.to_string(),
               position_->to_string());
    // What is passed over may be of keys that are not held.
    if (settings_.replicate_all) warm_wanted_ = true;
    anchor_.reset();
    // Not even the place behind the gap is kept: if the connection goes before all is made good, it is to be
    // made good by the next one.
    position_.reset();
    locate_end(std::move(then));
}

/// Moves to the end of the log once the floors of groups are read that it may have told of before. Only then
/// is there a position: whoever loses the connection on the way begins here again.
void link::impl::locate_end(std::function<void()> then) {
    if (std::exchange(out_of_touch_, false) || is_long_ago(clock_.wall())) {
        floors_complete_ = false;
        const std::size_t lost = queue_.with([](write_queue& q) { return q.forget_puts(); });
        slab_.add(counter::redis_puts_dropped_gap, lost);
    }
    floors_.forget_heard();
    groups_.forget_heard();
    if constexpr (planted != mutant::gap_ignored) tell_floors_again();
    if (position_ && settings_.replicate_all)
        warm_wanted_ = true; // an empty log, in which more may have been
    ask(*follower_, {"XREVRANGE", names_.log(), "+", "-", "COUNT", "1"}, "reading the log",
        [this, then = std::move(then)](const reply_view& reply) {
            stream_id end;
            std::uint64_t number = 0;
            if (reply.size() > 0 && reply[0].size() > 1) {
                if (const auto id = stream_id::parse(reply[0][0].text())) end = *id;
                std::vector<std::string_view> fields;
                if (const auto entry = entry_of(reply[0][1], fields)) number = entry->number;
            }
            const auto arrive = [this, end, number, then] {
                position_ = end;
                read_number_ = number;
                show_position();
                then();
            };
            if constexpr (planted == mutant::gap_ignored) return arrive();
            // Floors of keys that were raised before are not told again: what is on its way is not stored,
            // and what is stored is compared. In this order, so that nothing comes between the two.
            local_.raise_base(versions_.next(clock_.wall()));
            if (local_.stats().objects > 0) reconcile_wanted_ = true;
            load_groups(std::make_shared<loaded_groups>(), arrive);
        });
}

/// Pages from the highest down: what is raised meanwhile moves up, and pushes others into pages to come. What
/// moved is in the log after our position.
void link::impl::load_groups(const std::shared_ptr<loaded_groups>& so_far, std::function<void()> then) {
    if constexpr (planted == mutant::groups_not_read) return then();
    const std::string from = std::to_string(so_far->size());
    const std::string to = std::to_string(so_far->size() + groups_page - 1);
    ask(*follower_, {"ZREVRANGE", names_.groups(), from, to, "WITHSCORES"}, "reading the floors",
        [this, so_far, then = std::move(then)](const reply_view& reply) {
            for (std::size_t i = 0; i + 1 < reply.size(); i += 2)
                so_far->emplace_back(reply[i].text(), reply[i + 1].text());
            if (reply.size() >= 2 * groups_page && so_far->size() < 2 * max_groups) {
                load_groups(so_far, then);
                return;
            }
            // The lowest first, so that those are forgotten first.
            const wall_time now = clock_.wall();
            for (auto group = so_far->rbegin(); group != so_far->rend(); ++group) {
                const auto floor = version_at_score(group->second);
                if (!floor || store::too_far_ahead(*floor, now)) continue;
                const auto selector = store::selector::parse(group->first);
                if (!selector || !selector->is_group()) continue;
                versions_.observe(*floor);
                // Who made it is not told, nor have the versions been seen that Redis had taken before it.
                const store::version made{floor->stamp, 0}, here = local_floor(made, now);
                local_.raise_group(*selector,
                                   store::floor_bound::found(made, here, settings_.max_clock_skew));
                know_group(group->first, *selector, made, here);
                groups_.hear(local_.view(group->first), made);
            }
            then();
        });
}

/// Redis was emptied, or has come back with what it held some time ago, and has forgotten what was purged
/// since. Replicas that were cut off since before the purge must not bring it back. Others may have told it
/// of some purges already, so each floor that is remembered here is compared.
void link::impl::tell_floors_again() {
    if constexpr (planted == mutant::floors_not_told_again) return;
    tell_again(floors_.all(), names_.floors(), true);
    tell_again(groups_.all(), names_.groups(), false);
}

void link::impl::tell_again(std::vector<floor_memory::item> floors, const std::string& set, bool of_keys) {
    const auto remembered = std::make_shared<const std::vector<floor_memory::item>>(std::move(floors));
    for (std::size_t begin = 0; begin < remembered->size(); begin += reconcile_keys) {
        const std::size_t count = std::min(reconcile_keys, remembered->size() - begin);
        std::vector<std::string> selectors;
        selectors.reserve(count);
        std::vector<std::string_view> arguments{"ZMSCORE", set};
        for (std::size_t i = 0; i < count; ++i) {
            selectors.push_back((of_keys ? "k" : "") + (*remembered)[begin + i].key);
            arguments.push_back(selectors.back());
        }
        follower_->send(arguments, settings_.command_timeout,
                        [this, remembered, begin, count, of_keys](const reply_view* reply) {
                            if (reply == nullptr) return;
                            if (reply->is_error()) return fail("reading the floors", reply->text());
                            for (std::size_t i = 0; i < count && i < reply->size(); ++i) {
                                const floor_memory::item& f = (*remembered)[begin + i];
                                const auto there = version_at_score((*reply)[i].text());
                                if (there && *there >= f.floor) continue;
                                queue_.with([&](write_queue& q) {
                                    if (of_keys)
                                        q.invalidate({f.key, f.hash}, f.floor, clock_.steady());
                                    else
                                        q.purge(f.key, f.hash, f.floor, clock_.steady());
                                });
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

/// Whether something between the entry that was read last and this one was not read.
bool link::impl::is_missed(const log_entry& entry, bool has_followed) noexcept {
    if (entry.number == 0) return entry.is_first && has_followed;
    const std::uint64_t before = std::exchange(read_number_, entry.number);
    return has_followed && (entry.is_first || (before != 0 && entry.number != before + 1));
}

void link::impl::on_log_reply(const reply_view& reply, bool blocked) {
    // [[name, [[id, [field, value, ...]], ...]]], or nil
    const wall_time now = clock_.wall();
    if (blocked && is_long_ago(now)) {
        // The process was stopped, with its connections open. Whether the log has a gap is not known yet;
        // what was read before tells.
        out_of_touch_ = true;
        if (!anchor_ || anchor_->is_start()) anchor_ = position_;
        anchor_checked_ = {};
    }
    last_synced_ = now;
    if (state_.load() == link_state::ready) in_sync_at_.store(clock_.steady().time_since_epoch().count());
    std::size_t entries = 0;
    bool lost = false;
    bool called = false;
    const auto read_before = position_;
    std::vector<std::string_view> fields;
    if (reply.size() > 0 && reply[0].size() > 1) {
        const reply_view list = reply[0][1];
        entries = list.size();
        for (std::size_t i = 0; i < entries; ++i) {
            const reply_view item = list[i];
            if (item.size() < 2) continue;
            const bool has_followed = position_ && !position_->is_start();
            if (const auto id = stream_id::parse(item[0].text())) position_ = *id;
            const auto entry = entry_of(item[1], fields);
            if (entry && is_missed(*entry, has_followed)) lost = true;
            if (entry && entry->roll_call) called = true;
            if (!entry) continue;
            const bool own = entry->replica == versions_.replica();
            for (const change& c : entry->changes) {
                if (own)
                    apply_own(c, now);
                else
                    apply(c, now);
            }
        }
        pump_refetches();
    }
    if (lost) {
        position_ = read_before; // nobody may take what lies behind the gap for what was read
        on_gap([this, blocked] {
            if (blocked)
                follow_on();
            else
                advance();
        });
        return;
    }
    show_position();
    answer_synced();
    if (called) announce();
    if (!blocked) {
        if (entries >= follow_count)
            follow(false);
        else
            advance();
        return;
    }
    if (entries > 0 || !position_ || position_->is_start()) {
        check_anchor([this] { follow_on(); });
        return;
    }
    // Nothing new for a while: make sure that it is still the same log, and not that of a Redis that was
    // flushed. What was flushed under the last traffic has left our position in the new log, but not the
    // anchor.
    anchor_checked_ = {};
    check_anchor([this] { check_position([this] { follow_on(); }); });
}

void link::impl::follow_on() {
    follow(true);
    if (reconcile_wanted_ && !reconciling_) begin_reconciliation();
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
    if (c.kind == change_kind::lease_over) return wake_lease_waiters(local_.view(c.key));
    if (c.kind == change_kind::lease_alone) return release_lease_waiters(local_.view(c.key));
    {
        const auto age = std::max(now - c.version.time(), milliseconds{0});
        slab_.observe(histogram::propagation, in_microseconds(age));
        const std::lock_guard lock(stats_mutex_);
        propagation_.add(static_cast<double>(age.count()));
    }
    switch (c.kind) {
    case change_kind::put:
        apply_put(local_.view(c.key), c.version);
        wake_lease_waiters(local_.view(c.key));
        break;
    case change_kind::floor:
        apply_floor(local_.view(c.key), c.version, now);
        break;
    case change_kind::group_floor:
        apply_group_floor(c.key, c.version, now);
        break;
    case change_kind::lease_over:
    case change_kind::lease_alone:
        break;
    }
}

/// What this replica has told is in force here already, but for a floor that Redis has made one with another
/// of which this replica did not know.
void link::impl::apply_own(const change& c, wall_time now) {
    if (c.kind != change_kind::floor && c.kind != change_kind::group_floor) return;
    if (c.version.replica == 0) return apply(c, now);
    floor_memory& known = c.kind == change_kind::floor ? floors_ : groups_;
    known.hear(local_.view(c.key), c.version);
}

void link::impl::apply_put(http::key_view key, const store::version& version) {
    if constexpr (planted == mutant::log_puts_ignored) return;
    const store::response_ptr held = local_.peek(key);
    if (held && held->meta().version >= version) {
        // What was given here, and nobody else has, is not followed by something older elsewhere.
        if (held->meta().reached.get() == store::reach::alone && held->meta().version > version)
            (void)invalidate(key.bytes, held->meta().version);
        return;
    }
    // Also where nothing is held: a fill that is under way may be older.
    const bool dropped = local_.supersede(key, version);
    if (dropped) slab_.add(counter::removed_invalidated);
    if (settings_.replicate_all)
        want(key, version, store::insert_for::stock);
    else if (dropped)
        want(key, version, store::insert_for::use);
}

store::version link::impl::local_floor(const store::version& floor, wall_time now) {
    if constexpr (planted == mutant::skew_ignored) return floor;
    const store::version skewed = end_of(floor.time() + settings_.max_clock_skew);
    return std::max(floor, std::min(skewed, versions_.next(now)));
}

void link::impl::apply_floor(http::key_view key, const store::version& floor, wall_time now) {
    if constexpr (planted == mutant::log_floors_ignored) return;
    const store::version here = local_floor(floor, now);
    const auto bound = store::floor_bound::heard(floor, here);
    floors_.raise(key, floor, bound);
    floors_.hear(key, floor);
    queue_.with([&](write_queue& q) { q.forget_below(key, here); });
    if (local_.raise_floor(key, bound)) slab_.add(counter::removed_invalidated);
    outdate_lease(key, here);
}

void link::impl::apply_group_floor(std::string_view name, const store::version& floor, wall_time now) {
    if constexpr (planted == mutant::log_floors_ignored) return;
    const auto selector = store::selector::parse(name);
    if (!selector || !selector->is_group()) return;
    const store::version here = local_floor(floor, now);
    // Redis lets nothing past a hard floor that its maker did not know of, so what may lie above it and be
    // older has been heard of before; what a soft one covers may still come.
    local_.raise_group(*selector, selector->soft
                                      ? store::floor_bound::found(floor, here, settings_.max_clock_skew)
                                      : store::floor_bound::heard(floor, here));
    know_group(name, *selector, floor, here);
    groups_.hear(local_.view(name), floor);
}

/// What is made here above `known` is made in the knowledge of the floor.
void link::impl::know_group(std::string_view name, const store::selector& selector,
                            const store::version& floor, const store::version& known) {
    groups_.raise(local_.view(name), floor, store::floor_bound::heard(floor, known));
    if (selector.soft) return;
    recent_groups_.push_back({selector, std::string(name), floor, known});
    if (recent_groups_.size() > max_recent_groups) recent_groups_.pop_front();
}

} // namespace meshcache::replica
