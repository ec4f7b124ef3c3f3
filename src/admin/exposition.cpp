#include <meshcache/admin/exposition.hpp>

#include <nlohmann/json.hpp>
#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <string_view>

namespace meshcache::admin {
namespace {

/// The families in the order in which they first came.
class page_builder {
  public:
    prometheus::ClientMetric& add(std::string_view name, std::string_view help, prometheus::MetricType type) {
        const auto [it, is_new] = by_name_.try_emplace(std::string(name), families_.size());
        if (is_new) {
            prometheus::MetricFamily family;
            family.name = name;
            family.help = help;
            family.type = type;
            families_.push_back(std::move(family));
        }
        return families_[it->second].metric.emplace_back();
    }

    std::string serialize() const { return prometheus::TextSerializer{}.Serialize(families_); }

  private:
    std::vector<prometheus::MetricFamily> families_;
    std::map<std::string, std::size_t, std::less<>> by_name_;
};

void set_labels(prometheus::ClientMetric& metric, const label_list& labels) {
    for (const auto& [name, value] : labels) {
        prometheus::ClientMetric::Label label;
        label.name = name;
        label.value = value;
        metric.label.push_back(std::move(label));
    }
}

/// The labels of the table of counters: `key="value"`, several joined by commas, values without quotes.
label_list read_labels(std::string_view text) {
    label_list out;
    while (!text.empty()) {
        const auto open = text.find("=\"");
        const auto close = open == std::string_view::npos ? open : text.find('"', open + 2);
        if (close == std::string_view::npos) break;
        out.emplace_back(text.substr(0, open), text.substr(open + 2, close - open - 2));
        text.remove_prefix(close + 1);
        if (text.starts_with(",")) text.remove_prefix(1);
    }
    return out;
}

void fill(prometheus::ClientMetric::Histogram& out, histogram_unit unit, const histogram_total& total) {
    const double per_unit = unit == histogram_unit::microseconds ? 1e6 : 1;
    const auto bounds = bounds_of(unit);
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        so_far += total.counts[i];
        prometheus::ClientMetric::Bucket bucket;
        bucket.cumulative_count = so_far;
        bucket.upper_bound = static_cast<double>(bounds[i]) / per_unit;
        out.bucket.push_back(bucket);
    }
    // The serializer adds the bucket of +Inf from the count.
    out.sample_count = total.count();
    out.sample_sum = static_cast<double>(total.sum) / per_unit;
}

} // namespace

std::string prometheus_page(const metrics& counters, std::span<const gauge_value> gauges) {
    page_builder page;
    for (std::size_t i = 0; i < counter_count; ++i) {
        const auto id = static_cast<counter>(i);
        const auto& info = describe(id);
        auto& metric = page.add(info.name, info.help, prometheus::MetricType::Counter);
        set_labels(metric, read_labels(info.labels));
        metric.counter.value = static_cast<double>(counters.total(id));
    }
    for (const auto& g : gauges) {
        auto& metric = page.add(g.name, g.help, prometheus::MetricType::Gauge);
        set_labels(metric, g.labels);
        metric.gauge.value = g.value;
    }
    for (std::size_t i = 0; i < histogram_count; ++i) {
        const auto id = static_cast<histogram>(i);
        const auto& info = describe(id);
        auto& metric = page.add(info.name, info.help, prometheus::MetricType::Histogram);
        set_labels(metric, read_labels(info.labels));
        fill(metric.histogram, info.unit, counters.total(id));
    }
    return page.serialize();
}

std::string stats_json(const stats& s) {
    nlohmann::ordered_json out = {
        {"version", s.version},
        {"replica_id", s.replica_id},
        {"uptime_s", s.uptime_s},
        {"connections", s.connections},
        {"hits", s.hits},
        {"misses", s.misses},
        {"collapsed", s.collapsed},
        {"fills", s.fills},
        {"objects", s.objects},
        {"bytes", s.bytes},
        {"bytes_limit", s.bytes_limit},
        {"stored", s.stored},
        {"evicted", s.evicted},
        {"redis_state", s.redis_state},
        {"log_position", s.log_position},
        {"queue_depth", s.queue_depth},
        {"queue_bytes", s.queue_bytes},
        {"batches", s.batches},
        {"warm_start",
         {{"state", s.warm_start.state},
          {"loaded", s.warm_start.loaded},
          {"bytes", s.warm_start.bytes},
          {"end", s.warm_start.end}}},
        {"reconciliation",
         {{"running", s.reconciliation.running},
          {"done", s.reconciliation.done},
          {"total", s.reconciliation.total}}},
        {"propagation_ms",
         {{"count", s.propagation_ms.count},
          {"p50", s.propagation_ms.p50},
          {"p99", s.propagation_ms.p99},
          {"max", s.propagation_ms.max},
          {"last", s.propagation_ms.last}}},
        {"replicas", nullptr},
    };
    if (s.replicas) {
        auto& list = out["replicas"] = nlohmann::ordered_json::array();
        for (const auto& r : *s.replicas)
            list.push_back({{"id", r.id},
                            {"host", r.self.host},
                            {"address", r.self.address},
                            {"version", r.self.version},
                            {"state", r.state},
                            {"log_position", r.log_position},
                            {"lag_ms", r.lag.count()},
                            {"seen_ms", r.seen.count()},
                            {"own", r.own}});
    }
    return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

} // namespace meshcache::admin
