// Look-ups that take the lease to fetch an absent key for all replicas, or wait for the replica that has it.
//
// A lease is a key in Redis that expires by itself, so that a replica that dies holds nobody up for longer
// than lease_time. What was fetched under it is told by the change log like everything else; that nothing
// came of it is told by an entry of its own. Nothing depends on a lease being kept: it spares requests, no
// more.
#include "redis_link_impl.hpp"
#include "scripts.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

/// A lease in the hands of a fill. The link outlives all fills.
class link::impl::lease_handle final : public store::fill_lease {
  public:
    lease_handle(impl& owner, std::string key, const store::version& token)
        : owner_(owner), key_(std::move(key)), token_(token) {}
    ~lease_handle() override { end(store::lease_end::failed); }

    void end(store::lease_end how) noexcept override {
        if (ended_.exchange(true, std::memory_order_acq_rel)) return;
        asio::post(owner_.io_, [&owner = owner_, key = std::move(key_), token = token_, how] {
            owner.end_lease(key, token, how);
        });
    }

  private:
    impl& owner_;
    std::string key_;
    const store::version token_;
    std::atomic<bool> ended_{false};
};

void link::impl::send_lease(const lookup_ptr& request) {
    request->asking = true;
    request->ask_again = false;
    if (!std::exchange(request->listed, true)) lease_waiters_[request->hash].push_back(request);
    const store::version token = versions_.next(clock_.wall());
    request->begun = token;
    request->sent = clock_.steady();
    const std::string record = names_.record(request->key), lease = names_.lease(request->key);
    const std::string time = std::to_string(lease_time.count());
    const auto bytes = token.bytes();
    std::string stale;
    if (request->stale) {
        const auto known = request->stale->bytes();
        stale.assign(known.data(), known.size());
    }
    const std::string_view arguments[] = {"EVALSHA", lease_script().sha,           "2",  record,
                                          lease,     {bytes.data(), bytes.size()}, time, stale};
    command_->send(arguments, settings_.command_timeout, [this, request, token](const reply_view* reply) {
        on_lease_reply(request, token, reply);
    });
}

void link::impl::on_lease_reply(const lookup_ptr& request, const store::version& token,
                                const reply_view* reply) {
    request->asking = false;
    if (reply != nullptr) answered(histogram::command_lookup, request->sent);
    if (reply == nullptr) {
        if (request->open() && !request->waits) {
            count_lookup(true);
            answer(request, {});
        }
        return; // those that wait are answered as the connection goes
    }
    const bool taken = reply->what() == reply_view::kind::integer &&
                       reply->integer() == static_cast<std::int64_t>(lease_verdict::taken);
    if (!request->open()) {
        if (taken) send_end_lease(request->key, token, "over", milliseconds{0});
        return;
    }
    if (reply->is_error()) {
        // Redis may not write just now, or has lost the script: what there is can still be read.
        slab_.add(counter::redis_errors);
        if (reply->text().starts_with("NOSCRIPT"))
            load_scripts_again();
        else
            note_error("lease", reply->text());
        leave_lease_waiters(request);
        request->waits = false;
        send_lookup(request);
        return;
    }
    if (!request->waits) count_lookup(false);
    if (reply->what() == reply_view::kind::text) {
        const std::string_view record = reply->text();
        auto response = accept_record(record, {request->key, request->hash}, request->begun);
        const auto version =
            store::version::from_bytes(record.substr(0, std::min<std::size_t>(16, record.size())));
        if (!response && version && request->stale != version) {
            // It is of no use, and must not be in the way of who fetches a better one.
            request->stale = version;
            send_lease(request);
            return;
        }
        if (response) slab_.add(counter::redis_lookup_hits);
        answer(request, {.response = std::move(response), .lease = {}});
        return;
    }
    if (reply->what() == reply_view::kind::integer) {
        // Unless a record is there that will not do.
        const bool absent = !request->stale;
        if (taken) {
            slab_.add(counter::redis_leases_taken);
            leases_.insert_or_assign(request->key, held_lease{token, clock_.steady()});
            answer(request, {.response = {},
                             .lease = std::make_shared<lease_handle>(*this, request->key, token),
                             .absent = absent});
        } else {
            slab_.add(counter::redis_leases_unshareable);
            answer(request, {.response = {}, .lease = {}, .unshareable = true, .absent = absent});
        }
        return;
    }
    if (request->wait_until <= clock_.steady()) {
        answer(request, {.response = {}, .lease = {}, .elsewhere = true});
        return;
    }
    if (request->ask_again) {
        send_lease(request);
        return;
    }
    const auto left = reply->size() > 0 ? (*reply)[0].integer() : 0;
    wait_for_lease(request, left > 0 ? milliseconds{left} : lease_time);
}

/// Another replica fetches it.
void link::impl::wait_for_lease(const lookup_ptr& request, milliseconds left) {
    request->ask_again_at = clock_.steady() + std::min(left, lease_time) + milliseconds{1};
    if (!request->waits) {
        request->waits = true;
        slab_.add(counter::redis_leases_waited);
    }
    watch();
}

/// Leases that have run out are asked for again; those who have waited long enough fetch for themselves.
void link::impl::expire_lease_waits() {
    const steady_time now = clock_.steady();
    std::vector<lookup_ptr> late, again;
    for (const auto& [hash, waiters] : lease_waiters_) {
        for (const lookup_ptr& request : waiters) {
            if (!request->waits) continue; // its look-up is under way, with a deadline of its own
            if (request->wait_until <= now)
                late.push_back(request);
            else if (!request->asking && request->ask_again_at <= now)
                again.push_back(request);
        }
    }
    for (const lookup_ptr& request : again) send_lease(request);
    for (const lookup_ptr& request : late) {
        slab_.add(counter::redis_lease_timeouts);
        answer(request, {.response = {}, .lease = {}, .elsewhere = true});
    }
}

void link::impl::wake_lease_waiters(http::key_view key) {
    const auto found = lease_waiters_.find(key.hash);
    if (found == lease_waiters_.end()) return;
    const std::vector<lookup_ptr> waiters = found->second;
    for (const lookup_ptr& request : waiters) {
        if (request->key != key.bytes) continue;
        if (request->asking)
            request->ask_again = true;
        else
            send_lease(request);
    }
}

void link::impl::release_lease_waiters(http::key_view key) {
    const auto found = lease_waiters_.find(key.hash);
    if (found == lease_waiters_.end()) return;
    const std::vector<lookup_ptr> waiters = found->second;
    for (const lookup_ptr& request : waiters) {
        if (request->key == key.bytes) answer(request, {});
    }
}

void link::impl::leave_lease_waiters(const lookup_ptr& request) {
    if (!std::exchange(request->listed, false)) return;
    const auto found = lease_waiters_.find(request->hash);
    if (found == lease_waiters_.end()) return;
    std::erase(found->second, request);
    if (found->second.empty()) lease_waiters_.erase(found);
}

void link::impl::answer_lease_waiters() {
    for (const auto& [hash, waiters] : std::exchange(lease_waiters_, {}))
        for (const lookup_ptr& request : waiters) {
            request->listed = request->waits = false;
            answer(request, {});
        }
}

/// A fetch that began before the floor is of no use to those who ask after it.
void link::impl::outdate_lease(http::key_view key, const store::version& floor) {
    if (leases_.empty()) return;
    const auto found = leases_.find(std::string(key.bytes));
    if (found == leases_.end() || floor < found->second.token) return;
    const store::version token = found->second.token;
    leases_.erase(found);
    send_end_lease(key.bytes, token, "over", milliseconds{0});
}

/// Redis takes no writes just now: nobody is to wait for what it will not have.
void link::impl::give_up_leases(const write_batch& batch) {
    for (const store::response_ptr& response : batch.puts) {
        if (leases_.empty()) return;
        const auto found = leases_.find(std::string(response->key()));
        if (found == leases_.end()) continue;
        const store::version token = found->second.token;
        leases_.erase(found);
        send_end_lease(response->key(), token, "alone", milliseconds{0});
    }
}

void link::impl::end_lease(const std::string& key, const store::version& token, store::lease_end how) {
    const auto found = leases_.find(key);
    if (found == leases_.end() || found->second.token != token) return;
    if (how == store::lease_end::stored) {
        // Not before Redis has the record: whoever asks meanwhile is to wait for it.
        found->second.stored = true;
        return;
    }
    leases_.erase(found);
    switch (how) {
    case store::lease_end::failed:
    case store::lease_end::stored:
        return send_end_lease(key, token, "over", milliseconds{0});
    case store::lease_end::alone:
        return send_end_lease(key, token, "alone", milliseconds{0});
    case store::lease_end::unshareable:
        return send_end_lease(key, token, "unshareable", unshareable_time);
    }
}

void link::impl::on_lease_put(http::key_view key, const store::version& version, bool taken) {
    if (leases_.empty()) return;
    const auto found = leases_.find(std::string(key.bytes));
    // A version below the token is of an earlier fetch.
    if (found == leases_.end() || version < found->second.token) return;
    const store::version token = found->second.token;
    leases_.erase(found);
    send_end_lease(key.bytes, token, taken ? "stored" : "over", milliseconds{0});
}

/// Keeps the leases of fetches under way, and gives up those of which the response never came to the queue.
void link::impl::renew_leases() {
    if (leases_.empty()) return;
    const steady_time now = clock_.steady();
    std::vector<std::pair<std::string, store::version>> over;
    for (auto& [key, lease] : leases_) {
        if (lease.stored) {
            const http::key_view view = local_.view(key);
            if (!queue_.with([&](const write_queue& q) { return q.holds(view); }))
                over.emplace_back(key, lease.token);
        }
        if (now - lease.renewed < lease_renewal) continue;
        lease.renewed = now;
        send_end_lease(key, lease.token, "renew", lease_time);
    }
    for (const auto& [key, token] : over) {
        leases_.erase(key);
        send_end_lease(key, token, "over", milliseconds{0});
    }
}

void link::impl::send_end_lease(std::string_view key, const store::version& token, std::string_view what,
                                milliseconds time) {
    if (!serving_) return; // it runs out by itself
    const http::key_view view = local_.view(key);
    const std::string lease = names_.lease(key), length = std::to_string(settings_.log_length),
                      ms = std::to_string(time.count());
    const auto bytes = token.bytes();
    const std::string_view arguments[] = {"EVALSHA",
                                          end_lease_script().sha,
                                          "3",
                                          lease,
                                          names_.log(),
                                          names_.entries(),
                                          {bytes.data(), bytes.size()},
                                          what,
                                          length,
                                          replica_,
                                          key,
                                          ms};
    command_->send(arguments, settings_.command_timeout, [this](const reply_view* reply) {
        if (reply != nullptr && reply->is_error()) slab_.add(counter::redis_errors);
    });
    // Those of this replica do not hear of it by the log, which skips its own entries.
    if (what == "alone")
        release_lease_waiters(view);
    else if (what != "renew")
        wake_lease_waiters(view);
}

} // namespace meshcache::replica
