#include <meshcache/base/percent.hpp>
#include <meshcache/base/redis_url.hpp>
#include <meshcache/base/units.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace meshcache {
namespace {

constexpr std::uint16_t default_port = 6379;
constexpr std::uint64_t most_databases = 65536;
/// What stands for itself in user information (RFC 3986, section 3.2.1).
constexpr std::string_view user_marks = "-._~!$&'()*+,;=";

/// nullopt for a broken escape or a control character.
std::optional<std::string> decode(std::string_view text) {
    auto out = percent_decoded(text);
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (out && std::any_of(out->begin(), out->end(), is_control)) out.reset();
    return out;
}

/// What is wrong with the database's number, or an empty string.
std::string read_database(std::string_view text, unsigned& database) {
    const auto n = parse_count(text);
    if (!n || *n >= most_databases)
        return in_quotes(text) + " is not a database; it must lie between 0 and 65535";
    database = static_cast<unsigned>(*n);
    return {};
}

} // namespace

std::string redis_url::redacted() const {
    std::string out = address.is_unix() ? "unix://" : tls ? "rediss://" : "redis://";
    if (!user.empty() || !password.empty())
        out += percent_encoded(user, user_marks) + ":" + (password.empty() ? "" : "***") + "@";
    if (address.is_unix()) {
        out += address.unix_path;
        if (database != 0) out += "?db=" + std::to_string(database);
    } else {
        out += address.to_string();
        if (database != 0) out += "/" + std::to_string(database);
    }
    return out;
}

parsed<redis_url> parse_redis_url(std::string_view text) {
    using out = parsed<redis_url>;
    redis_url url;
    bool is_unix = false;
    std::string_view rest;
    if (text.starts_with("redis://")) {
        rest = text.substr(8);
    } else if (text.starts_with("rediss://")) {
        rest = text.substr(9);
        url.tls = true;
    } else if (text.starts_with("unix://")) {
        rest = text.substr(7);
        is_unix = true;
    } else {
        return out::failure(
            "not a Redis URL; write redis://HOST:PORT, rediss://HOST:PORT for TLS, or unix:///PATH");
    }

    // The last '@' before the path or query ends the user information; in the host there can be none.
    const auto authority_end = std::min(rest.find_first_of("/?#"), rest.size());
    if (const auto at = rest.substr(0, authority_end).rfind('@'); at != std::string_view::npos) {
        const auto info = rest.substr(0, at);
        const auto colon = info.find(':');
        if (colon == std::string_view::npos)
            return out::failure(
                "the user information has no colon; write :PASSWORD@ or USER:PASSWORD@ before the host");
        auto user = decode(info.substr(0, colon));
        auto password = decode(info.substr(colon + 1));
        if (!user || !password)
            return out::failure("user or password has a broken escape or a control character; write '%25' "
                                "for a percent sign");
        if (!user->empty() && password->empty())
            return out::failure("the user has no password; write USER:PASSWORD@ before the host");
        url.user = std::move(*user);
        url.password = std::move(*password);
        rest.remove_prefix(at + 1);
    } else if (rest.find('@') != std::string_view::npos && !is_unix) {
        return out::failure("a '/', '?' or '#' in user or password must be written '%2F', '%3F' or '%23'");
    }

    if (rest.find('#') != std::string_view::npos)
        return out::failure("a fragment ('#') has no meaning here; leave it out");
    std::string_view query;
    if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
        query = rest.substr(mark + 1);
        rest = rest.substr(0, mark);
        if (!query.starts_with("db=") || query.find('&') != std::string_view::npos)
            return out::failure("the only parameter is db, as in ?db=1");
        if (auto fault = read_database(query.substr(3), url.database); !fault.empty())
            return out::failure(std::move(fault));
    }

    if (is_unix) {
        auto address = parse_endpoint("unix:" + std::string(rest));
        if (!address || address->unix_path.front() != '/')
            return out::failure(
                "the socket's path must be absolute and at most 107 bytes; write unix:///PATH");
        url.address = *std::move(address);
        return url;
    }

    const auto slash = rest.find('/');
    if (slash != std::string_view::npos && slash + 1 < rest.size()) {
        if (!query.empty())
            return out::failure("the database stands in the path and in the query; write it once");
        if (auto fault = read_database(rest.substr(slash + 1), url.database); !fault.empty())
            return out::failure(std::move(fault));
    }
    const auto authority = rest.substr(0, slash);
    if (authority.empty()) return out::failure("the host is missing; write redis://HOST:PORT");
    const bool bracketed = authority.front() == '[';
    const bool has_port = bracketed ? authority.find("]:") != std::string_view::npos
                                    : authority.find(':') != std::string_view::npos;
    auto address =
        parse_endpoint(std::string(authority) + (has_port ? "" : ":" + std::to_string(default_port)));
    if (!address) return out::failure(std::move(address.error));
    if (address->port == 0)
        return out::failure("port 0 cannot be connected to; write the port, usually 6379");
    url.address = *std::move(address);
    return url;
}

} // namespace meshcache
