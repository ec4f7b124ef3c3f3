#pragma once
// Where one coroutine waits for something that happens on its own loop. Allocates nothing.
#include "io.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace meshcache::net {

/// Holds the completion handler of one wait. Used by one thread. A slot that is destroyed destroys who waits
/// in it.
class wait_slot {
  public:
    wait_slot() noexcept = default;
    wait_slot(const wait_slot&) = delete;
    wait_slot& operator=(const wait_slot&) = delete;
    ~wait_slot() {
        if (act_ != nullptr) act_(what::destroy, room_, nullptr, {});
    }

    /// `auto [ec] = co_await slot.wait();` waits until complete() or post(). One at a time.
    task<std::tuple<error_code>> wait() {
        return asio::async_initiate<decltype((use_task)), void(error_code)>(
            [this](auto handler) { emplace(std::move(handler)); }, use_task);
    }

    bool waited_for() const noexcept { return act_ != nullptr; }

    /// Resumes who waits, if anybody does, before it returns: afterwards this may be gone.
    void complete() {
        if (act_ != nullptr) std::exchange(act_, nullptr)(what::resume, room_, nullptr, {});
    }
    /// Resumes who waits, if anybody does, with that error, later.
    void post(const executor& ex, error_code ec) {
        if (act_ != nullptr) std::exchange(act_, nullptr)(what::post, room_, &ex, ec);
    }

  private:
    enum class what { resume, post, destroy };

    template <class Handler>
    void emplace(Handler&& handler) {
        using stored = std::decay_t<Handler>;
        static_assert(sizeof(stored) <= size && alignof(stored) <= alignof(std::max_align_t));
        new (room_) stored(std::move(handler));
        act_ = [](what todo, std::byte* room, const executor* ex, error_code ec) {
            auto& there = *std::launder(reinterpret_cast<stored*>(room));
            stored taken(std::move(there));
            there.~stored();
            if (todo == what::resume) std::move(taken)(ec);
            if (todo == what::post) {
                asio::post(*ex, [h = std::move(taken), ec]() mutable { std::move(h)(ec); });
            }
        };
    }

    static constexpr std::size_t size = 32;
    void (*act_)(what, std::byte*, const executor*, error_code) = nullptr;
    alignas(std::max_align_t) std::byte room_[size];
};

} // namespace meshcache::net
