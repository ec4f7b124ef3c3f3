#include "request_text.hpp"

#include <meshcache/base/percent.hpp>
#include <meshcache/base/units.hpp>
#include <meshcache/http/grammar.hpp>

#include <algorithm>
#include <utility>

namespace meshcache::admin {

std::string for_each_pair(std::string_view query,
                          const std::function<bool(std::string_view, std::string)>& take) {
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (pair.empty()) continue;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const auto name = percent_decoded(pair.substr(0, equals));
        auto value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
        if (!name || !value) return in_quotes(pair) + " is not well percent-encoded";
        if (!take(*name, *std::move(value))) break;
    }
    return {};
}

bool is_target(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

std::string fault_of_url(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return {};
    if (url.find('#') != std::string_view::npos)
        return "; a fragment (#) is not sent to servers: leave it out";
    if (!is_target(url))
        return "; blanks, control characters and what is not ASCII are to be percent-encoded";
    const auto rest = url.substr(scheme + 3);
    const auto authority = rest.substr(0, std::min(rest.find_first_of("/?"), rest.size()));
    if (authority.find('@') != std::string_view::npos) return "; leave out the user name";
    return {};
}

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

} // namespace meshcache::admin
