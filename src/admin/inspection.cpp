#include "request_text.hpp"

#include <meshcache/admin/inspection.hpp>
#include <meshcache/base/units.hpp>
#include <meshcache/http/fields.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/surrogate.hpp>
#include <meshcache/store/vary.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::admin {
namespace {

using json = nlohmann::ordered_json;

/// The first value of the field `name` in a stored head; empty if there is none.
std::string_view field_of(std::string_view head, std::string_view name) noexcept {
    while (!head.empty()) {
        const std::string_view line = head.substr(0, head.find("\r\n"));
        head.remove_prefix(std::min(line.size() + 2, head.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !http::iequals(line.substr(0, colon), name)) continue;
        return http::trim(line.substr(colon + 1));
    }
    return {};
}

/// `a,b` as a list.
json listed(std::string_view names) {
    json out = json::array();
    while (!names.empty()) {
        const std::string_view name = names.substr(0, names.find(','));
        names.remove_prefix(std::min(name.size() + 1, names.size()));
        out.push_back(name);
    }
    return out;
}

json seconds_until(wall_time then, wall_time now) { return static_cast<double>((then - now).count()) / 1000; }

json described(const store::stored_response& r, const inspection& in) {
    const auto& meta = r.meta();
    json out = {{"key", r.key()},
                {"version", meta.version.to_string()},
                {"made_here", meta.version.replica == in.replica}};
    if (store::is_vary_note(r)) {
        out["vary"] = listed(store::vary_names(r));
        return out;
    }
    const auto& life = meta.life;
    json tags = json::array();
    std::string_view tag;
    for (http::tag_cursor c(r.head()); c.next(tag);) tags.push_back(tag);
    out["status"] = meta.status;
    out["content_bytes"] = r.content().size();
    out["content_type"] = field_of(r.head(), "content-type");
    out["age_s"] = static_cast<double>(life.initial_age.count()) +
                   static_cast<double>((in.now - life.response_time).count()) / 1000;
    out["fresh_for_s"] = seconds_until(life.fresh_until, in.now);
    out["stale_for_s"] = seconds_until(life.stale_until, in.now);
    out["error_for_s"] = seconds_until(life.error_until, in.now);
    out["etag"] = field_of(r.head(), "etag");
    out["last_modified"] = field_of(r.head(), "last-modified");
    out["tags"] = std::move(tags);
    return out;
}

} // namespace

parsed<inspect_request> read_inspect(std::string_view query) {
    std::optional<std::string> url;
    std::string wrong;
    const auto bad = for_each_pair(query, [&](std::string_view name, std::string value) {
        if (name != "url")
            wrong = in_quotes(name) + " is unknown; there is url";
        else if (url)
            wrong = "'url' is there twice; inspect one at a time";
        url = std::move(value);
        return wrong.empty();
    });
    if (!bad.empty()) wrong = bad;
    if (wrong.empty() && !url) wrong = "no URL was named: /inspect?url=http://host/path";
    std::string buffer;
    http::request_uri uri;
    if (wrong.empty() && !split_url(*url, buffer, uri))
        wrong = in_quotes(*url) + " is no URL of the form http://host/path" + fault_of_url(*url);
    if (!wrong.empty()) return parsed<inspect_request>::failure(std::move(wrong));
    inspect_request out;
    out.url = "http://" + std::string(uri.host) + std::string(uri.path_query);
    http::build_key(uri, "GET", out.key);
    return out;
}

std::string inspection_json(const inspection& what) {
    json out = {{"url", what.of.url}, {"key", what.of.key}, {"local", json::array()}, {"redis", nullptr}};
    for (const auto& r : what.local) {
        json one = described(*r, what);
        one["memory_bytes"] = r->charge();
        out["local"].push_back(std::move(one));
    }
    if (what.shared) {
        out["redis"] = {{"state", what.redis_state}, {"records", nullptr}};
        if (what.records) {
            json records = json::array();
            for (const auto& r : *what.records) {
                if (!r.found) continue;
                json one = r.response ? described(*r.response, what) : json{{"key", r.key}};
                one["record_bytes"] = r.size;
                if (!r.problem.empty()) one["problem"] = r.problem;
                records.push_back(std::move(one));
            }
            out["redis"]["records"] = std::move(records);
        }
    }
    // ASCII alone: clients choose parts of keys, and terminals act on control characters beyond it.
    return out.dump(2, ' ', true, json::error_handler_t::replace) + '\n';
}

} // namespace meshcache::admin
