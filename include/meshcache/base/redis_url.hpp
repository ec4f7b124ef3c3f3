#pragma once
// Where Redis is and who we are there, in one URL:
//   redis://[USER:PASSWORD@]HOST[:PORT][/DB]     rediss:// for TLS
//   unix://[USER:PASSWORD@]/PATH[?db=DB]
// USER may be empty (`redis://:secret@host`); both are percent-encoded where they need it. Pure.
#include <meshcache/base/endpoint.hpp>
#include <meshcache/base/parsed.hpp>

#include <string>
#include <string_view>

namespace meshcache {

struct redis_url {
    endpoint address;
    bool tls = false;
    std::string user;      ///< empty: the default user
    std::string password;  ///< empty: no AUTH
    unsigned database = 0; ///< SELECT it when not 0

    /// As the user would write it, with `***` for the password. For logs and pages.
    std::string redacted() const;
    friend bool operator==(const redis_url&, const redis_url&) = default;
};

/// The error never repeats the user information, since that may hold a password.
parsed<redis_url> parse_redis_url(std::string_view text);

} // namespace meshcache
