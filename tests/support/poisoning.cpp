#include "support/poisoning.hpp"

#include <algorithm>
#include <array>

namespace meshcache::test {

poisoning_stage::poisoning_stage(application app, std::vector<std::string> flags)
    : upstream_([app = std::move(app)](turn& t) {
          t.read_body();
          const answer a = app(t.asked());
          t.respond(a.status, a.fields, a.body);
      }),
      front_(upstream_, std::move(flags)) {}

void poisoning_stage::next() { target_ = "/" + std::to_string(++row_); }

std::string poisoning_stage::with_target(std::string_view text) const {
    std::string out(text);
    for (std::size_t at = out.find("$T"); at != std::string::npos; at = out.find("$T", at + target_.size()))
        out.replace(at, 2, target_);
    return out;
}

response poisoning_stage::send(std::string_view request) const {
    client c = front_.connect();
    c.send(with_target(request));
    return c.read(request.starts_with("HEAD "));
}

response poisoning_stage::get(std::string_view fields) const { return front_.get(target_, fields); }

response poisoning_stage::ask(std::string_view method, std::string_view fields, std::string_view body) const {
    return front_.ask(method, target_, fields, body);
}

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

answer echo_uri(const request& asked) {
    answer a;
    a.body = asked.method() + " " + asked.target() + " " + asked.field("host");
    return a;
}

answer echo_fields(const request& asked) {
    constexpr std::array<std::string_view, 7> ours = {"host",
                                                      "via",
                                                      "forwarded",
                                                      "x-forwarded-for",
                                                      "x-forwarded-host",
                                                      "x-forwarded-port",
                                                      "x-forwarded-proto"};
    answer a;
    for (const auto& [name, value] : asked.top.fields.all()) {
        const std::string lower = lowered(name);
        if (std::find(ours.begin(), ours.end(), lower) == ours.end()) a.body += lower + "=" + value + ";";
    }
    return a;
}

long metric(const proxy& p, std::string_view line) {
    const std::string page = "\n" + p.ask_admin("/metrics").body;
    const std::string wanted = "\n" + std::string(line) + " ";
    const std::size_t at = page.find(wanted);
    return at == std::string::npos ? -1 : std::stol(page.substr(at + wanted.size()));
}

} // namespace meshcache::test
