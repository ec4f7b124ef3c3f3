#include "support/message.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace meshcache::test {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
    return s;
}

/// Splits at `separator` outside quotes.
std::vector<std::string_view> split(std::string_view s, char separator) {
    std::vector<std::string_view> parts;
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= s.size(); ++i) {
        if (i < s.size() && s[i] == '"') quoted = !quoted;
        if (i == s.size() || (s[i] == separator && !quoted)) {
            parts.push_back(trimmed(s.substr(begin, i - begin)));
            begin = i + 1;
        }
    }
    return parts;
}

} // namespace

std::size_t field_lines::count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines_, [&](const auto& line) { return same(line.first, name); }));
}

std::string field_lines::get(std::string_view name) const {
    const auto at = std::ranges::find_if(lines_, [&](const auto& line) { return same(line.first, name); });
    return at == lines_.end() ? std::string() : at->second;
}

std::string field_lines::joined(std::string_view name) const {
    std::string out;
    for (const auto& [key, value] : lines_)
        if (same(key, name)) out += (out.empty() ? "" : ", ") + value;
    return out;
}

std::string head::part(std::size_t n) const {
    std::string_view rest = start_line;
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t blank = rest.find(' ');
        if (blank == std::string_view::npos) return {};
        rest.remove_prefix(blank + 1);
    }
    return std::string(n < 2 ? rest.substr(0, rest.find(' ')) : rest);
}

std::optional<head> read_head(connection& from) {
    std::size_t end;
    while ((end = from.buffer().find("\r\n\r\n")) == std::string::npos)
        if (!from.fill()) return std::nullopt;
    head h;
    h.raw = from.buffer().substr(0, end + 4);
    from.buffer().erase(0, end + 4);
    std::string_view rest(h.raw);
    rest.remove_suffix(2);
    const std::size_t first = rest.find("\r\n");
    h.start_line = rest.substr(0, first);
    rest.remove_prefix(first + 2);
    while (!rest.empty()) {
        const std::size_t eol = rest.find("\r\n");
        const std::string_view line = rest.substr(0, eol);
        const std::size_t colon = std::min(line.find(':'), line.size());
        h.fields.add(std::string(line.substr(0, colon)),
                     std::string(trimmed(line.substr(std::min(colon + 1, line.size())))));
        rest.remove_prefix(eol + 2);
    }
    return h;
}

framing request_framing(const head& request) {
    if (request.fields.has("transfer-encoding")) return {framing::kind_t::chunked, 0};
    if (request.fields.has("content-length"))
        return {framing::kind_t::length,
                std::strtoull(request.fields.get("content-length").c_str(), nullptr, 10)};
    return {};
}

framing response_framing(const head& response, bool answers_head) {
    const int status = std::atoi(response.part(1).c_str());
    if (answers_head || status == 204 || status == 304 || status / 100 == 1) return {};
    if (response.fields.has("transfer-encoding")) return {framing::kind_t::chunked, 0};
    if (response.fields.has("content-length"))
        return {framing::kind_t::length,
                std::strtoull(response.fields.get("content-length").c_str(), nullptr, 10)};
    return {framing::kind_t::until_close, 0};
}

body_reader::body_reader(connection& from, framing how) : from_(from), how_(how), remaining_(how.length) {
    complete_ = how.kind == framing::kind_t::none || (how.kind == framing::kind_t::length && how.length == 0);
}

bool body_reader::next(std::string& out) {
    if (complete_ || malformed_) return false;
    if (how_.kind == framing::kind_t::chunked) return next_chunked(out);
    std::string& buffer = from_.buffer();
    if (buffer.empty() && !from_.fill()) {
        if (how_.kind == framing::kind_t::until_close) complete_ = from_.ended() == ending::closed;
        return false;
    }
    if (how_.kind == framing::kind_t::until_close) {
        out += buffer;
        buffer.clear();
        return true;
    }
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), remaining_));
    out.append(buffer, 0, n);
    buffer.erase(0, n);
    remaining_ -= n;
    complete_ = remaining_ == 0;
    return true;
}

bool body_reader::next_chunked(std::string& out) {
    std::string& buffer = from_.buffer();
    const auto line = [&]() -> std::optional<std::string> {
        std::size_t end;
        while ((end = buffer.find("\r\n")) == std::string::npos)
            if (!from_.fill()) return std::nullopt;
        std::string text = buffer.substr(0, end);
        buffer.erase(0, end + 2);
        return text;
    };
    if (!in_chunk_) {
        const auto size = line();
        if (!size) return false;
        char* end = nullptr;
        remaining_ = std::strtoull(size->c_str(), &end, 16);
        if (end == size->c_str()) {
            malformed_ = true;
            return false;
        }
        if (remaining_ == 0) {
            for (;;) { // the trailer section
                const auto trailer = line();
                if (!trailer) return false;
                if (trailer->empty()) break;
            }
            complete_ = true;
            return false;
        }
        in_chunk_ = true;
    }
    if (buffer.empty() && !from_.fill()) return false;
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), remaining_));
    out.append(buffer, 0, n);
    buffer.erase(0, n);
    remaining_ -= n;
    if (remaining_ == 0) {
        const auto rest = line();
        if (!rest) return true; // what came is handed out; the next call finds the end
        if (!rest->empty()) malformed_ = true;
        in_chunk_ = false;
    }
    return true;
}

std::uint64_t body_reader::skip() {
    std::uint64_t total = 0;
    std::string piece;
    while (next(piece)) {
        total += piece.size();
        piece.clear();
    }
    return total;
}

cache_status::cache_status(std::string_view member) {
    bool first = true;
    for (const std::string_view part : split(member, ';')) {
        if (std::exchange(first, false)) {
            cache_ = part;
            continue;
        }
        const std::size_t equals = part.find('=');
        std::string_view value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
            value = value.substr(1, value.size() - 2);
        parameters_.emplace_back(part.substr(0, equals), value);
    }
}

bool cache_status::has(std::string_view parameter) const {
    return std::ranges::any_of(parameters_, [&](const auto& p) { return p.first == parameter; });
}

std::string cache_status::parameter(std::string_view name) const {
    const auto at = std::ranges::find_if(parameters_, [&](const auto& p) { return p.first == name; });
    return at == parameters_.end() ? std::string() : at->second;
}

long cache_status::ttl() const { return std::strtol(parameter("ttl").c_str(), nullptr, 10); }

cache_status response::cached() const {
    const std::string all = top.fields.joined("cache-status");
    const auto members = split(all, ',');
    return cache_status(members.empty() ? std::string_view() : members.back());
}

std::string response::summary() const {
    return top.raw + "(" + std::to_string(body.size()) + " bytes" + (complete ? "" : ", incomplete") + ") " +
           body.substr(0, 200);
}

std::string chunk(std::string_view bytes) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return std::string(size).append(bytes).append("\r\n");
}

std::string noise(std::size_t size, std::uint64_t seed) {
    std::string out(size, '\0');
    std::uint64_t x = seed * 0x9E3779B97F4A7C15ull + 1;
    for (char& c : out) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        c = static_cast<char>('!' + (x >> 33) % 94);
    }
    return out;
}

} // namespace meshcache::test
