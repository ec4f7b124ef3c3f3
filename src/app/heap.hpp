#pragma once
// Memory that malloc keeps beyond what was asked of it. What is freed lies between what is still used: where
// stored responses of one size make way for those of another, that can be as much as the store itself. Whole
// pages of it are given back to the kernel here; what is resident and useless all the same, somebody has to
// do without. See docs/decisions/0013-memory-is-given-back.md.
//
// For glibc's malloc; with any other nothing is done. One thread.
#include <cstddef>
#include <optional>

namespace meshcache::app {

/// Settings of malloc for the whole process. Before its second thread starts.
void set_up_heap() noexcept;

/// In bytes.
struct heap_reading {
    std::size_t resident = 0; ///< the process' memory that is no file and not shared
    std::size_t used = 0;     ///< of the heap, as malloc counts it
};

/// When to look, and what was found. Pure.
class heap_watch {
  public:
    /// `step`: growth of resident memory that calls for a look. What is resident and not of the heap at the
    /// start is no waste.
    heap_watch(std::size_t step, const heap_reading& start) noexcept
        : step_(step), least_(start.resident), own_(waste_in(start)) {}

    /// Called at even times: whether to give pages back and to look. It is time when resident memory has
    /// grown by `step` since it was the least; 40 calls later, then 80, and so on to 1280, since what it grew
    /// for may be gone by then; and at every tenth call while at least `step` is wasted.
    bool due(std::size_t resident) noexcept;
    /// Takes note of a look, and returns what is wasted.
    std::size_t looked(const heap_reading& now) noexcept;

  private:
    static std::size_t waste_in(const heap_reading& r) noexcept {
        return r.resident > r.used ? r.resident - r.used : 0;
    }

    const std::size_t step_;
    std::size_t least_;
    const std::size_t own_;
    std::size_t waste_ = 0;
    int calls_ = 0;
    int later_ = 0; ///< calls since the last look after which there is another; 0: none
};

/// Does it, for a process whose memory is mostly one cache of `bound` bytes.
class heap_keeper {
  public:
    explicit heap_keeper(std::size_t bound);

    /// To be called every 50 ms or so; mostly it reads one number from the kernel. When it was time to look,
    /// it returns how many bytes are resident and of no use.
    std::optional<std::size_t> tend();

  private:
    std::optional<heap_watch> watch_; ///< none: the heap is not one that tells
};

} // namespace meshcache::app
