#pragma once
// What bench/replay.cpp holds the store against, simulated without any overhead: LRU, SIEVE (Zhang et al.,
// "SIEVE is simpler than LRU", NSDI 2024) and Belady's optimum. Bounded in bytes. One thread.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bench {

struct request {
    std::uint64_t key;
    std::size_t content; ///< bytes
    std::size_t charge;  ///< what its response takes in memory, with its part of the tables
};

/// Counts of one run.
struct tally {
    std::size_t hits = 0, hit_bytes = 0, requests = 0, bytes = 0;

    void count(const request& r, bool hit) {
        ++requests;
        bytes += r.content;
        if (!hit) return;
        ++hits;
        hit_bytes += r.content;
    }
};

struct kept {
    request r;
    bool used = false; ///< since it came, or since SIEVE's hand went by
};
using queue = std::list<kept>; // the latest in front

class lru {
  public:
    explicit lru(queue& q) : q_(q) {}

    void use(queue::iterator at) { q_.splice(q_.begin(), q_, at); }
    queue::iterator victim() { return std::prev(q_.end()); }
    void leaves(queue::iterator) {}

  private:
    queue& q_;
};

class sieve {
  public:
    explicit sieve(queue& q) : q_(q), hand_(q.end()) {}

    void use(queue::iterator at) { at->used = true; }
    /// The hand goes from the oldest to the latest and begins anew; it takes the first that was not used.
    queue::iterator victim() {
        for (;; forward()) {
            if (hand_ == q_.end()) --hand_;
            if (!std::exchange(hand_->used, false)) return hand_;
        }
    }
    void leaves(queue::iterator at) {
        if (at == hand_) forward();
    }

  private:
    void forward() { hand_ = hand_ == q_.begin() ? q_.end() : std::prev(hand_); }

    queue& q_;
    queue::iterator hand_; ///< end(): before the oldest
};

/// Runs the requests through a queue of at most `limit` bytes that `Policy` orders.
template <class Policy>
tally replay_queue(const std::vector<request>& requests, std::size_t limit) {
    queue order;
    Policy policy(order);
    std::unordered_map<std::uint64_t, queue::iterator> in;
    std::size_t used = 0;
    const auto drop = [&](queue::iterator at) {
        policy.leaves(at);
        used -= at->r.charge;
        in.erase(at->r.key);
        order.erase(at);
    };
    tally out;
    for (const auto& r : requests) {
        const auto at = in.find(r.key);
        const bool hit = at != in.end() && at->second->r.content == r.content;
        out.count(r, hit);
        if (hit) {
            policy.use(at->second);
            continue;
        }
        if (at != in.end()) drop(at->second);
        if (r.charge > limit) continue;
        while (used + r.charge > limit) drop(policy.victim());
        order.push_front({r});
        in[r.key] = order.begin();
        used += r.charge;
    }
    return out;
}

/// Keeps what is asked for again the soonest; a response that is asked for later than all that are kept does
/// not enter. The optimum where all are of one size.
inline tally replay_belady(const std::vector<request>& requests, std::size_t limit) {
    constexpr auto never = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> next(requests.size(), never);
    std::unordered_map<std::uint64_t, std::size_t> seen;
    for (auto i = requests.size(); i-- > 0;) {
        const auto [at, fresh] = seen.emplace(requests[i].key, i);
        if (fresh) continue;
        const auto later = std::exchange(at->second, i);
        if (requests[later].content == requests[i].content) next[i] = later;
    }
    struct wanted {
        std::size_t next, charge;
    };
    std::unordered_map<std::uint64_t, wanted> in;
    std::set<std::pair<std::size_t, std::uint64_t>> by_next; // of all that are in
    std::size_t used = 0;
    tally out;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const auto& r = requests[i];
        const auto at = in.find(r.key); // kept only until the same version is asked for
        out.count(r, at != in.end());
        if (at != in.end()) {
            by_next.erase({at->second.next, r.key});
            used -= at->second.charge;
            in.erase(at);
        }
        if (next[i] == never || r.charge > limit) continue;
        in[r.key] = {next[i], r.charge};
        by_next.insert({next[i], r.key});
        used += r.charge;
        while (used > limit) {
            const auto last = std::prev(by_next.end());
            used -= in[last->second].charge;
            in.erase(last->second);
            by_next.erase(last);
        }
    }
    return out;
}

} // namespace bench
