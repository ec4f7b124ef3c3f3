#include "support/client.hpp"

#include <cstdlib>

namespace meshcache::test {

response client::read_top(bool answers_head) {
    response r;
    for (;;) {
        auto top = read_head(on_);
        if (!top) {
            give_up(std::string("the connection was ") + (on_.ended() == ending::reset ? "reset" : "closed") +
                    " instead of an answer; it had \"" + on_.buffer().substr(0, 300) + "\"");
        }
        r.status = std::atoi(top->part(1).c_str());
        if (r.status / 100 == 1 && r.status != 101) {
            r.interim.push_back(std::move(*top));
            continue;
        }
        r.top = std::move(*top);
        break;
    }
    r.framed = response_framing(r.top, answers_head);
    return r;
}

response client::read(bool answers_head) {
    response r = read_top(answers_head);
    body_reader body(on_, r.framed);
    while (body.next(r.body)) {
    }
    r.complete = body.complete() && !body.malformed();
    return r;
}

void client::read_until(body_reader& body, response& into, std::size_t size) {
    while (into.body.size() < size && body.next(into.body)) {
    }
    into.complete = body.complete() && !body.malformed();
}

response client::get(std::string_view target, std::string_view fields) { return ask("GET", target, fields); }

response client::ask(std::string_view method, std::string_view target, std::string_view fields,
                     std::string_view body) {
    if (!send(request_text(method, target, fields, body))) give_up("the proxy did not take the request");
    return read(method == "HEAD");
}

std::string request_text(std::string_view method, std::string_view target, std::string_view fields,
                         std::string_view body) {
    std::string out;
    out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
    if (!fields.starts_with("Host:") && fields.find("\nHost:") == std::string_view::npos)
        out += "Host: shop.example\r\n";
    out.append(fields);
    if (!body.empty()) out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    return out.append("\r\n").append(body);
}

} // namespace meshcache::test
