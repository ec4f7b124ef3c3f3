// What Redis has of a key, and whether this replica would answer with it: for operators, so nothing is
// counted, kept or dropped.
#include "codec.hpp"
#include "redis_link_impl.hpp"

#include <meshcache/store/vary.hpp>

#include <boost/asio/post.hpp>

#include <utility>

namespace meshcache::replica {

namespace asio = boost::asio;

examined_record link::impl::judged(std::string key, std::string_view record) const {
    examined_record out;
    const http::key_view view = local_.view(key);
    out.found = true;
    out.size = record.size();
    const auto decoded = decode(record, view);
    if (!decoded) {
        out.problem = decoded.error().message();
    } else {
        out.response = *decoded;
        const wall_time now = clock_.wall();
        const store::version oldest = store::oldest_admitted(*out.response);
        const floor_memory::item* const floor = floors_.find(view);
        if (store::too_far_ahead(out.response->meta().version, now))
            out.problem = "its version lies more than a minute ahead";
        else if (usable_for(*out.response, now) <= milliseconds{0})
            out.problem = "it has expired";
        else if (floor != nullptr && floor->bound.covers(oldest))
            out.problem = "it was purged, or invalidated";
        else if (http::is_variant_key(key) && variant_is_invalid(primary_view(view), oldest))
            out.problem = "its URI was purged, or invalidated";
        else if (auto seen = local_.admit(out.response)) // as stale, after a soft purge
            out.response = std::move(seen);
        else
            out.problem = "a purge of a tag, a prefix, a host or everything covers it";
    }
    out.key = std::move(key);
    return out;
}

void link::impl::examine(std::vector<std::string> keys, examine_handler handler) {
    asio::post(io_, [this, keys = std::move(keys), handler = std::move(handler)]() mutable {
        if (!serving_ || keys.empty()) {
            handler(std::nullopt);
            return;
        }
        struct progress {
            std::vector<examined_record> records;
            std::size_t left = 0;
            bool failed = false;
            examine_handler handler;
        };
        const auto all = std::make_shared<progress>();
        all->records.resize(keys.size());
        all->left = keys.size();
        all->handler = std::move(handler);
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const std::string name = names_.record(keys[i]);
            const std::string_view get[] = {"GET", name};
            command_->send(get, settings_.command_timeout,
                           [this, all, i, key = keys[i]](const reply_view* reply) {
                               examined_record& one = all->records[i];
                               one.key = key;
                               if (reply == nullptr)
                                   all->failed = true;
                               else if (reply->is_error())
                                   one = {key, true, 0, nullptr, std::string(reply->text())};
                               else if (reply->what() == reply_view::kind::text)
                                   one = judged(key, reply->text());
                               if (--all->left > 0) return;
                               if (all->failed)
                                   all->handler(std::nullopt);
                               else
                                   all->handler(std::move(all->records));
                           });
        }
    });
}

} // namespace meshcache::replica
