#include "support/relay.hpp"

#include <utility>

namespace meshcache::test {

relay::relay(endpoint target) : target_(std::move(target)), acceptor_([this] { accept_all(); }) {}

relay::~relay() {
    listener_.shutdown();
    acceptor_.join();
    cut_all();
    for (path& p : paths_) {
        p.up.join();
        p.down.join();
    }
}

void relay::lead_to(endpoint target) {
    {
        const std::lock_guard lock(mutex_);
        target_ = std::move(target);
    }
    cut_all();
}

void relay::freeze() {
    const std::lock_guard lock(mutex_);
    frozen_ = true;
}

void relay::thaw() {
    {
        const std::lock_guard lock(mutex_);
        frozen_ = false;
    }
    changed_.notify_all();
}

void relay::delay(milliseconds each_way) {
    const std::lock_guard lock(mutex_);
    delay_ = each_way;
}

void relay::cut_at(std::string word) {
    const std::lock_guard lock(mutex_);
    cut_at_ = std::move(word);
}

bool relay::has_cut() {
    const std::lock_guard lock(mutex_);
    return cut_at_.empty();
}

bool relay::is_cut_at(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    if (cut_at_.empty() || bytes.find(cut_at_) == std::string_view::npos) return false;
    cut_at_.clear();
    return true;
}

void relay::cut_all() {
    {
        const std::lock_guard lock(mutex_);
        for (path& p : paths_) {
            p.cut = true;
            p.client.shutdown();
            p.server.shutdown();
        }
    }
    changed_.notify_all();
}

void relay::accept_all() {
    for (;;) {
        connection client(listener_.accept());
        if (!client) return;
        const std::lock_guard lock(mutex_);
        connection server = connection::try_to(target_);
        if (!server) continue;
        path& p = paths_.emplace_back();
        p.client = std::move(client);
        p.server = std::move(server);
        p.up = std::thread([this, &p] { pump(p, p.client, p.server); });
        p.down = std::thread([this, &p] { pump(p, p.server, p.client); });
    }
}

/// Waits while it is frozen, and as long as things take; false when the path was cut meanwhile.
bool relay::may_pass(path& p) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, delay_, [&] { return p.cut; });
    changed_.wait(lock, [&] { return p.cut || !frozen_; });
    return !p.cut;
}

void relay::pump(path& p, connection& from, connection& to) {
    for (;;) {
        while (from.buffer().empty() && from.ended() == ending::none) from.fill_within(patience());
        const std::string bytes = std::exchange(from.buffer(), {});
        if (!may_pass(p)) break;
        if (&from == &p.client && is_cut_at(bytes)) break;
        if (bytes.empty() || to.send_within(bytes, patience()) < bytes.size()) break;
    }
    p.client.shutdown();
    p.server.shutdown();
}

} // namespace meshcache::test
