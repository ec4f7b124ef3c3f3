#include "group_floors.hpp"

#include <meshcache/base/test_hooks.hpp>
#include <meshcache/http/cache_key.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

namespace meshcache::store {

namespace {

/// Whether generation `a` came before `b`; they wrap around.
bool before(std::uint32_t a, std::uint32_t b) noexcept { return static_cast<std::int32_t>(a - b) < 0; }

void hold(standing& out, const floor_bound& hard, const floor_bound& soft, const version& v) noexcept {
    if (hard.covers(v)) {
        out.invalid = true;
        out.spares_older = out.spares_older || hard.spares_older_than(v);
    }
    if constexpr (planted == mutant::soft_is_nothing) return;
    // Where several apply the latest says since when; it is the one whose purge somebody waited for.
    if (soft.covers(v))
        out.stale_since = std::max(out.stale_since.value_or(wall_time::min()), soft.mine.time());
}

} // namespace

group_floors::group_floors(std::size_t capacity) : capacity_(capacity) {
    of_host_.reserve(max_lengths);
    anywhere_.reserve(max_lengths);
}

std::size_t group_floors::bytes() const {
    const std::shared_lock lock(mutex_);
    return ring_ ? ring_->bytes() : 0;
}

void group_floors::raise(const selector& s, const floor_bound& floor) {
    const std::unique_lock lock(mutex_);
    if (!ring_) ring_.emplace(capacity_);
    raise_locked(s, floor);
    if (floor.others.stamp > highest_stamp_.load(std::memory_order_relaxed))
        highest_stamp_.store(floor.others.stamp, std::memory_order_relaxed);
    if constexpr (planted == mutant::purge_spares_stored) return;
    auto next = generation_.load(std::memory_order_relaxed) + 1;
    if (next == 0) next = 1; // a new node's
    generation_.store(next, std::memory_order_release);
}

void group_floors::raise_locked(selector s, const floor_bound& floor) {
    const bool of_path = s.kind == selector_kind::prefix || s.kind == selector_kind::anywhere;
    if (of_path) {
        // Another length costs every look-up of a path; beyond the bound a shorter prefix stands in for it.
        lengths& known = lengths_of(s.kind);
        const auto not_longer = std::find_if(known.begin(), known.end(),
                                             [&](const length_use& l) { return l.length <= s.text.size(); });
        const bool is_new = not_longer == known.end() || not_longer->length != s.text.size();
        if (is_new && known.size() + 1 >= max_lengths && !s.text.empty())
            s.text.resize(not_longer == known.end() ? 0 : not_longer->length);
        if (s.kind == selector_kind::anywhere && s.text.empty()) s.kind = selector_kind::everything;
    }
    if (s.kind == selector_kind::everything) {
        (s.soft ? all_.soft : all_.hard).raise(floor);
        return;
    }
    floors& at = ring_->touch(selector_hash(s.kind, s.host, s.text), [this](const floors& f) { forget(f); });
    (s.soft ? at.soft : at.hard).raise(floor);
    if (!of_path || at.kind != selector_kind::everything) return; // counted already
    at.kind = s.kind;
    at.length = static_cast<std::uint32_t>(s.text.size());
    lengths& known = lengths_of(s.kind);
    const auto place =
        std::find_if(known.begin(), known.end(), [&](const length_use& l) { return l.length <= at.length; });
    if (place != known.end() && place->length == at.length)
        ++place->prefixes;
    else
        known.insert(place, {at.length, 1});
}

void group_floors::forget(const floors& f) {
    base_.hard.raise(f.hard);
    base_.soft.raise(f.soft);
    base_generation_ = generation_.load(std::memory_order_relaxed) + 1;
    if (f.kind == selector_kind::everything) return;
    lengths& known = lengths_of(f.kind);
    const auto place =
        std::find_if(known.begin(), known.end(), [&](const length_use& l) { return l.length == f.length; });
    if (place != known.end() && --place->prefixes == 0) known.erase(place);
}

standing group_floors::judge(const subject& s, std::uint32_t generation) const {
    if (!concerns(s.made)) return {};
    const std::shared_lock lock(mutex_);
    return judge_locked(s, before(generation, base_generation_));
}

standing group_floors::judge(const subject& s, const version& begun) const {
    if (!concerns(s.made)) return {};
    const std::shared_lock lock(mutex_);
    return judge_locked(s, base_.hard.covers(begun) || base_.soft.covers(begun));
}

standing group_floors::judge_locked(const subject& s, bool against_base) const {
    standing out;
    if (!ring_) return out;
    hold(out, all_.hard, all_.soft, s.made);
    if (against_base) hold(out, base_.hard, base_.soft, s.made);
    if (out.invalid) return out;
    const auto look = [&](std::uint64_t hash) {
        if (const floors* f = ring_->find(hash)) hold(out, f->hard, f->soft, s.made);
    };
    for (const std::uint64_t tag : s.tags) look(tag);
    const auto parts = http::split_key(s.key);
    if (!parts) return out;
    look(selector_hash(selector_kind::url, {}, parts->uri_key));
    const std::string_view path = parts->path_query;
    for (const length_use& l : of_host_)
        if (l.length <= path.size())
            look(selector_hash(selector_kind::prefix, parts->host, path.substr(0, l.length)));
    for (const length_use& l : anywhere_)
        if (l.length <= path.size())
            look(selector_hash(selector_kind::anywhere, {}, path.substr(0, l.length)));
    return out;
}

} // namespace meshcache::store
