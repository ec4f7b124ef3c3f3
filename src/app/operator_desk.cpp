#include "operator_desk.hpp"

#include <meshcache/http/cache_key.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace meshcache::app {
namespace {

namespace asio = boost::asio;

/// How long a page waits for what Redis has to say for it.
constexpr milliseconds page_patience{250};

/// What counts purges of that kind.
counter counter_of(const store::selector& s) noexcept {
    using enum store::selector_kind;
    switch (s.kind) {
    case key:
    case url:
        return s.soft ? counter::purges_url_soft : counter::purges_url_hard;
    case tag:
        return s.soft ? counter::purges_tag_soft : counter::purges_tag_hard;
    case prefix:
        if (s.text.empty()) return s.soft ? counter::purges_host_soft : counter::purges_host_hard;
        [[fallthrough]];
    case anywhere:
        return s.soft ? counter::purges_prefix_soft : counter::purges_prefix_hard;
    case everything:
        break;
    }
    return s.soft ? counter::purges_all_soft : counter::purges_all_hard;
}

/// An answer in the making: it is given once, when it is complete or when its time has passed. On the loop's
/// thread, but for arrive().
template <class T>
class pending : public std::enable_shared_from_this<pending<T>> {
  public:
    pending(asio::io_context& io, T value, std::function<void(T)> done)
        : answer(std::move(value)), io_(io), timer_(io), done_(std::move(done)) {}

    /// From now on; once more for what is still to come.
    void wait(milliseconds patience) {
        timer_.expires_after(patience);
        timer_.async_wait([self = this->shared_from_this()](error_code ec) {
            if (!ec) self->end();
        });
    }

    void end() {
        timer_.cancel();
        if (const auto done = std::exchange(done_, nullptr)) done(std::move(answer));
    }

    bool ended() const noexcept { return !done_; }

    /// Any thread: runs `what` on the loop's thread, unless the answer has been given by then.
    void arrive(std::function<void(pending&)> what) {
        asio::post(io_, [self = this->shared_from_this(), what = std::move(what)] {
            if (!self->ended()) what(*self);
        });
    }

    T answer;

  private:
    asio::io_context& io_;
    asio::steady_timer timer_;
    std::function<void(T)> done_;
};

} // namespace

void operator_desk::purge(admin::purge_request what, std::stop_token given_up,
                          std::function<void(admin::purge_report)> done) {
    const auto floor = p_.versions.next(p_.clock.wall());
    admin::purge_report report;
    report.selectors = what.selectors.size();
    report.version = floor.to_string();
    report.shared = link_ != nullptr;
    for (auto& s : what.selectors) {
        p_.counts.add(counter_of(s));
        // What trusted clients say of the original request is a part of keys, and unknown here.
        if (s.kind == store::selector_kind::key && p_.trust_forwarded) s.kind = store::selector_kind::url;
        const auto skew = link_ != nullptr ? p_.max_clock_skew : milliseconds{0};
        if (s.is_group())
            p_.cache.raise_group(s, store::floor_bound::own(floor, skew));
        else if (p_.cache.raise_floor(p_.cache.view(s.text), floor))
            p_.counts.add(counter::removed_purged);
    }
    if (what.wait_for_replicas) report.replicas = replica::replica_count{1, 1, link_ == nullptr};
    if (link_ == nullptr) {
        report.acknowledged = true;
        done(std::move(report));
        return;
    }

    using waiting = pending<admin::purge_report>;
    const auto answer = std::make_shared<waiting>(p_.io, std::move(report), std::move(done));
    const bool wait = what.wait_for_replicas;
    answer->wait(wait ? p_.command_timeout : std::min(p_.command_timeout, what.timeout));
    const auto on_others = [answer](const replica::replica_count& count) {
        answer->arrive([count](waiting& w) {
            w.answer.replicas = count;
            w.end();
        });
    };
    const auto on_redis = [this, answer, on_others, wait, given_up,
                           timeout = what.timeout](std::string position) {
        answer->arrive(
            [this, on_others, wait, given_up, timeout, position = std::move(position)](waiting& w) {
                w.answer.acknowledged = true;
                w.answer.position = position;
                if (!wait) {
                    w.end();
                    return;
                }
                // The link keeps to the time; this one is for a Redis that hangs.
                w.wait(timeout + p_.command_timeout);
                link_->await_replicas(position, p_.clock.steady() + timeout, given_up, on_others);
            });
    };
    link_->purge(std::move(what.selectors), floor, on_redis);
}

/// A walk through all of the store for the responses of one URI: the hash of a key with more parts than its
/// URL tells is not known. A step at a time, so that the loop's other work comes in between.
struct operator_desk::search {
    std::string key;
    std::uint64_t cursor = 0;
    std::vector<store::response_ptr> found;
    std::function<void(std::vector<store::response_ptr>)> done;
};

void operator_desk::step(const std::shared_ptr<search>& s) {
    constexpr std::size_t at_a_time = 512, most = 64;
    std::vector<store::response_ptr> seen;
    s->cursor = p_.cache.scan(s->cursor, at_a_time, seen);
    for (const auto& r : seen) {
        const auto parts = http::split_key(r->key());
        if (!parts || parts->uri_key != s->key || s->found.size() >= most) continue;
        if (auto valid = p_.cache.peek({r->key(), r->hash()})) s->found.push_back(std::move(valid));
    }
    if (s->cursor == 0 || s->found.size() >= most)
        s->done(std::move(s->found));
    else
        asio::post(p_.io, [this, s] { step(s); });
}

void operator_desk::inspect(admin::inspect_request what, std::function<void(admin::inspection)> done) {
    if (!p_.trust_forwarded) {
        auto found = p_.cache.family(p_.cache.view(what.key));
        examine(std::move(what), std::move(found), std::move(done));
        return;
    }
    const auto s = std::make_shared<search>();
    s->key = what.key;
    s->done = [this, what = std::move(what), done = std::move(done)](auto found) mutable {
        examine(std::move(what), std::move(found), std::move(done));
    };
    step(s);
}

void operator_desk::examine(admin::inspect_request what, std::vector<store::response_ptr> stored,
                            std::function<void(admin::inspection)> done) {
    admin::inspection found;
    found.now = p_.clock.wall();
    found.replica = p_.versions.replica();
    found.local = std::move(stored);
    found.shared = link_ != nullptr;
    std::vector<std::string> keys{what.key};
    for (const auto& r : found.local)
        if (r->key() != what.key) keys.emplace_back(r->key());
    found.of = std::move(what);
    if (link_ == nullptr) {
        done(std::move(found));
        return;
    }
    found.redis_state = to_string(link_->stats().state);
    using waiting = pending<admin::inspection>;
    const auto answer = std::make_shared<waiting>(p_.io, std::move(found), std::move(done));
    answer->wait(p_.command_timeout);
    link_->examine(std::move(keys), [answer](std::optional<std::vector<replica::examined_record>> records) {
        answer->arrive([records = std::move(records)](waiting& w) {
            w.answer.records = records;
            w.end();
        });
    });
}

void operator_desk::replicas(std::function<void(replica_list)> done) {
    if (link_ == nullptr) {
        done(std::nullopt);
        return;
    }
    using waiting = pending<replica_list>;
    const auto answer = std::make_shared<waiting>(p_.io, std::nullopt, std::move(done));
    answer->wait(std::min(page_patience, p_.command_timeout));
    link_->replicas([answer](replica_list list) {
        answer->arrive([list = std::move(list)](waiting& w) {
            w.answer = list;
            w.end();
        });
    });
}

} // namespace meshcache::app
