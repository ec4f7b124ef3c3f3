#include <meshcache/store/collapse.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <utility>

namespace meshcache::store {

namespace {

constexpr std::size_t table_shards = 32;
constexpr std::size_t marker_count = 4096;
constexpr unsigned marker_time_bits = 40; // of milliseconds: 34 years of steady time

struct fill_hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::size_t operator()(const std::shared_ptr<fill>& f) const noexcept { return f->key().hash; }
    std::size_t operator()(http::key_view key) const noexcept { return key.hash; }
};

struct fill_equal {
    using is_transparent = void;
    static bool same(http::key_view a, http::key_view b) noexcept {
        return a.hash == b.hash && a.bytes == b.bytes;
    }
    bool operator()(const std::shared_ptr<fill>& a, const std::shared_ptr<fill>& b) const noexcept {
        return same(a->key(), b->key());
    }
    bool operator()(http::key_view a, const std::shared_ptr<fill>& b) const noexcept {
        return same(a, b->key());
    }
    bool operator()(const std::shared_ptr<fill>& a, http::key_view b) const noexcept {
        return same(a->key(), b);
    }
};

std::uint64_t milliseconds_of(steady_time t) noexcept {
    const auto ms = std::chrono::duration_cast<milliseconds>(t.time_since_epoch()).count();
    return ms < 0 ? 0 : static_cast<std::uint64_t>(ms) & ((std::uint64_t{1} << marker_time_bits) - 1);
}

/// The part of a marker that says whose it is: bits of the hash that do not choose the slot.
std::uint64_t tag_of(std::uint64_t hash) noexcept { return hash >> marker_time_bits << marker_time_bits; }

} // namespace

struct alignas(64) collapse::table_shard {
    mutable mutex guard;
    boost::unordered_flat_set<std::shared_ptr<fill>, fill_hash, fill_equal> fills MESHCACHE_GUARDED_BY(guard);
};

collapse::collapse(std::size_t window, byte_budget* budget)
    : markers_(std::make_unique<std::atomic<std::uint64_t>[]>(marker_count)), window_(window),
      budget_(budget) {
    shards_.reserve(table_shards);
    for (std::size_t i = 0; i < table_shards; ++i) shards_.push_back(std::make_unique<table_shard>());
}

collapse::~collapse() = default;

collapse::table_shard& collapse::shard_of(std::uint64_t hash) const noexcept {
    return *shards_[(hash >> 32) % table_shards];
}

collapse::joined collapse::join(http::key_view key) {
    table_shard& s = shard_of(key.hash);
    const scoped_lock lock(s.guard);
    if (const auto at = s.fills.find(key); at != s.fills.end()) return {*at, false};
    auto started = std::make_shared<fill>(std::string(key.bytes), key.hash, window_, budget_);
    s.fills.insert(started);
    return {std::move(started), true};
}

std::shared_ptr<fill> collapse::find(http::key_view key) const {
    table_shard& s = shard_of(key.hash);
    const scoped_lock lock(s.guard);
    const auto at = s.fills.find(key);
    return at == s.fills.end() ? nullptr : *at;
}

void collapse::leave(const fill& f) {
    std::shared_ptr<fill> gone; // destroyed after the lock
    table_shard& s = shard_of(f.key().hash);
    const scoped_lock lock(s.guard);
    const auto at = s.fills.find(f.key());
    if (at == s.fills.end() || at->get() != &f) return; // it has left, and another may have its key
    gone = *at;
    s.fills.erase(at);
}

// A marker is one word, so that no reader sees half of it: 24 bits of the hash beside those that
// choose the slot, and the time in milliseconds when it ends. A false match costs a request of its own.

std::atomic<std::uint64_t>& collapse::marker_of(std::uint64_t hash) const noexcept {
    return markers_[hash % marker_count];
}

void collapse::remember_unshareable(std::uint64_t hash, steady_time until) noexcept {
    marker_of(hash).store(tag_of(hash) | milliseconds_of(until), std::memory_order_relaxed);
}

bool collapse::is_unshareable(std::uint64_t hash, steady_time now) const noexcept {
    const std::uint64_t word = marker_of(hash).load(std::memory_order_relaxed);
    return tag_of(word) == tag_of(hash) && milliseconds_of(now) < (word ^ tag_of(word));
}

void collapse::forget_unshareable(std::uint64_t hash) noexcept {
    auto& marker = marker_of(hash);
    std::uint64_t word = marker.load(std::memory_order_relaxed);
    if (tag_of(word) == tag_of(hash)) marker.compare_exchange_strong(word, 0, std::memory_order_relaxed);
}

std::size_t collapse::fills() const {
    std::size_t n = 0;
    for (const auto& s : shards_) {
        const scoped_lock lock(s->guard);
        n += s->fills.size();
    }
    return n;
}

fetcher_guard::~fetcher_guard() {
    if (!fill_) return;
    table_->leave(*fill_);
    fill_->fail(error_); // does nothing if it had ended
}

} // namespace meshcache::store
