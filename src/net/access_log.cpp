#include "access_log.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace meshcache::net {
namespace {

/// What a refused request may put into a line; others are bounded by --max-target and --max-header-size.
constexpr std::size_t longest_part = 8 * 1024;

/// One part of a line, "-" if it is not known.
std::string part(std::string_view text) {
    if (text.empty()) return "-";
    std::string out = escaped(text, longest_part);
    // A malformed Host may have blanks, which separate the parts.
    std::replace(out.begin(), out.end(), ' ', '+');
    return out;
}

} // namespace

std::string escaped(std::string_view text, std::size_t most) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out;
    const bool cut = text.size() > most;
    if (cut) text = text.substr(0, most);
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
    if (cut) out += "...";
    return out;
}

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
            client, part(r.method), part(r.host), part(r.target), r.status, r.bytes, ms,
            escaped(status_text_));
    } else {
        log_->info("{} {} {} {} {} {}B {:.3f}ms cache=\"{}\"", client, part(r.method), part(r.host),
                   part(r.target), r.status, r.bytes, ms, escaped(status_text_));
    }
}

} // namespace meshcache::net
