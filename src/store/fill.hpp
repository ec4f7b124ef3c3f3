#pragma once
// The insides of a fill: its content in blocks, its readers' places, and the wakes that are due.
#include <meshcache/store/collapse.hpp>

#include <boost/container/small_vector.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace meshcache::store {

/// Memory for content. What was published in it never moves; it lives while the fill, or a reader that
/// was cut while it was sending from it, holds it.
struct fill::block {
    block(std::size_t n, byte_budget* b)
        : data(std::make_unique_for_overwrite<char[]>(n)), capacity(n),
          budget(b != nullptr && b->take(n) ? b : nullptr) {}
    ~block() {
        if (budget != nullptr) budget->give(capacity);
    }
    block(const block&) = delete;
    block& operator=(const block&) = delete;

    std::unique_ptr<char[]> data;
    std::size_t capacity;
    byte_budget* budget; ///< that was charged for it; null if none was, or it refused
};

/// A block in its place.
struct fill::piece {
    std::shared_ptr<block> memory;
    std::uint64_t begin = 0; ///< position of its first byte in the content
    std::size_t size = 0;    ///< bytes published

    std::uint64_t end() const noexcept { return begin + size; }
};

/// A reader as its fill knows it. All under the fill's mutex.
struct fill::reader_slot {
    std::shared_ptr<fill_waiter> waiter;
    std::uint64_t position = 0;
    std::uint64_t peeked = 0; ///< end of what was peeked last
    bool hungry = true;       ///< found nothing at its last look: to be woken by more
    bool cut = false;
    bool late = false;                          ///< came after the beginning was given up
    std::vector<std::shared_ptr<block>> pinned; ///< once cut: what it may still be sending from
};

/// Whom to wake. Declared before the lock, so that its destructor does it without.
class fill::wakes {
  public:
    wakes() = default;
    wakes(const wakes&) = delete;
    wakes& operator=(const wakes&) = delete;
    ~wakes() {
        for (const auto& w : waiters_) w->wake();
    }
    void add(std::shared_ptr<fill_waiter> w) {
        if (w) waiters_.push_back(std::move(w));
    }

  private:
    boost::container::small_vector<std::shared_ptr<fill_waiter>, 8> waiters_;
};

/// What a fill gives up when it ends. Declared before the lock, as `wakes` is.
struct fill::leaving {
    lease_end how = lease_end::failed;
    std::shared_ptr<fill_waiter> fetcher;
    std::shared_ptr<fill_lease> lease;

    explicit leaving(lease_end h) noexcept : how(h) {}
    leaving(const leaving&) = delete;
    leaving& operator=(const leaving&) = delete;
    ~leaving() {
        if (lease) lease->end(how);
    }
};

} // namespace meshcache::store
