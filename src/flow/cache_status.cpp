#include <meshcache/flow/cache_status.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/grammar.hpp>

#include <charconv>

namespace meshcache::flow {
namespace {

std::string_view token(forward f) noexcept {
    switch (f) {
    case forward::none:
        return {};
    case forward::bypass:
        return "bypass";
    case forward::method:
        return "method";
    case forward::uri_miss:
        return "uri-miss";
    case forward::vary_miss:
        return "vary-miss";
    case forward::miss:
        return "miss";
    case forward::request:
        return "request";
    case forward::stale:
        return "stale";
    }
    return {};
}

void append_number(std::string& out, std::int64_t n) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
    out.append(digits, end);
}

/// A token as it is, anything else as a String (RFC 8941, section 3.3.3); our words need no escapes.
void append_word(std::string_view word, std::string& out) {
    const bool token = http::is_token(word);
    if (!token) out += '"';
    out += word;
    if (!token) out += '"';
}

} // namespace

void write_cache_status(const cache_outcome& outcome, std::string& out) {
    out += http::pseudonym;
    if (outcome.hit) {
        out += "; hit";
    } else if (outcome.fwd != forward::none) {
        out += "; fwd=";
        out += token(outcome.fwd);
        if (outcome.fwd_status != 0) {
            out += "; fwd-status=";
            append_number(out, outcome.fwd_status);
        }
        if (outcome.stored) out += "; stored";
        if (outcome.collapsed) out += "; collapsed";
    }
    if (outcome.ttl) {
        out += "; ttl=";
        append_number(out, *outcome.ttl);
    }
    if (outcome.rejected) {
        out += "; detail=rejected";
    } else if (outcome.from_redis) {
        out += "; detail=redis";
    } else if (!outcome.detail.empty()) {
        out += "; detail=";
        append_word(outcome.detail, out);
    }
}

counter counter_of(const cache_outcome& outcome) noexcept {
    if (outcome.rejected) return counter::requests_rejected;
    if (outcome.collapsed) return counter::requests_collapsed;
    // Not even a moment of freshness is left at 0: freshness_left() rounds what is left up.
    if (outcome.hit && outcome.ttl && *outcome.ttl <= 0) return counter::requests_hit_stale;
    if (outcome.hit) return outcome.from_redis ? counter::requests_hit_redis : counter::requests_hit;
    switch (outcome.fwd) {
    case forward::none:
    case forward::bypass:
        return counter::requests_bypass;
    case forward::method:
        return counter::requests_method;
    case forward::uri_miss:
    case forward::miss:
        return counter::requests_uri_miss;
    case forward::vary_miss:
        return counter::requests_vary_miss;
    case forward::request:
        return counter::requests_request;
    case forward::stale:
        return counter::requests_stale;
    }
    return counter::requests_bypass;
}

} // namespace meshcache::flow
