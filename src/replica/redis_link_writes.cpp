// Batches to Redis: whenever fewer than two are in flight and something waits, the next one is sent. No
// timer: idle, a change leaves at once; under load, batches grow by themselves.
#include "codec.hpp"
#include "redis_link_impl.hpp"
#include "scripts.hpp"

#include <meshcache/http/surrogate.hpp>
#include <meshcache/store/vary.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

namespace {

std::string number(std::int64_t n) { return std::to_string(n); }

settlement settlement_of(put_verdict verdict) noexcept {
    switch (verdict) {
    case put_verdict::taken:
    case put_verdict::same:
        return settlement::stored;
    case put_verdict::older:
    case put_verdict::invalidated:
        return settlement::refused;
    case put_verdict::ahead:
        break;
    }
    return settlement::unknown;
}

/// Before the queue lets go of them. What is too far ahead is not there for the others, who go on with what
/// Redis has: it is lost, whatever may be older than it.
void mark(const std::vector<store::response_ptr>& sent, std::string_view verdicts) {
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const bool told = i < verdicts.size();
        const auto what = told ? settlement_of(static_cast<put_verdict>(verdicts[i])) : settlement::unknown;
        sent[i]->meta().reached.set(what == settlement::stored    ? store::reach::shared
                                    : what == settlement::refused ? store::reach::refused
                                                                  : store::reach::lost);
    }
}

} // namespace

milliseconds link::impl::usable_for(const store::stored_response& response, wall_time now) noexcept {
    const http::lifetime& life = response.meta().life;
    const wall_time until = std::max({life.fresh_until, life.stale_until, life.error_until});
    // A record must not outlive the floors that cover it.
    return std::min(until - now, max_record_life);
}

void link::impl::wake_writer() {
    asio::post(io_, [this] { pump(); });
}

void link::impl::pump() {
    while (serving_ && !writes_paused_ && batches_ < max_batches) {
        const batch_ptr batch = queue_.take();
        if (!batch) break;
        ++batches_;
        if (!batch->floors.empty()) {
            send_floors(batch);
        } else if (!send_puts(batch)) {
            --batches_;
            queue_.with([&](write_queue& q) { q.acknowledge(batch->id); });
        }
    }
    check_drained();
}

/// Appends which floors the maker of `response` knew of: selector and position in turn. Those that lie
/// further below it than clocks may differ make no difference, and are left out.
void link::impl::append_known(const store::stored_response& response, std::vector<std::string>& out) const {
    const auto add = [&](std::string name, const store::version& floor) {
        out.push_back(std::move(name));
        out.push_back(position_text(floor));
    };
    const auto add_of = [&](http::key_view key) {
        const floor_memory::item* const own = floors_.find(key);
        const store::version oldest = store::oldest_admitted(response);
        if (own != nullptr && oldest > own->bound.mine && !own->bound.covers(oldest))
            add("k" + std::string(key.bytes), own->floor);
    };
    const http::key_view key{response.key(), response.hash()};
    add_of(key);
    // The floor of a URI holds for its variants.
    if (http::is_variant_key(key.bytes)) add_of(primary_view(key));
    const store::version& made = response.meta().version;
    for (const known_group& g : recent_groups_)
        if (made > g.known && made.time() <= g.floor.time() + settings_.max_clock_skew + milliseconds{1} &&
            store::covers(g.selector, response)) {
            // All floors of the group must have been known.
            const floor_memory::item* const all = groups_.find(local_.view(g.name));
            if (all != nullptr && made > all->bound.mine) add(g.name, all->floor);
        }
}

/// Appends what the put script is to know of the record `n` of its batch beside its bytes; mostly nothing.
void link::impl::append_selectors(std::size_t n, const store::stored_response& response,
                                  std::vector<std::string>& out) const {
    std::vector<std::string> known;
    append_known(response, known);
    if (known.empty() && response.tags().empty()) return;
    out.push_back(number(static_cast<std::int64_t>(n)));
    out.push_back(number(static_cast<std::int64_t>(response.tags().size())));
    std::string_view tag;
    for (http::tag_cursor c(response.tags().empty() ? std::string_view{} : response.head()); c.next(tag);)
        out.emplace_back(tag);
    out.push_back(number(static_cast<std::int64_t>(known.size() / 2)));
    std::move(known.begin(), known.end(), std::back_inserter(out));
}

/// False if nothing of the batch is worth sending any more.
bool link::impl::send_puts(const batch_ptr& batch) {
    const wall_time now = clock_.wall();
    std::vector<store::response_ptr> sent;
    std::vector<std::string> names, records, selectors; // records: two for each
    std::string listed;                                 // the entry in the log
    sent.reserve(batch->puts.size());
    names.reserve(batch->puts.size());
    records.reserve(batch->puts.size() * 2);
    for (const store::response_ptr& queued : batch->puts) {
        // It may have been purged while it waited.
        const store::response_ptr response = local_.admit(queued);
        const milliseconds left = response ? usable_for(*response, now) : milliseconds{0};
        if (left <= milliseconds{0}) {
            slab_.add(response ? counter::redis_puts_dropped_expired : counter::redis_puts_dropped_floor);
            // Redis will never have it, nor will the others: they may go on with an older one.
            queued->meta().reached.set(store::reach::refused);
            on_settled({queued->key(), queued->hash()}, queued->meta().version, settlement::refused);
            continue;
        }
        sent.push_back(queued);
        names.push_back(names_.record(response->key()));
        records.push_back(encode(*response));
        records.push_back(number(left.count()));
        append_put(listed, response->key(), response->meta().version);
        append_selectors(sent.size(), *response, selectors);
    }
    if (sent.empty()) return false;

    const std::string key_count = number(static_cast<std::int64_t>(5 + sent.size()));
    const std::string log_length = number(static_cast<std::int64_t>(settings_.log_length));
    const std::string lead = number(store::max_version_lead.count());
    const std::string skew = number(settings_.max_clock_skew.count());
    std::vector<std::string_view> arguments{"EVALSHA",        put_script().sha, key_count,
                                            names_.log(),     names_.floors(),  names_.groups(),
                                            names_.lengths(), names_.entries()};
    arguments.reserve(arguments.size() + names.size() + 5 + records.size() + selectors.size());
    arguments.insert(arguments.end(), names.begin(), names.end());
    arguments.insert(arguments.end(), {log_length, replica_, lead, skew, listed});
    arguments.insert(arguments.end(), records.begin(), records.end());
    arguments.insert(arguments.end(), selectors.begin(), selectors.end());
    send_batch(batch, arguments, histogram::command_put, std::move(sent));
    return true;
}

void link::impl::send_batch(const batch_ptr& batch, std::span<const std::string_view> arguments,
                            histogram command, std::vector<store::response_ptr> sent) {
    std::uint64_t bytes = 0;
    for (const std::string_view a : arguments) bytes += a.size();
    slab_.observe(histogram::batch_records, batch->floors.size() + sent.size());
    slab_.observe(histogram::batch_bytes, bytes);
    command_->send(
        arguments, settings_.command_timeout,
        [this, batch, command, sent = std::move(sent), at = clock_.steady()](const reply_view* reply) {
            if (reply != nullptr) answered(command, at);
            on_batch_reply(batch, sent, reply);
        });
}

void link::impl::send_floors(const batch_ptr& batch) {
    std::vector<std::string> names, texts; // texts: four a floor
    names.reserve(batch->floors.size());
    texts.reserve(batch->floors.size() * 4);
    for (const floor_item& f : batch->floors) {
        const auto selector = store::selector::parse(f.name);
        const bool of_path = selector && !selector->soft &&
                             (selector->kind == store::selector_kind::prefix ||
                              selector->kind == store::selector_kind::anywhere);
        names.push_back(f.is_key() ? names_.record(f.key()) : names_.log());
        texts.push_back(f.name);
        const auto bytes = f.floor.bytes();
        texts.emplace_back(bytes.data(), bytes.size());
        texts.push_back(of_path ? number(static_cast<std::int64_t>(selector->text.size())) : std::string());
        const floor_memory::item* const before =
            f.is_key() ? floors_.find({f.key(), f.hash}) : groups_.find(local_.view(f.name));
        texts.push_back(position_text(before != nullptr ? before->heard : store::version{}));
        // Known from now on: responses of this replica above it were made in its knowledge.
        if (f.is_key()) {
            floors_.raise({f.key(), f.hash}, f.floor, store::floor_bound::same(f.floor));
            outdate_lease({f.key(), f.hash}, f.floor);
        } else if (selector) {
            const bool own = f.floor.replica == versions_.replica();
            const store::version known = own ? f.floor : local_floor(f.floor, clock_.wall());
            know_group(f.name, *selector, f.floor, known);
            // Floors that the queue has merged mean more than what was applied here.
            if (selector->kind == store::selector_kind::everything)
                local_.raise_group(*selector,
                                   own ? store::floor_bound::own(f.floor, settings_.max_clock_skew)
                                       : store::floor_bound::found(f.floor, known, settings_.max_clock_skew));
        }
    }
    const std::string key_count = number(static_cast<std::int64_t>(5 + names.size()));
    const std::string log_length = number(static_cast<std::int64_t>(settings_.log_length));
    const std::string lead = number(store::max_version_lead.count());
    const std::string skew = number(settings_.max_clock_skew.count());
    const std::string retention = number(floor_retention.count());
    const std::string retention_of_groups = number(group_retention.count());
    const std::string most_groups = number(static_cast<std::int64_t>(max_groups));
    const std::string most_keys = number(static_cast<std::int64_t>(max_key_floors));
    std::vector<std::string_view> arguments{"EVALSHA",        purge_script().sha, key_count,
                                            names_.log(),     names_.floors(),    names_.groups(),
                                            names_.lengths(), names_.entries()};
    arguments.insert(arguments.end(), names.begin(), names.end());
    arguments.insert(arguments.end(), {log_length, replica_, lead, skew, retention, retention_of_groups,
                                       most_groups, most_keys});
    arguments.insert(arguments.end(), texts.begin(), texts.end());
    send_batch(batch, arguments, histogram::command_purge, {});
}

void link::impl::on_batch_reply(const batch_ptr& batch, const std::vector<store::response_ptr>& sent,
                                const reply_view* reply) {
    if (batches_ > 0) --batches_;
    if (reply == nullptr || reply->is_error()) {
        queue_.with([&](write_queue& q) { q.put_back(batch->id); });
        if (reply != nullptr) {
            if (!reply->text().starts_with("NOSCRIPT")) give_up_leases(*batch);
            on_write_error(reply->text());
        }
        return;
    }
    mark(sent, reply->text());
    queue_.with([&](write_queue& q) { q.acknowledge(batch->id); });
    for (const steady_time since : batch->puts_since) answered(histogram::queue_age, since);
    for (const floor_item& f : batch->floors) answered(histogram::queue_age, f.since);
    write_errors_ = script_losses_ = 0;
    write_backoff_.reset();
    slab_.add(counter::redis_batches);
    slab_.add(counter::redis_invalidations, batch->floors.size());
    on_put_verdicts(sent, reply->text());
    if (!batch->floors.empty()) on_floors_acknowledged(*batch, reply->text());
    pump();
}

void link::impl::purge(std::vector<store::selector> what, const store::version& floor,
                       purge_handler handler) {
    asio::post(io_, [this, what = std::move(what), floor, handler = std::move(handler)]() mutable {
        if (finished_) return;
        purge_waiter waiter{floor, {}, std::move(handler)};
        for (const store::selector& s : what) {
            std::string name = s.name();
            if (s.is_group()) {
                queue_.with(
                    [&](write_queue& q) { q.purge(name, local_.hash(name), floor, clock_.steady()); });
            } else if (invalidate(s.text, floor)) {
                slab_.add(counter::removed_purged);
            }
            waiter.names.push_back(std::move(name));
        }
        // Beyond the bound nobody is told; whoever asked gives up by himself.
        if (waiter.handler && purge_waiters_.size() < max_purge_waiters)
            purge_waiters_.push_back(std::move(waiter));
        pump();
    });
}

/// A purge is acknowledged once Redis has, for each of its selectors, a floor of it or one above: that may be
/// of a later purge of the same, or of everything, into which too many floors were merged.
void link::impl::on_floors_acknowledged(const write_batch& batch, std::string_view position) {
    for (auto waiter = purge_waiters_.begin(); waiter != purge_waiters_.end();) {
        std::erase_if(waiter->names, [&](const std::string& name) {
            return std::any_of(batch.floors.begin(), batch.floors.end(), [&](const floor_item& f) {
                const bool covers =
                    f.name == name || f.is_everything() || (f.name == "sa" && name.starts_with('s'));
                return covers && f.floor >= waiter->floor;
            });
        });
        if (!waiter->names.empty()) {
            ++waiter;
            continue;
        }
        const purge_handler handler = std::move(waiter->handler);
        waiter = purge_waiters_.erase(waiter);
        handler(std::string(position));
    }
}

void link::impl::on_put_verdicts(const std::vector<store::response_ptr>& sent, std::string_view verdicts) {
    for (std::size_t i = 0; i < sent.size() && i < verdicts.size(); ++i) {
        const http::key_view key{sent[i]->key(), sent[i]->hash()};
        const store::version& version = sent[i]->meta().version;
        const auto verdict = static_cast<put_verdict>(verdicts[i]);
        on_settled(key, version, settlement_of(verdict));
        on_lease_put(key, version, verdict == put_verdict::taken || verdict == put_verdict::same);
        switch (verdict) {
        case put_verdict::taken:
        case put_verdict::same:
            slab_.add(counter::redis_puts);
            break;
        case put_verdict::ahead:
            slab_.add(counter::versions_refused);
            note_error("put refused", "our clock is more than a minute ahead of that of Redis");
            break;
        case put_verdict::older:
            // The log tells of the newer one, or has told before this one was made.
            slab_.add(counter::redis_puts_refused);
            if (withdraw(key, version)) {
                slab_.add(counter::removed_invalidated);
                want(key, version, store::insert_for::use);
            }
            break;
        case put_verdict::invalidated:
            slab_.add(counter::redis_puts_refused);
            if (withdraw(key, version)) slab_.add(counter::removed_invalidated);
            break;
        }
    }
    pump_refetches();
}

bool link::impl::withdraw(http::key_view key, const store::version& version) {
    // The stamp just above: a newer response stays, and may still come.
    const auto held = local_.peek(key);
    const bool there = held && held->meta().version == version;
    return local_.supersede(key, {version.stamp + 1, 0}) && there;
}

/// SCRIPT FLUSH, or a failover, took them.
void link::impl::load_scripts_again() {
    if (std::exchange(loading_scripts_, true)) return; // they are on their way, before whatever follows
    for (const script* s : {&put_script(), &purge_script(), &lease_script(), &end_lease_script()}) {
        const std::string_view load[] = {"SCRIPT", "LOAD", s->text};
        command_->send(load, settings_.command_timeout,
                       [this](const reply_view*) { loading_scripts_ = false; });
    }
}

void link::impl::on_write_error(std::string_view text) {
    slab_.add(counter::redis_errors);
    if (text.starts_with("NOSCRIPT") && ++script_losses_ <= 3) {
        // Replies come in order, so the batch may follow at once.
        load_scripts_again();
        pump();
        return;
    }
    note_error("writing", text);
    // A replica that was demoted stays read-only: the name may lead elsewhere by now. Without credentials or
    // while loading, starting over is what helps, too.
    ++write_errors_;
    if (text.starts_with("NOAUTH") || (text.starts_with("READONLY") && write_errors_ % 4 == 0)) {
        perform(fsm_.failed());
        return;
    }
    if (writes_paused_) return;
    writes_paused_ = true;
    write_timer_.expires_after(write_backoff_.next());
    write_timer_.async_wait([this](error_code e) {
        if (e) return;
        writes_paused_ = false;
        pump();
    });
}

} // namespace meshcache::replica
