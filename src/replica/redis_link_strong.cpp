// What strong consistency waits for. A read: that the change log has been read up to the end that it had in
// Redis when the request came, so that every change that was acknowledged before is in the local store. A
// write: that Redis has acknowledged it.
#include "redis_link_impl.hpp"
#include "scripts.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

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

bool link::impl::settle(std::string_view key, const store::version& version, settle_handler handler) {
    const http::key_view view = local_.view(key);
    if (!queue_.with([&](const write_queue& q) { return q.holds(view); })) {
        if (!was_refused(view.hash, version)) return false;
        handler(settlement::refused);
        return true;
    }
    if (!following_.load()) { // nobody is there to acknowledge it
        handler(settlement::unknown);
        return true;
    }
    asio::post(
        io_, [this, hash = view.hash,
              request = settle_request{std::string(key), version, clock_.steady() + settings_.command_timeout,
                                       std::move(handler)}]() mutable {
            const http::key_view own{request.key, hash};
            if (!serving_) return request.handler(settlement::unknown);
            if (!queue_.with([&](const write_queue& q) { return q.holds(own); })) {
                // Meanwhile Redis has said what becomes of it.
                const bool refused = was_refused(hash, request.version);
                return request.handler(refused ? settlement::refused : settlement::stored);
            }
            settles_[hash].push_back(std::move(request));
            watch();
        });
    return true;
}

void link::impl::note_refusals(const std::vector<store::response_ptr>& sent, const reply_view& reply) {
    for (std::size_t i = 0; i < sent.size() && i < reply.size(); ++i) {
        const auto verdict = static_cast<put_verdict>(reply[i].integer());
        if (verdict == put_verdict::older || verdict == put_verdict::invalidated)
            note_refusal(sent[i]->hash(), sent[i]->meta().version);
    }
}

void link::impl::note_refusal(std::uint64_t hash, const store::version& version) {
    const std::lock_guard lock(refused_mutex_);
    if (refused_.size() >= max_refused) refused_.clear();
    auto& highest = refused_[hash];
    highest = std::max(highest, version);
}

void link::impl::refuse_below(std::uint64_t hash, const store::version& floor) {
    note_refusal(hash, {floor.stamp - 1, std::numeric_limits<std::uint64_t>::max()});
}

bool link::impl::was_refused(std::uint64_t hash, const store::version& version) const {
    const std::lock_guard lock(refused_mutex_);
    const auto found = refused_.find(hash);
    return found != refused_.end() && version <= found->second;
}

/// Redis has said what becomes of that response, and so of older ones.
void link::impl::on_settled(http::key_view key, const store::version& version, settlement what) {
    const auto found = settles_.find(key.hash);
    if (found == settles_.end()) return;
    std::vector<std::pair<settle_handler, settlement>> done;
    std::erase_if(found->second, [&](settle_request& request) {
        if (request.key != key.bytes || request.version > version) return false;
        const bool itself = request.version == version;
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

void link::impl::expire_settles() {
    const steady_time now = clock_.steady();
    std::vector<settle_handler> late;
    for (auto& entry : settles_) { // its parts are not named: clang 14 keeps such names out of lambdas
        std::erase_if(entry.second, [&](settle_request& request) {
            const http::key_view key{request.key, entry.first};
            if (request.deadline > now && queue_.with([&](const write_queue& q) { return q.holds(key); }))
                return false;
            late.push_back(std::move(request.handler));
            return true;
        });
    }
    boost::unordered::erase_if(settles_, [](const auto& entry) { return entry.second.empty(); });
    for (const settle_handler& handler : late) handler(settlement::unknown);
}

} // namespace meshcache::replica
