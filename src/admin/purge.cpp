#include "request_text.hpp"

#include <meshcache/admin/purge.hpp>
#include <meshcache/base/units.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/surrogate.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::admin {
namespace {

using store::selector;
using store::selector_kind;

class reader {
  public:
    /// One thing that was said. False when it could not be understood; error() says why.
    bool take(std::string_view name, std::string value) {
        if (name == "url") return add_url(value);
        if (name == "tag") return add_tag(std::move(value));
        if (name == "prefix") return add_prefix(value);
        if (name == "host") return add_host(value);
        if (name == "all" || name == "soft") {
            bool on = false;
            if (value == "1" || value == "true")
                on = true;
            else if (value != "0" && value != "false")
                return fail(in_quotes(value) + " is no switch; '" + std::string(name) +
                            "' takes true or false");
            return take(name, on);
        }
        if (name == "wait") return take_wait(value);
        if (name == "timeout") return take_timeout(value);
        return fail(in_quotes(name) +
                    " is unknown; there are url, tag, prefix, host, all, soft, wait and timeout");
    }

    bool take(std::string_view name, bool on) {
        if (name == "soft") {
            soft_ = on;
        } else if (name == "all") {
            if (on) selectors_.push_back({});
        } else {
            return fail(in_quotes(name) + " takes a text");
        }
        return true;
    }

    bool fail(std::string why) {
        error_ = std::move(why);
        return false;
    }

    parsed<purge_request> result() && {
        if (error_.empty() && selectors_.empty())
            error_ = "nothing to purge was named; there are url, tag, prefix, host and all";
        if (error_.empty() && selectors_.size() > max_purge_selectors)
            error_ = "too much was named; at most " + std::to_string(max_purge_selectors) + " in one request";
        if (!error_.empty()) return parsed<purge_request>::failure(std::move(error_));
        purge_request out;
        out.wait_for_replicas = wait_;
        out.timeout = timeout_;
        for (auto& s : selectors_) {
            s.soft = soft_;
            if (s.soft && s.kind == selector_kind::key) s.kind = selector_kind::url;
        }
        out.selectors = std::move(selectors_);
        return out;
    }

  private:
    bool add_url(const std::string& value) {
        std::string buffer;
        http::request_uri uri;
        if (!split_url(value, buffer, uri))
            return fail(in_quotes(value) + " is no URL of the form http://host/path" + fault_of_url(value));
        selector s;
        s.kind = selector_kind::key;
        http::build_key(uri, "GET", s.text);
        selectors_.push_back(std::move(s));
        return true;
    }

    bool add_tag(std::string value) {
        if (!http::is_tag(value))
            return fail(in_quotes(value) + " is no tag: tags have no blanks, commas or control characters, " +
                        "and " + std::to_string(http::max_tag_size) + " bytes at the most");
        selectors_.push_back({selector_kind::tag, false, {}, std::move(value)});
        return true;
    }

    bool add_prefix(const std::string& value) {
        if (value.starts_with('/')) { // of any host
            if (!is_target(value)) return fail(in_quotes(value) + " has a byte that no URL has");
            selectors_.push_back(value == "/" ? selector{}
                                              : selector{selector_kind::anywhere, false, {}, value});
            return true;
        }
        std::string buffer;
        http::request_uri uri;
        if (!split_url(value, buffer, uri))
            return fail(in_quotes(value) +
                        " is no prefix of the form http://host/path, or /path for any host" +
                        fault_of_url(value));
        selectors_.push_back({selector_kind::prefix, false, std::string(uri.host),
                              uri.path_query == "/" ? std::string() : std::string(uri.path_query)});
        return true;
    }

    bool add_host(const std::string& value) {
        std::string buffer;
        http::request_uri uri;
        const bool bare = value.find_first_of("/?#") == std::string::npos;
        if (!bare || !split_url("http://" + value + "/", buffer, uri))
            return fail(in_quotes(value) + " is no host, with or without :port");
        selectors_.push_back({selector_kind::prefix, false, std::string(uri.host), {}});
        return true;
    }

    bool take_wait(const std::string& value) {
        if (value != "replicas") return fail(in_quotes(value) + " is nothing to wait for; there is replicas");
        wait_ = true;
        return true;
    }

    bool take_timeout(const std::string& value) {
        const auto time = parse_duration(value);
        if (!time) return fail("'timeout': " + time.error);
        if (*time < milliseconds{1} || *time > max_purge_timeout)
            return fail("'timeout': " + in_quotes(value) + " is not between 1ms and " +
                        format_duration(max_purge_timeout));
        timeout_ = *time;
        return true;
    }

    std::vector<selector> selectors_;
    bool soft_ = false, wait_ = false;
    milliseconds timeout_ = purge_request{}.timeout;
    std::string error_;
};

bool read_query(std::string_view query, reader& out) {
    bool good = true;
    const auto bad = for_each_pair(query, [&](std::string_view name, std::string value) {
        good = out.take(name, std::move(value));
        return good;
    });
    if (!bad.empty()) return out.fail(bad);
    return good;
}

bool read_json(std::string_view body, reader& out) {
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object()) return out.fail("the content is no JSON object");
    for (const auto& [name, value] : json.items()) {
        if (value.is_boolean()) {
            if (!out.take(name, value.get<bool>())) return false;
        } else if (value.is_string()) {
            if (!out.take(name, value.get<std::string>())) return false;
        } else if (value.is_array()) {
            for (const auto& member : value) {
                if (!member.is_string()) return out.fail(in_quotes(name) + " lists what is no text");
                if (!out.take(name, member.get<std::string>())) return false;
            }
        } else {
            return out.fail(in_quotes(name) + " is neither a text, a list of texts, nor a switch");
        }
    }
    return true;
}

} // namespace

parsed<purge_request> read_purge(std::string_view query, std::string_view body) {
    reader out;
    if (read_query(query, out) && !body.empty()) (void)read_json(body, out);
    return std::move(out).result();
}

std::string purge_json(const purge_report& report) {
    nlohmann::ordered_json out = {
        {"applied", report.applied}, {"acknowledged", report.acknowledged}, {"shared", report.shared},
        {"version", report.version}, {"selectors", report.selectors},       {"position", report.position},
    };
    if (report.replicas) {
        auto& count = out["replicas"];
        if (report.replicas->known)
            count = {{"applied", report.replicas->applied}, {"live", report.replicas->live}};
    }
    return out.dump() + '\n';
}

} // namespace meshcache::admin
