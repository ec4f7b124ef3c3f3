// Warm start: loads in the background what other replicas stored before this one was there. warm_start.hpp
// has the order; here its steps are performed, on the command connection and between everything else: one
// batch at a time, no larger than a batch of records to Redis, and after each a pause of twice the time that
// it took.
#include "codec.hpp"
#include "redis_link_impl.hpp"

#include <spdlog/logger.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace meshcache::replica {

namespace {

/// Entries of the log that one step reads. Each names from one key to a batch of them.
constexpr std::string_view log_page = "64";
/// Keys of the whole Redis that one SCAN looks at.
constexpr std::string_view scan_count = "256";
/// Between two steps: that much in any case, and a multiple of what the last one took.
constexpr milliseconds shortest_pause{1};
constexpr int pause_factor = 2;

} // namespace

void link::impl::resume_warm_start() {
    if (!serving_ || draining_ || !(warm_ || warm_wanted_)) return;
    if (!warm_) {
        warm_wanted_ = false;
        // The head and the key, which max_object does not bound, are allowed for.
        warm_.emplace(warm_limits{.store_bytes = local_.settings().bytes / 100 *
                                                 static_cast<unsigned>(settings_.warm_percent),
                                  .record_bytes = local_.settings().max_object + (128u << 10)},
                      clock_.steady() + settings_.warm_timeout);
        warm_state_.store(warm_state::running);
        log_->info("redis {}: loading what was stored before", settings_.address.to_string());
    }
    pump_warm_start();
}

void link::impl::pump_warm_start() {
    if (!serving_ || draining_ || !warm_) return;
    using step = warm_start::step;
    warm_start::action todo = warm_->next(clock_.steady(), local_.stats().bytes);
    switch (todo.what) {
    case step::read_log: {
        const std::string_view command[] = {"XREVRANGE", names_.log(), todo.from, "-", "COUNT", log_page};
        ask_warm(command, [this](const reply_view& reply) { on_warm_log(reply); });
        break;
    }
    case step::scan: {
        const std::string pattern = names_.record("*");
        const std::string_view command[] = {"SCAN", todo.from, "MATCH", pattern, "COUNT", scan_count};
        ask_warm(command, [this](const reply_view& reply) { on_warm_scan(reply); });
        break;
    }
    case step::measure:
        measure_warm(std::move(todo.names));
        break;
    case step::fetch:
        fetch_warm(std::move(todo.names));
        break;
    case step::end:
        end_warm_start();
        break;
    }
}

void link::impl::ask_warm(std::span<const std::string_view> command,
                          std::function<void(const reply_view&)> then) {
    command_->send(command, settings_.command_timeout,
                   [this, then = std::move(then), sent = clock_.steady()](const reply_view* reply) {
                       if (reply == nullptr) return; // asked again when Redis is back
                       if (reply->is_error())
                           refuse_warm_start(reply->text());
                       else
                           then(*reply);
                       pause_warm_start(sent);
                   });
}

void link::impl::on_warm_log(const reply_view& reply) {
    std::vector<std::string> names;
    std::optional<stream_id> first;
    std::vector<std::string_view> fields;
    std::size_t skipped = 0;
    for (std::size_t i = 0; i < reply.size(); ++i) {
        const reply_view item = reply[i];
        if (item.size() < 2) continue;
        if (const auto id = stream_id::parse(item[0].text())) first = *id;
        const reply_view pairs = item[1];
        fields.clear();
        for (std::size_t f = 0; f < pairs.size(); ++f) fields.push_back(pairs[f].text());
        const auto entry = read_entry(fields, skipped);
        if (!entry) continue;
        for (auto change = entry->changes.rbegin(); change != entry->changes.rend(); ++change)
            if (change->kind == change_kind::put && !local_.peek(local_.view(change->key)))
                names.push_back(names_.record(change->key));
    }
    warm_->on_log(std::move(names), first);
}

void link::impl::on_warm_scan(const reply_view& reply) {
    if (reply.size() < 2) return refuse_warm_start("SCAN answers with something else");
    std::vector<std::string> names;
    const std::string prefix = names_.record({});
    const reply_view found = reply[1];
    for (std::size_t i = 0; i < found.size(); ++i) {
        const std::string_view name = found[i].text();
        // What is held is kept up to date by the log.
        if (name.starts_with(prefix) && !local_.peek(local_.view(name.substr(prefix.size()))))
            names.emplace_back(name);
    }
    warm_->on_scan(std::move(names), std::string(reply[0].text()));
}

void link::impl::measure_warm(std::vector<std::string> names) {
    const auto sizes = std::make_shared<std::vector<std::uint64_t>>();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string_view command[] = {"STRLEN", names[i]};
        const bool last = i + 1 == names.size();
        command_->send(command, settings_.command_timeout, [this, sizes, last](const reply_view* reply) {
            if (reply == nullptr) return;
            if (reply->is_error() && !reply->text().starts_with("WRONGTYPE"))
                refuse_warm_start(reply->text());
            sizes->push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(reply->integer(), 0)));
            if (!last) return;
            warm_->on_sizes(*sizes);
            pump_warm_start();
        });
    }
}

void link::impl::fetch_warm(std::vector<std::string> names) {
    const store::version begun = versions_.next(clock_.wall());
    const steady_time sent = clock_.steady();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string_view command[] = {"GET", names[i]};
        const bool last = i + 1 == names.size();
        command_->send(command, settings_.command_timeout,
                       [this, begun, sent, last, name = std::move(names[i])](const reply_view* reply) {
                           if (reply == nullptr) return;
                           if (reply->what() == reply_view::kind::text) take_warm(name, reply->text(), begun);
                           if (!last) return;
                           warm_->on_fetched();
                           pause_warm_start(sent);
                       });
    }
}

void link::impl::take_warm(std::string_view name, std::string_view record, const store::version& begun) {
    // The name has the key only if it is short; the record has it in any case, and is held against its name.
    const auto key = record_key(record);
    store::response_ptr response;
    if (key && names_.record(*key) == name) response = accept_record(record, local_.view(*key), begun);
    if (!response) {
        slab_.add(counter::warm_unusable);
        return;
    }
    const std::size_t bytes = response->charge();
    if (!take_up(std::move(response), begun, store::insert_for::stock)) return;
    slab_.add(counter::warm_loaded);
    warm_loaded_.fetch_add(1);
    warm_bytes_.fetch_add(bytes);
}

void link::impl::refuse_warm_start(std::string_view why) {
    slab_.add(counter::redis_errors);
    note_error("warm start", why);
    warm_->give_up(warm_end::refused);
}

void link::impl::pause_warm_start(steady_time sent) {
    if (!serving_) return;
    const auto took = clock_.steady() - sent;
    warm_timer_.expires_after(std::max<steady_time::duration>(pause_factor * took, shortest_pause));
    warm_timer_.async_wait([this](error_code e) {
        if (!e) pump_warm_start();
    });
}

void link::impl::end_warm_start() {
    log_->info("redis {}: loaded {} records, {} KiB ({})", settings_.address.to_string(), warm_loaded_.load(),
               warm_bytes_.load() >> 10, to_string(warm_->ended()));
    warm_end_.store(warm_->ended());
    warm_.reset();
    warm_state_.store(warm_state::done);
}

} // namespace meshcache::replica
