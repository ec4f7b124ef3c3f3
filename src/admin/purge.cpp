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

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// A query's name or value: percent-encoding is undone; `+` is what it is, as in a URI. nullopt for a `%`
/// without two digits.
std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

/// The bytes that a request target may hold.
bool is_target(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

/// Splits `http://host/path?query`. https is taken for the same, since TLS ends before this proxy.
/// The views in `out` are into `buffer`.
bool split_url(std::string_view url, std::string& buffer, http::request_uri& out) {
    std::string target(url);
    const bool secure = http::iequals(std::string_view(target).substr(0, 8), "https://");
    if (secure) target.erase(4, 1);
    if (!is_target(target)) return false;
    const std::size_t at = target.find("://");
    if (at == std::string::npos) return false;
    const auto end = std::min(target.find_first_of("/?", at + 3), target.size());
    std::string authority = target.substr(at + 3, end - at - 3);
    if (secure && authority.ends_with(":443")) { // the default there
        authority.resize(authority.size() - 4);
        target.replace(at + 3, end - at - 3, authority);
    }
    http::request_head head;
    head.verb = http::method::get;
    head.target = target;
    head.fields.add("Host", authority);
    http::request_uri uri;
    std::string host;
    if (http::split_uri(head, host, uri) != http::uri_error::none) return false;
    // The views are into `target` and `host`, which end here.
    buffer.assign(uri.host);
    const std::size_t host_size = buffer.size();
    buffer += uri.path_query;
    out.scheme = "http";
    out.host = std::string_view(buffer).substr(0, host_size);
    out.path_query = std::string_view(buffer).substr(host_size);
    return true;
}

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
        return fail(in_quotes(name) + " is unknown; there are url, tag, prefix, host, all and soft");
    }

    bool take(std::string_view name, bool on) {
        if (name == "soft") {
            soft_ = on;
        } else if (name == "all") {
            if (on) selectors_.push_back({});
        } else {
            return fail("'" + std::string(name) + "' takes a text");
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
            return fail(in_quotes(value) + " is no URL of the form http://host/path");
        selector s;
        s.kind = selector_kind::key;
        http::build_key(uri, "GET", s.text);
        selectors_.push_back(std::move(s));
        return true;
    }

    bool add_tag(std::string value) {
        const bool sound = !value.empty() && value.size() <= http::max_tag_size &&
                           std::all_of(value.begin(), value.end(), [](char c) {
                               return static_cast<unsigned char>(c) > ' ' && c != 0x7f && c != ',';
                           });
        if (!sound)
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
                        " is no prefix of the form http://host/path, or /path for any host");
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

    std::vector<selector> selectors_;
    bool soft_ = false;
    std::string error_;
};

bool read_query(std::string_view query, reader& out) {
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (pair.empty()) continue;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const auto name = decoded(pair.substr(0, equals));
        const auto value = decoded(pair.substr(std::min(equals + 1, pair.size())));
        if (!name || !value) return out.fail(in_quotes(pair) + " is not well percent-encoded");
        if (!out.take(*name, *value)) return false;
    }
    return true;
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
                if (!member.is_string()) return out.fail("'" + name + "' lists what is no text");
                if (!out.take(name, member.get<std::string>())) return false;
            }
        } else {
            return out.fail("'" + name + "' is neither a text, a list of texts, nor a switch");
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
    const nlohmann::ordered_json out = {
        {"applied", report.applied}, {"acknowledged", report.acknowledged}, {"shared", report.shared},
        {"version", report.version}, {"selectors", report.selectors},       {"position", report.position},
    };
    return out.dump() + '\n';
}

} // namespace meshcache::admin
