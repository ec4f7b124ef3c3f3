#include "fill.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace meshcache::store {

namespace {

constexpr std::size_t largest_block = 16u << 10;

/// A window has room for several blocks, so that it can be given back in parts.
std::size_t block_size_for(std::size_t window) noexcept {
    return std::clamp<std::size_t>(window / 4, 64, largest_block);
}

} // namespace

bool byte_budget::take(std::size_t n) noexcept {
    auto used = used_.load(std::memory_order_relaxed);
    do {
        if (n > limit_ || used > limit_ - n) return false;
    } while (!used_.compare_exchange_weak(used, used + n, std::memory_order_relaxed));
    return true;
}

fill::fill(std::string key, std::uint64_t hash, std::size_t window, byte_budget* budget)
    : key_(std::move(key)), hash_(hash), window_(window), block_size_(block_size_for(window)),
      budget_(budget) {}

fill::~fill() = default;

bool fill::ended() const noexcept { return state_ != fill_state::waiting && state_ != fill_state::streaming; }

/// When the budget is used up, the window shrinks to a few blocks, so that every fill goes on, slowly.
std::size_t fill::window() const noexcept {
    return over_budget_ ? std::min(window_, 4 * block_size_) : window_;
}

bool fill::room() const noexcept { return recording_ || held_ < window(); }

/// Index of the piece that holds `position`, or of none.
std::size_t fill::piece_at(std::uint64_t position) const noexcept {
    const auto after = std::upper_bound(content_.begin(), content_.end(), position,
                                        [](std::uint64_t at, const piece& p) { return at < p.begin; });
    return after == content_.begin() ? 0 : static_cast<std::size_t>(after - content_.begin()) - 1;
}

/// Adds an empty block at the end; not larger than what is known to come, which is at least `wanted`.
void fill::add_block(std::size_t wanted) {
    std::uint64_t coming = block_size_;
    if (head_ && head_->content_length && *head_->content_length > end_)
        coming = std::max<std::uint64_t>(*head_->content_length - end_, wanted);
    auto memory = std::make_shared<block>(
        static_cast<std::size_t>(std::min<std::uint64_t>(block_size_, coming)), budget_);
    over_budget_ = budget_ != nullptr && memory->budget == nullptr;
    held_ += memory->capacity;
    content_.push_back({std::move(memory), end_, 0});
}

/// Gives up the blocks that nobody needs any more. The last one stays while there are readers and it has
/// space, since more is about to be written to it.
void fill::drop_passed() {
    if (recording_) return;
    std::uint64_t needed = end_;
    bool anybody = false;
    for (const auto* r : readers_) {
        if (r->cut || r->late) continue;
        needed = std::min(needed, r->position);
        anybody = true;
    }
    while (!content_.empty()) {
        const piece& first = content_.front();
        const bool filling = anybody && !ended() && first.size < first.memory->capacity;
        if (filling || first.end() > needed) break;
        held_ -= first.memory->capacity;
        begin_ = first.end();
        content_.pop_front();
    }
}

/// Readers have moved or gone.
void fill::after_progress(wakes& out) {
    drop_passed();
    if (fetcher_waits_ && room()) {
        fetcher_waits_ = false;
        out.add(fetcher_);
    }
}

void fill::end(fill_state state, wakes& out) {
    state_ = state;
    for (const auto* r : readers_) out.add(r->waiter);
    fetcher_waits_ = false;
    drop_passed();
}

void fill::set_fetcher(std::shared_ptr<fill_waiter> fetcher) {
    const scoped_lock lock(mutex_);
    if (!ended()) fetcher_.swap(fetcher); // the old one is destroyed with the argument, after the lock
}

void fill::set_asked(const version& v) {
    const scoped_lock lock(mutex_);
    asked_ = v;
}

std::optional<version> fill::asked() const {
    const scoped_lock lock(mutex_);
    return asked_;
}

void fill::start_stream(std::shared_ptr<const streamed_head> head) {
    wakes out;
    const scoped_lock lock(mutex_);
    if (state_ != fill_state::waiting) return;
    head_ = std::move(head);
    state_ = fill_state::streaming;
    for (const auto* r : readers_) out.add(r->waiter);
}

append_result fill::append(std::string_view bytes) {
    wakes out;
    const scoped_lock lock(mutex_);
    if (ended()) return append_result::ok;
    const bool anybody =
        std::any_of(readers_.begin(), readers_.end(), [](const auto* r) { return !r->cut && !r->late; });
    if (!recording_ && !anybody) {
        end_ += bytes.size();
        begin_ = end_;
        return append_result::ok;
    }
    bool refused = false;
    while (!bytes.empty()) {
        if (content_.empty() || content_.back().size == content_.back().memory->capacity) {
            add_block(bytes.size());
            refused = refused || over_budget_;
        }
        piece& last = content_.back();
        const std::size_t n = std::min(bytes.size(), last.memory->capacity - last.size);
        std::memcpy(last.memory->data.get() + last.size, bytes.data(), n);
        last.size += n;
        end_ += n;
        bytes.remove_prefix(n);
    }
    for (auto* r : readers_)
        if (std::exchange(r->hungry, false)) out.add(r->waiter);
    if (recording_) return refused ? append_result::over_budget : append_result::ok;
    if (room()) return append_result::ok;
    fetcher_waits_ = true;
    return append_result::full;
}

bool fill::has_room() const {
    const scoped_lock lock(mutex_);
    if (room()) return true;
    fetcher_waits_ = !ended();
    return false;
}

bool fill::stop_recording(lease_end others) {
    leaving gone(others);
    const scoped_lock lock(mutex_);
    if (!recording_) return false;
    recording_ = false;
    lease_.swap(gone.lease);
    drop_passed();
    return true;
}

bool fill::recording() const {
    const scoped_lock lock(mutex_);
    return recording_;
}

std::size_t fill::cut_laggards() {
    wakes out;
    const scoped_lock lock(mutex_);
    std::size_t cut = 0;
    while (!room()) {
        std::uint64_t furthest_behind = end_;
        bool starving = false;
        for (const auto* r : readers_) {
            if (r->cut || r->late) continue;
            furthest_behind = std::min(furthest_behind, r->position);
            starving = starving || r->position == end_;
        }
        // When all have something to send, the network is slow, and nobody is to blame.
        if (!starving || furthest_behind == end_) break;
        const std::uint64_t block_end = content_[piece_at(furthest_behind)].end();
        for (auto* r : readers_) {
            if (r->cut || r->late || r->position >= block_end) continue;
            r->cut = true;
            if (r->peeked > r->position)
                for (std::size_t i = piece_at(r->position);
                     i < content_.size() && content_[i].begin < r->peeked; ++i)
                    r->pinned.push_back(content_[i].memory);
            out.add(r->waiter);
            ++cut;
        }
        drop_passed();
    }
    if (room()) fetcher_waits_ = false;
    return cut;
}

std::vector<std::string_view> fill::recorded() const {
    const scoped_lock lock(mutex_);
    std::vector<std::string_view> out;
    if (!recording_) return out;
    out.reserve(content_.size());
    for (const piece& p : content_) out.emplace_back(p.memory->data.get(), p.size);
    return out;
}

void fill::complete(response_ptr response) {
    leaving gone(response ? lease_end::stored : lease_end::alone);
    wakes out;
    const scoped_lock lock(mutex_);
    if (ended()) return;
    response_ = std::move(response);
    end(fill_state::complete, out);
    fetcher_.swap(gone.fetcher);
    lease_.swap(gone.lease);
}

void fill::fail(error_code error) {
    leaving gone(lease_end::failed);
    wakes out;
    const scoped_lock lock(mutex_);
    if (ended()) return;
    error_ = error;
    end(fill_state::failed, out);
    fetcher_.swap(gone.fetcher);
    lease_.swap(gone.lease);
}

void fill::release(lease_end others) {
    leaving gone(others);
    wakes out;
    const scoped_lock lock(mutex_);
    if (ended()) return;
    end(fill_state::released, out);
    fetcher_.swap(gone.fetcher);
    lease_.swap(gone.lease);
}

void fill::hold(std::shared_ptr<fill_lease> lease) {
    leaving gone(lease_end::failed); // the one before, or this one if it comes too late
    const scoped_lock lock(mutex_);
    gone.lease = std::move(lease);
    if (!ended() && recording_) lease_.swap(gone.lease);
}

fill_state fill::state() const {
    const scoped_lock lock(mutex_);
    return state_;
}

std::size_t fill::readers() const {
    const scoped_lock lock(mutex_);
    return readers_.size();
}

std::size_t fill::held() const {
    const scoped_lock lock(mutex_);
    return held_;
}

// ---- readers

fill_reader::fill_reader() noexcept = default;

fill_reader::fill_reader(std::shared_ptr<fill> f, std::shared_ptr<fill_waiter> waiter)
    : fill_(std::move(f)), slot_(std::make_unique<fill::reader_slot>()) {
    slot_->waiter = std::move(waiter);
    const scoped_lock lock(fill_->mutex_);
    slot_->late = fill_->begin_ > 0;
    fill_->readers_.push_back(slot_.get());
}

fill_reader::fill_reader(fill_reader&&) noexcept = default;

fill_reader& fill_reader::operator=(fill_reader&& other) noexcept {
    if (this != &other) {
        detach();
        fill_ = std::move(other.fill_);
        slot_ = std::move(other.slot_);
    }
    return *this;
}

fill_reader::~fill_reader() { detach(); }

void fill_reader::detach() noexcept {
    if (!slot_) return;
    {
        fill::wakes out;
        const scoped_lock lock(fill_->mutex_);
        std::erase(fill_->readers_, slot_.get());
        fill_->after_progress(out);
    }
    slot_.reset();
    fill_.reset();
}

fill_view fill_reader::look() const {
    fill_view view;
    const scoped_lock lock(fill_->mutex_);
    if (slot_->late && fill_->state_ != fill_state::failed &&
        !(fill_->state_ == fill_state::complete && fill_->response_)) {
        view.state = fill_state::released;
        return view;
    }
    view.state = fill_->state_;
    view.error = fill_->error_;
    view.head = fill_->head_;
    view.response = fill_->response_;
    view.cut = slot_->cut;
    if (!slot_->late && !slot_->cut) {
        view.available = static_cast<std::size_t>(fill_->end_ - slot_->position);
        view.at_end = view.state == fill_state::complete && view.available == 0;
    }
    if (view.available == 0) slot_->hungry = true;
    return view;
}

std::size_t fill_reader::peek(std::span<std::string_view> out) {
    const scoped_lock lock(fill_->mutex_);
    if (slot_->late || slot_->cut) return 0;
    if (slot_->position == fill_->end_) {
        slot_->hungry = true;
        return 0;
    }
    std::size_t n = 0;
    std::uint64_t at = slot_->position;
    for (std::size_t i = fill_->piece_at(at); i < fill_->content_.size() && n < out.size(); ++i) {
        const auto& p = fill_->content_[i];
        const auto skip = static_cast<std::size_t>(at - p.begin);
        if (skip == p.size) continue;
        out[n++] = {p.memory->data.get() + skip, p.size - skip};
        at = p.end();
    }
    slot_->peeked = std::max(slot_->peeked, at);
    return n;
}

void fill_reader::consume(std::size_t n) {
    std::vector<std::shared_ptr<fill::block>> unpinned; // destroyed after the lock
    fill::wakes out;
    const scoped_lock lock(fill_->mutex_);
    slot_->position = std::min(slot_->position + n, slot_->peeked);
    if (slot_->cut) {
        slot_->pinned.swap(unpinned);
        return;
    }
    fill_->after_progress(out);
}

} // namespace meshcache::store
