#pragma once
// Poisoning as rows of tables: an attacker's request, then the victim's, over connections of their own to a
// real meshcache before an application that can be misled. What counts is what the victim gets, what the
// application saw, and what was stored.
#include "support/proxy.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::test {

/// An application as a function: what it answers depends on the request as it came to it, and on nothing
/// else.
struct answer {
    int status = 200;
    std::string fields = "Cache-Control: max-age=60\r\n"; ///< lines, each with CRLF
    std::string body;
};
using application = std::function<answer(const request&)>;

/// The application, and the meshcache before it. One row of a table has one target, which no other row uses:
/// `$T` in a request stands for it.
class poisoning_stage {
  public:
    explicit poisoning_stage(application app, std::vector<std::string> flags = {});

    /// The next row, with a target of its own.
    void next();
    const std::string& target() const noexcept { return target_; }
    /// `text` with the target in the place of `$T`.
    std::string with_target(std::string_view text) const;

    /// Sends a request on a connection of its own, and reads the answer.
    response send(std::string_view request) const;
    /// GET of `$T` with these field lines.
    response get(std::string_view fields = {}) const;
    response ask(std::string_view method, std::string_view fields = {}, std::string_view body = {}) const;

    /// Requests for the row's target that came to the application.
    std::size_t fetched() const { return upstream_.requests_for(target_); }
    request last() const { return upstream_.last(); }
    long objects() const { return front_.stats().at("objects").get<long>(); }

    scripted_upstream& upstream() noexcept { return upstream_; }
    proxy& front() noexcept { return front_; }

  private:
    std::size_t row_ = 0;
    std::string target_ = "/0";
    scripted_upstream upstream_;
    proxy front_;
};

/// Method, target and Host, as they came to the application: what a key is made of.
answer echo_uri(const request& asked);
/// The field lines that came to the application, but for those that meshcache sets itself, in lower case:
/// empty for a request that has only Host.
answer echo_fields(const request& asked);

/// Lower case, ASCII.
std::string lowered(std::string_view text);
/// The value of one line of a metrics page; -1 if it is not there.
long metric(const proxy& p, std::string_view line);

} // namespace meshcache::test
