#include "support/catch.hpp"

#include <meshcache/flow/cache_status.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace meshcache;
using namespace meshcache::flow;
using std::nullopt;

struct row {
    std::string_view flags; ///< h it, s tored, c ollapsed, r edis, x: rejected
    forward fwd;
    int fwd_status;
    std::optional<std::int64_t> ttl;
    std::string_view detail;
    std::string_view text; ///< after the name
    counter counted;

    cache_outcome outcome() const {
        const auto has = [&](char c) { return flags.find(c) != std::string_view::npos; };
        cache_outcome out;
        out.fwd = fwd;
        out.hit = has('h');
        out.stored = has('s');
        out.collapsed = has('c');
        out.from_redis = has('r');
        out.rejected = has('x');
        out.fwd_status = fwd_status;
        out.ttl = ttl;
        out.detail = detail;
        return out;
    }
};

// clang-format off
const row rows[] = {
    {"h",   forward::none,      0,   42,      "", "; hit; ttl=42",                      counter::requests_hit},
    {"h",   forward::none,      0,   nullopt, "", "; hit",                              counter::requests_hit},
    {"h",   forward::none,      0,   1,       "", "; hit; ttl=1",                       counter::requests_hit},
    {"h",   forward::none,      0,   0,       "", "; hit; ttl=0",                       counter::requests_hit_stale},
    {"h",   forward::none,      0,   -7,      "", "; hit; ttl=-7",                      counter::requests_hit_stale},
    {"hr",  forward::none,      0,   42,      "", "; hit; ttl=42; detail=redis",        counter::requests_hit_redis},
    {"hr",  forward::none,      0,   0,       "", "; hit; ttl=0; detail=redis",         counter::requests_hit_stale},
    {"hx",  forward::none,      0,   42,      "", "; hit; ttl=42; detail=rejected",     counter::requests_rejected},
    {"hrx", forward::none,      0,   42,      "", "; hit; ttl=42; detail=rejected",     counter::requests_rejected},
    {"hs",  forward::none,      0,   42,      "", "; hit; ttl=42",                      counter::requests_hit},
    {"h",   forward::none,      0,   42,      "not a token", "; hit; ttl=42; detail=\"not a token\"",
                                                                                        counter::requests_hit},
    {"",    forward::bypass,    0,   nullopt, "upgrade", "; fwd=bypass; detail=upgrade", counter::requests_bypass},
    {"",    forward::method,    201, nullopt, "", "; fwd=method; fwd-status=201",       counter::requests_method},
    {"s",   forward::uri_miss,  200, 60,      "", "; fwd=uri-miss; fwd-status=200; stored; ttl=60",
                                                                                        counter::requests_uri_miss},
    {"",    forward::uri_miss,  200, nullopt, "no-store", "; fwd=uri-miss; fwd-status=200; detail=no-store",
                                                                                        counter::requests_uri_miss},
    {"c",   forward::uri_miss,  0,   60,      "", "; fwd=uri-miss; collapsed; ttl=60",  counter::requests_collapsed},
    {"cx",  forward::uri_miss,  0,   60,      "", "; fwd=uri-miss; collapsed; ttl=60; detail=rejected",
                                                                                        counter::requests_rejected},
    {"",    forward::miss,      0,   nullopt, "", "; fwd=miss",                         counter::requests_uri_miss},
    {"",    forward::vary_miss, 0,   nullopt, "", "; fwd=vary-miss",                    counter::requests_vary_miss},
    {"",    forward::request,   0,   nullopt, "", "; fwd=request",                      counter::requests_request},
    {"",    forward::stale,     503, -3,      "stale-if-error",
                              "; fwd=stale; fwd-status=503; ttl=-3; detail=stale-if-error", counter::requests_stale},
    {"",    forward::none,      0,   nullopt, "only-if-cached", "; detail=only-if-cached", counter::requests_bypass},
    {"",    forward::none,      0,   nullopt, "", "",                                   counter::requests_bypass},
};
// clang-format on

TEST_CASE("an outcome has one text and one counter, which say the same") {
    for (const auto& r : rows) {
        std::string text = "before, ";
        write_cache_status(r.outcome(), text);
        CHECK(text == "before, meshcache" + std::string(r.text));
        INFO(r.text);
        CHECK(describe(counter_of(r.outcome())).labels == describe(r.counted).labels);
    }
}

} // namespace
