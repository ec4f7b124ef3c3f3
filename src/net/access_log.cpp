#include "access_log.hpp"

#include <spdlog/spdlog.h>

namespace meshcache::net {
namespace {

/// What a client sent must not be able to end a line or a string: everything but visible ASCII is escaped.
std::string escaped(std::string_view text) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out;
    out.reserve(text.size());
    for (const char ch : text) {
        const auto c = static_cast<unsigned char>(ch);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += ch;
        } else if (c < 0x20 || c >= 0x7f) {
            out += "\\u00";
            out += hex[c >> 4];
            out += hex[c & 15];
        } else {
            out += ch;
        }
    }
    return out;
}

} // namespace

void access_logger::write(const access_record& r) {
    status_text_.clear();
    flow::write_cache_status(*r.outcome, status_text_);
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(r.took).count();
    const double ms = static_cast<double>(us) / 1000.0;
    const auto client = r.client.empty() ? std::string_view("unix") : r.client;
    if (json_) {
        // The sink's pattern adds the braces and the time.
        log_->info(
            R"("client":"{}","method":"{}","host":"{}","target":"{}","status":{},"bytes":{},"ms":{:.3f},"cache":"{}")",
            client, escaped(r.method), escaped(r.host), escaped(r.target), r.status, r.bytes, ms,
            escaped(status_text_));
    } else {
        log_->info("{} {} {} {} {} {}B {:.3f}ms cache=\"{}\"", client, escaped(r.method), escaped(r.host),
                   escaped(r.target), r.status, r.bytes, ms, escaped(status_text_));
    }
}

} // namespace meshcache::net
