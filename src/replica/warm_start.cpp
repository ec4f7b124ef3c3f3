#include "warm_start.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::replica {

std::string_view to_string(warm_end e) noexcept {
    switch (e) {
    case warm_end::none:
        return "";
    case warm_end::complete:
        return "complete";
    case warm_end::time:
        return "time";
    case warm_end::memory:
        return "memory";
    case warm_end::refused:
        return "refused";
    }
    return "";
}

/// How many of the measured records the next fetch takes: as many as a batch holds, and one in any case.
std::size_t warm_start::batch_size() const noexcept {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    for (const measured& m : measured_) {
        bytes += m.size;
        if (count == limits_.batch_records || (count > 0 && bytes > limits_.batch_bytes)) break;
        ++count;
    }
    return count;
}

warm_start::action warm_start::next(steady_time now, std::size_t store_bytes) {
    if (end_ == warm_end::none) {
        if (now >= deadline_)
            give_up(warm_end::time);
        else if (store_bytes >= limits_.store_bytes)
            give_up(warm_end::memory);
        else if (measured_.empty() && unmeasured_.empty() && log_read_ && scanned_)
            give_up(warm_end::complete);
    }
    if (end_ != warm_end::none) return {};

    action out;
    if (!measured_.empty()) {
        out.what = step::fetch;
        const std::size_t count = batch_size();
        for (std::size_t i = 0; i < count; ++i) out.names.push_back(measured_[i].name);
    } else if (!unmeasured_.empty()) {
        out.what = step::measure;
        const std::size_t count = std::min(unmeasured_.size(), limits_.batch_records);
        out.names.assign(unmeasured_.begin(), unmeasured_.begin() + static_cast<std::ptrdiff_t>(count));
    } else if (!log_read_) {
        out.what = step::read_log;
        out.from = log_end_;
    } else {
        out.what = step::scan;
        out.from = cursor_;
    }
    return out;
}

void warm_start::on_log(std::vector<std::string> names, std::optional<stream_id> first) {
    boost::unordered_flat_set<std::string_view> seen;
    for (const std::string& name : names)
        if (seen.insert(name).second) unmeasured_.push_back(name);
    if (first)
        log_end_ = "(" + first->to_string();
    else
        log_read_ = true;
}

void warm_start::on_scan(std::vector<std::string> names, std::string cursor) {
    for (std::string& name : names) unmeasured_.push_back(std::move(name));
    cursor_ = std::move(cursor);
    scanned_ = cursor_ == "0";
}

void warm_start::on_sizes(std::span<const std::uint64_t> sizes) {
    for (std::size_t i = 0; i < sizes.size() && !unmeasured_.empty(); ++i) {
        if (sizes[i] > 0 && sizes[i] <= limits_.record_bytes)
            measured_.push_back({std::move(unmeasured_.front()), sizes[i]});
        unmeasured_.pop_front();
    }
}

void warm_start::on_fetched() {
    const std::size_t count = batch_size();
    measured_.erase(measured_.begin(), measured_.begin() + static_cast<std::ptrdiff_t>(count));
}

void warm_start::give_up(warm_end why) {
    if (end_ == warm_end::none) end_ = why;
    unmeasured_.clear();
    measured_.clear();
}

} // namespace meshcache::replica
