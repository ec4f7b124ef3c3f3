// The list of replicas: saying that this one is there and how far it has come, reading what the others say,
// and waiting until all of them have come as far as a purge.
#include "announcement.hpp"
#include "redis_link_impl.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

/// Somebody who waits until all live replicas have applied the log up to `position`.
struct link::impl::roll_waiter {
    roll_waiter(asio::io_context& io, stream_id p, steady_time d, std::stop_token g, count_handler h)
        : again(io), position(p), deadline(d), given_up(std::move(g)), handler(std::move(h)) {}
    asio::steady_timer again;
    stream_id position;
    steady_time deadline;
    std::stop_token given_up;
    count_handler handler;
    replica_count latest{1, 1, false};
    milliseconds pause = first_roll_pause;
};

/// On the command connection, beside whatever else is sent there. One at a time: a Redis that hangs is not
/// sent more and more of them.
void link::impl::announce() {
    if (!serving_ || leaving_) return;
    if (announcing_) {
        announce_again_ = true;
        return;
    }
    announced_state_ = current_state();
    announce_at_ = clock_.steady() + std::chrono::duration_cast<milliseconds>(
                                         announce_period * (0.9 + 0.2 * announce_jitter_()));
    const std::string text =
        encode({position_.value_or(stream_id{}), std::string(to_string(announced_state_)), self_});
    const std::string life = announced_ ? std::string() : std::to_string(announce_life.count());
    const std::string_view arguments[] = {
        "EVALSHA", announce_script().sha, "1", names_.replicas(), replica_, text, life};
    announcing_ = announced_ = true;
    announce_again_ = false;
    command_->send(arguments, settings_.command_timeout, [this](const reply_view* reply) {
        announcing_ = false;
        if (reply == nullptr) return;
        if (reply->is_error()) {
            announce_at_ =
                on_list_error(reply->text()) ? clock_.steady() : clock_.steady() + announce_life / 2;
            return;
        }
        if (announce_again_) announce();
    });
}

/// The list is a convenience: whatever is wrong with it does no harm to the link. Returns whether to try
/// again soon.
bool link::impl::on_list_error(std::string_view text) {
    if (text.starts_with("NOSCRIPT")) {
        for (const script* s : {&announce_script(), &list_script()}) {
            const std::string_view load[] = {"SCRIPT", "LOAD", s->text};
            command_->send(load, settings_.command_timeout, [](const reply_view*) {});
        }
        return true;
    }
    slab_.add(counter::redis_errors);
    note_error("the list of replicas", text);
    return false;
}

/// Removes this replica from the list, before a clean end. False while Redis has not answered.
bool link::impl::take_leave() {
    if (!announced_ || !serving_) return true;
    if (leaving_) return false;
    leaving_ = true;
    const std::string_view arguments[] = {"HDEL", names_.replicas(), replica_};
    command_->send(arguments, settings_.command_timeout, [this](const reply_view*) {
        announced_ = false;
        check_drained();
    });
    return false;
}

void link::impl::replicas(list_handler handler) {
    asio::post(io_, [this, handler = std::move(handler)]() mutable {
        read_list([handler = std::move(handler)](auto list, bool) { handler(std::move(list)); });
    });
}

void link::impl::read_list(read_list_handler handler) {
    if (!serving_) {
        handler(std::nullopt, false);
        return;
    }
    const std::string life = std::to_string(announce_life.count()), most = std::to_string(max_listed);
    const std::string_view arguments[] = {
        "EVALSHA", list_script().sha, "2", names_.replicas(), names_.log(), life, most};
    command_->send(arguments, settings_.command_timeout,
                   [this, handler = std::move(handler)](const reply_view* reply) {
                       if (reply != nullptr && reply->is_error()) on_list_error(reply->text());
                       std::optional<wall_time> now;
                       if (reply != nullptr && reply->size() > 1) now = read_time((*reply)[0].text());
                       if (now)
                           handler(listed_in(*reply, *now), is_settled((*reply)[1].text(), *now));
                       else
                           handler(std::nullopt, false);
                   });
}

/// The replicas in a reply of the list script, in the order in which they are shown.
std::vector<listed_replica> link::impl::listed_in(const reply_view& reply, wall_time now) const {
    std::vector<listed_replica> list;
    for (std::size_t i = 2; i + 2 < reply.size(); i += 3) {
        auto one = read_listed(reply[i].text(), reply[i + 1].text(), reply[i + 2].text(), now);
        if (!one) continue;
        one->own = one->id == replica_;
        list.push_back(*std::move(one));
    }
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
        return std::tie(a.self.host, a.self.address, a.id) < std::tie(b.self.host, b.self.address, b.id);
    });
    return list;
}

void link::impl::await_replicas(std::string_view position, steady_time deadline, std::stop_token given_up,
                                count_handler handler) {
    asio::post(io_, [this, wanted = stream_id::parse(position).value_or(stream_id{}), deadline,
                     given_up = std::move(given_up), handler = std::move(handler)]() mutable {
        const auto waiter =
            std::make_shared<roll_waiter>(io_, wanted, deadline, std::move(given_up), std::move(handler));
        if (roll_waiters_ >= max_roll_waiters) {
            waiter->handler(waiter->latest);
            return;
        }
        ++roll_waiters_;
        call_the_roll();
        check_roll(waiter);
    });
}

/// An entry in the log that makes every replica that reads it say at once how far it has come.
void link::impl::call_the_roll() {
    if (!serving_) return;
    const std::string length = std::to_string(settings_.log_length);
    // Not where there is no log: its first entry says that it is the first.
    const std::string_view arguments[] = {"XADD", names_.log(), "NOMKSTREAM", "MAXLEN", "~", length,
                                          "*",    "i",          replica_,     "r",      "1"};
    command_->send(arguments, settings_.command_timeout, [this](const reply_view* reply) {
        if (reply != nullptr && reply->is_error()) on_list_error(reply->text());
    });
}

void link::impl::check_roll(const std::shared_ptr<roll_waiter>& waiter) {
    read_list([this, waiter](std::optional<std::vector<listed_replica>> list, bool settled) {
        if (list) {
            // What is asked for was applied here before anybody else heard of it. A list on which this
            // replica is not itself does not tell of the others, either.
            replica_count count{1, 1, false};
            for (const listed_replica& r : *list) {
                if (r.own) {
                    count.known = settled;
                    continue;
                }
                ++count.live;
                // One that reconciles may have passed over entries.
                const bool there =
                    r.state == to_string(link_state::ready) || r.state == to_string(link_state::draining);
                if (there && stream_id::parse(r.log_position).value_or(stream_id{}) >= waiter->position)
                    ++count.applied;
            }
            waiter->latest = count;
        } else {
            waiter->latest.known = false;
        }
        const auto left = waiter->deadline - clock_.steady();
        const bool over = left <= steady_time::duration::zero() || waiter->given_up.stop_requested();
        if (waiter->latest.all() || over || finished_) {
            --roll_waiters_;
            waiter->handler(waiter->latest);
            return;
        }
        waiter->again.expires_after(std::min<steady_time::duration>(waiter->pause, left));
        waiter->pause = std::min(waiter->pause * 2, last_roll_pause);
        waiter->again.async_wait([this, waiter](error_code) { check_roll(waiter); });
    });
}

} // namespace meshcache::replica
