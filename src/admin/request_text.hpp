#pragma once
// The text of requests to the admin port: queries, and URLs of clients as an operator writes them. Pure.
#include <meshcache/http/cache_key.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace meshcache::admin {

/// Calls `take` with each name and value of `query` (the part of a target after `?`), until it returns false.
/// Percent-encoding is undone; `+` is what it is, as in a URI. Returns what was not well percent-encoded, for
/// an error sentence; empty if nothing.
std::string for_each_pair(std::string_view query,
                          const std::function<bool(std::string_view name, std::string value)>& take);

/// The bytes that a request target may hold.
bool is_target(std::string_view text) noexcept;

/// Splits `http://host/path?query`, normalised as requests are. https is taken for the same, since TLS ends
/// before this proxy. `buffer` keeps what the views in `out` show.
bool split_url(std::string_view url, std::string& buffer, http::request_uri& out);

/// Why split_url refuses it although it looks right: a clause that begins with "; ", or nothing.
std::string fault_of_url(std::string_view url);

} // namespace meshcache::admin
