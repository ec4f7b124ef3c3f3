#pragma once
// A read buffer that grows up to a bound and is compacted instead of copied where it can be.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace meshcache::net {

/// Bytes that were read and not yet used. Used by one thread. Views are valid until prepare() or shrink().
class recv_buffer {
  public:
    std::string_view view() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }
    std::size_t capacity() const noexcept { return capacity_; }

    /// Drops `n` bytes from the front.
    void consume(std::size_t n) noexcept {
        begin_ += std::min(n, size());
        if (begin_ == end_) begin_ = end_ = 0;
    }

    /// Room for at least one more byte, growing by doubling up to `max` bytes in all; an empty span when
    /// the buffer holds `max` bytes already.
    std::span<char> prepare(std::size_t first, std::size_t max) {
        if (end_ == capacity_) {
            if (begin_ > 0) {
                std::memmove(data_.get(), data_.get() + begin_, size());
                end_ -= begin_;
                begin_ = 0;
            } else if (capacity_ < max) {
                grow(std::min(max, capacity_ == 0 ? first : capacity_ * 2));
            } else {
                return {};
            }
        }
        return {data_.get() + end_, capacity_ - end_};
    }
    void commit(std::size_t n) noexcept { end_ += n; }

    /// At least that capacity, if the buffer is empty.
    void reserve(std::size_t capacity) {
        if (empty() && capacity_ < capacity) grow(capacity);
    }

    /// Drops all bytes.
    void clear() noexcept { begin_ = end_ = 0; }

    /// Gives the memory back. Only when empty.
    void release() noexcept {
        if (empty()) {
            data_.reset();
            capacity_ = 0;
        }
    }

  private:
    void grow(std::size_t capacity) {
        auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
        if (size() > 0) std::memcpy(bigger.get(), data_.get() + begin_, size());
        end_ = size();
        begin_ = 0;
        data_ = std::move(bigger);
        capacity_ = capacity;
    }

    std::unique_ptr<char[]> data_;
    std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

} // namespace meshcache::net
