#include "charge.hpp"
#include "shard.hpp"

#include <meshcache/store/cache.hpp>

#include <algorithm>
#include <bit>
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

cache_settings effective(cache_settings s) noexcept {
    s.bytes = std::max(s.bytes, shard::smallest_limit);
    s.shards = shards_for(s);
    s.max_object = std::min(s.max_object, s.bytes / s.shards / 2);
    s.max_variants = std::max<std::size_t>(1, s.max_variants);
    return s;
}

} // namespace

cache::cache(const cache_settings& settings) : settings_(effective(settings)) {
    const std::size_t n = settings_.shards;
    const std::size_t own = sizeof(cache) + malloc_charge(n * sizeof(std::unique_ptr<shard>));
    shards_.reserve(n);
    for (std::size_t i = 0; i < n; ++i)
        shards_.push_back(std::make_unique<shard>((settings_.bytes - own) / n, settings_.max_object,
                                                  settings_.max_variants));
}

cache::~cache() = default;

shard& cache::shard_of(std::uint64_t hash) const noexcept {
    // The top bits; the low ones place a response within its shard. Both are alike in all variants of a
    // primary key: see http::family_bits.
    static_assert(most_shards == 64);
    return *shards_[(hash >> 58) & (shards_.size() - 1)];
}

response_ptr cache::lookup(http::key_view key) const noexcept { return shard_of(key.hash).lookup(key, true); }

response_ptr cache::peek(http::key_view key) const noexcept { return shard_of(key.hash).lookup(key, false); }

insert_outcome cache::insert(response_ptr response, const version& begun) {
    shard& s = shard_of(response->hash());
    return s.insert(std::move(response), begun);
}

bool cache::raise_floor(http::key_view key, const version& floor) {
    return shard_of(key.hash).raise_floor(key, floor);
}

bool cache::admits(http::key_view key, const version& v) const noexcept {
    return shard_of(key.hash).admits(key.hash, v);
}

bool cache::erase(http::key_view key, const version& v) { return shard_of(key.hash).erase(key, v); }

void cache::clear() {
    for (const auto& s : shards_) s->clear();
}

// A cursor is the shard in the upper half and the node in the lower. Nodes do not move while they are
// taken, so whatever stays is passed exactly once.
std::uint64_t cache::scan(std::uint64_t cursor, std::size_t max, std::vector<response_ptr>& out) const {
    auto at = static_cast<std::size_t>(cursor >> 32);
    if (at >= shards_.size()) return 0;
    const auto next =
        shards_[at]->scan(static_cast<std::uint32_t>(cursor), std::max<std::size_t>(1, max), out);
    if (next != no_slot) return static_cast<std::uint64_t>(at) << 32 | next;
    return ++at < shards_.size() ? static_cast<std::uint64_t>(at) << 32 : 0;
}

cache_stats cache::stats() const {
    cache_stats sum;
    for (const auto& s : shards_) s->add_stats(sum);
    return sum;
}

} // namespace meshcache::store
