// What strong consistency waits for. A read: that the change log has been read up to the end that it had in
// Redis when the request came, so that every change that was acknowledged before is in the local store. A
// write: that Redis has acknowledged it.
#include "redis_link_impl.hpp"
#include "scripts.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

namespace {

/// Of a response that waits no longer.
settlement settlement_of(const store::stored_response& response) noexcept {
    switch (response.meta().reached.get()) {
    case store::reach::shared:
    case store::reach::alone:
        return settlement::stored;
    case store::reach::refused:
        return settlement::refused;
    case store::reach::lost:
        break;
    }
    return settlement::unknown;
}

} // namespace

void link::impl::send_sync(const lookup_ptr& request) {
    const std::string_view end[] = {"XREVRANGE", names_.log(), "+", "-", "COUNT", "1"};
    command_->send(end, settings_.command_timeout, [this, request](const reply_view* reply) {
        if (!request->open()) return; // its deadline has passed
        count_lookup(reply == nullptr || reply->is_error());
        if (reply == nullptr || reply->is_error()) {
            if (reply != nullptr) note_error("reading the log", reply->text());
            answer(request, {});
            return;
        }
        if (!is_reconciled()) return answer(request, {});
        if (reply->size() > 0 && (*reply)[0].size() > 0)
            if (const auto id = stream_id::parse((*reply)[0][0].text())) request->target = *id;
        syncs_.push_back(request);
        answer_synced();
    });
}

/// While the local store is being reconciled it may hold what the log has told of already.
bool link::impl::is_reconciled() const noexcept {
    return position_ && !reconcile_wanted_ && !reconciling_ && state_.load() == link_state::ready;
}

void link::impl::answer_synced() {
    if (syncs_.empty()) return;
    std::erase_if(syncs_, [](const lookup_ptr& request) { return !request->open(); });
    if (!is_reconciled()) return;
    std::vector<lookup_ptr> reached;
    std::erase_if(syncs_, [&](const lookup_ptr& request) {
        if (request->target > *position_) return false;
        reached.push_back(request);
        return true;
    });
    for (const lookup_ptr& request : reached) {
        const sync_handler handler = std::exchange(request->sync, nullptr);
        {
            const std::lock_guard lock(gate_mutex_);
            --lookups_;
        }
        handler(true);
    }
}

bool link::impl::is_queued(const store::stored_response& response) const {
    return queue_.with([&](const write_queue& q) { return q.holds(response); });
}

bool link::impl::settle(const store::response_ptr& response, settle_handler handler) {
    // In this order: the queue marks what it lets go of.
    if (!is_queued(*response)) {
        const settlement what = settlement_of(*response);
        if (what == settlement::stored) return false;
        handler(what);
        return true;
    }
    if (!following_.load()) { // nobody is there to acknowledge it
        handler(settlement::unknown);
        return true;
    }
    asio::post(io_, [this, request = settle_request{response, clock_.steady() + settings_.command_timeout,
                                                    std::move(handler)}]() mutable {
        if (!serving_) return request.handler(settlement::unknown);
        // Meanwhile Redis may have said what becomes of it.
        if (!is_queued(*request.response)) return request.handler(settlement_of(*request.response));
        settles_[request.response->hash()].push_back(std::move(request));
        watch();
    });
    return true;
}

/// Redis has said what becomes of that response, and so of older ones.
void link::impl::on_settled(http::key_view key, const store::version& version, settlement what) {
    const auto found = settles_.find(key.hash);
    if (found == settles_.end()) return;
    std::vector<std::pair<settle_handler, settlement>> done;
    std::erase_if(found->second, [&](settle_request& request) {
        const store::stored_response& waits = *request.response;
        if (waits.key() != key.bytes || waits.meta().version > version) return false;
        const bool itself = waits.meta().version == version;
        done.emplace_back(std::move(request.handler), itself ? what : settlement::refused);
        return true;
    });
    if (found->second.empty()) settles_.erase(found);
    for (const auto& [handler, said] : done) handler(said);
}

void link::impl::forget_settles() {
    for (const auto& [hash, requests] : std::exchange(settles_, {}))
        for (const settle_request& request : requests) request.handler(settlement::unknown);
}

/// Who has waited for too long, or for what the queue has given up.
void link::impl::expire_settles() {
    const steady_time now = clock_.steady();
    std::vector<std::pair<settle_handler, settlement>> done;
    for (auto& entry : settles_) { // its parts are not named: clang 14 keeps such names out of lambdas
        std::erase_if(entry.second, [&](settle_request& request) {
            const bool waits = is_queued(*request.response);
            if (waits && request.deadline > now) return false;
            done.emplace_back(std::move(request.handler),
                              waits ? settlement::unknown : settlement_of(*request.response));
            return true;
        });
    }
    boost::unordered::erase_if(settles_, [](const auto& entry) { return entry.second.empty(); });
    for (const auto& [handler, said] : done) handler(said);
}

} // namespace meshcache::replica
