#include "charge.hpp"
#include "group_floors.hpp"
#include "shard.hpp"

#include <meshcache/http/surrogate.hpp>
#include <meshcache/store/cache.hpp>

#include <boost/container/small_vector.hpp>

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

namespace meshcache::store {

namespace {

constexpr std::size_t most_shards = 64;

/// As many as leave each shard room for eight of the largest responses.
std::size_t shards_for(const cache_settings& s) noexcept {
    const std::size_t fit = s.shards != 0 ? s.shards : s.bytes / 8 / std::max<std::size_t>(1, s.max_object);
    const std::size_t useful = s.bytes / shard::smallest_limit;
    return std::bit_floor(std::clamp<std::size_t>(std::min(fit, useful), 1, most_shards));
}

/// About a 128th of the memory, for 65,536 floors at most.
std::size_t groups_for(std::size_t bytes) noexcept {
    const std::size_t fit = bytes / 128 / group_floors::bytes_per_floor();
    return std::bit_floor(std::clamp<std::size_t>(fit, 16, 65'536));
}

cache_settings effective(cache_settings s) noexcept {
    s.bytes = std::max(s.bytes, shard::smallest_limit);
    s.shards = shards_for(s);
    s.max_object = std::min(s.max_object, s.bytes / s.shards / 2);
    s.max_variants = std::max<std::size_t>(1, s.max_variants);
    return s;
}

} // namespace

cache::cache(const cache_settings& settings)
    : settings_(effective(settings)), groups_(std::make_unique<group_floors>(groups_for(settings_.bytes))) {
    const std::size_t n = settings_.shards;
    const std::size_t own = sizeof(cache) + malloc_charge(n * sizeof(std::unique_ptr<shard>)) +
                            malloc_charge(sizeof(group_floors)) + groups_->most_bytes();
    shards_.reserve(n);
    for (std::size_t i = 0; i < n; ++i)
        shards_.push_back(std::make_unique<shard>((settings_.bytes - own) / n, settings_.max_object,
                                                  settings_.max_variants, *groups_));
}

cache::~cache() = default;

shard& cache::shard_of(std::uint64_t hash) const noexcept {
    // The top bits; the low ones place a response within its shard. Both are alike in all variants of a
    // primary key: see http::family_bits.
    static_assert(most_shards == 64);
    return *shards_[(hash >> 58) & (shards_.size() - 1)];
}

response_ptr cache::find(http::key_view key, bool counts) const {
    shard& s = shard_of(key.hash);
    std::optional<shard::soft_purge> soft;
    auto found = s.lookup(key, counts, soft);
    if (!soft) [[likely]]
        return found;
    // Outside of the shard's mutex, since it copies the content.
    auto stale = made_stale(found, soft->since);
    s.replace_same(found, stale, soft->generation);
    return stale;
}

std::vector<response_ptr> cache::family(http::key_view key) const {
    std::vector<response_ptr> held, out;
    held.reserve(settings_.max_variants + 1);
    shard_of(key.hash).family(key, held);
    for (const response_ptr& r : held)
        if (auto valid = peek({r->key(), r->hash()})) out.push_back(std::move(valid));
    return out;
}

insert_outcome cache::insert(response_ptr response, const version& begun, insert_for why) {
    shard& s = shard_of(response->hash());
    const std::string_view primary = http::primary_of(response->key());
    const std::uint64_t of = primary.size() == response->key().size() ? response->hash() : hash(primary);
    return s.insert(std::move(response), of, begun, why);
}

bool cache::raise_floor(http::key_view key, const floor_bound& floor) {
    return shard_of(key.hash).raise_floor(key, floor);
}

bool cache::supersede(http::key_view key, const version& newer) {
    return shard_of(key.hash).supersede(key, newer);
}

void cache::raise_group(const selector& s, const floor_bound& floor) { groups_->raise(s, floor); }

bool cache::admits(http::key_view key, const version& v) const {
    return shard_of(key.hash).admits(key.hash, v) && !purged(key.bytes, v, {});
}

bool cache::purged(std::string_view key, const version& v, std::string_view head) const {
    if (!groups_->concerns(v)) return false;
    boost::container::small_vector<std::uint64_t, 16> tags;
    std::string_view tag;
    for (http::tag_cursor c(head); c.next(tag);) tags.push_back(selector_hash(selector_kind::tag, {}, tag));
    return !groups_->judge({key, v, {tags.data(), tags.size()}}, v).sound();
}

response_ptr cache::admit(response_ptr response) const {
    const auto verdict = groups_->judge(group_floors::of(*response));
    if (verdict.invalid) return nullptr;
    return verdict.stale_since ? made_stale(std::move(response), *verdict.stale_since) : response;
}

void cache::raise_base(const version& begun) {
    for (const auto& s : shards_) s->raise_base(begun);
    base_replica_.store(begun.replica, std::memory_order_relaxed);
    base_stamp_.store(begun.stamp, std::memory_order_release);
}

version cache::base() const noexcept {
    const auto stamp = base_stamp_.load(std::memory_order_acquire);
    return {stamp, base_replica_.load(std::memory_order_relaxed)};
}

std::uint64_t cache::sweep(std::uint64_t cursor, std::size_t max) {
    const auto at = static_cast<std::size_t>(cursor >> 32);
    if (at >= shards_.size()) return 0;
    const auto next = shards_[at]->sweep(static_cast<std::uint32_t>(cursor), std::max<std::size_t>(1, max));
    return cursor_of(at, next);
}

std::uint32_t cache::purge_generation() const noexcept { return groups_->generation(); }

std::size_t cache::take_purged() {
    std::size_t sum = 0;
    for (const auto& s : shards_) sum += s->take_purged();
    return sum;
}

bool cache::erase(http::key_view key, const version& v) { return shard_of(key.hash).erase(key, v); }

void cache::clear() {
    for (const auto& s : shards_) s->clear();
}

void cache::hold_back(std::size_t bytes) {
    for (const auto& s : shards_) s->hold_back(bytes / shards_.size());
}

// A cursor is the shard in the upper half and the node in the lower. Nodes do not move while they are
// taken, so whatever stays is passed exactly once.
std::uint64_t cache::scan(std::uint64_t cursor, std::size_t max, std::vector<response_ptr>& out) const {
    const auto at = static_cast<std::size_t>(cursor >> 32);
    if (at >= shards_.size()) return 0;
    const auto next =
        shards_[at]->scan(static_cast<std::uint32_t>(cursor), std::max<std::size_t>(1, max), out);
    return cursor_of(at, next);
}

std::uint64_t cache::cursor_of(std::size_t at, std::uint32_t next) const noexcept {
    if (next != no_slot) return static_cast<std::uint64_t>(at) << 32 | next;
    return ++at < shards_.size() ? static_cast<std::uint64_t>(at) << 32 : 0;
}

cache_stats cache::stats() const {
    cache_stats sum;
    for (const auto& s : shards_) s->add_stats(sum);
    sum.bytes += groups_->bytes();
    sum.bytes_limit += groups_->most_bytes();
    return sum;
}

} // namespace meshcache::store
