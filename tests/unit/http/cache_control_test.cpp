#include "support.hpp"
#include "support/catch.hpp"

#include <meshcache/http/cache_control.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using namespace meshcache::http;
using test::shown;

namespace {

/// The directives in a form to compare: "max-age=5 no-store ...".
std::string show(const response_directives& d) {
    std::string out;
    const auto number = [&out](const char* name, const std::optional<seconds>& value) {
        if (value) out += std::string(name) + "=" + std::to_string(value->count()) + " ";
    };
    const auto flag = [&out](const char* name, bool value) {
        if (value) out += std::string(name) + " ";
    };
    const auto names = [&out](const char* name, const std::vector<std::string_view>& list) {
        if (list.empty()) return;
        out += std::string(name) + "(";
        for (const std::string_view member : list) out.append(member).append(",");
        out += ") ";
    };
    number("max-age", d.max_age);
    number("s-maxage", d.s_maxage);
    number("swr", d.stale_while_revalidate);
    number("sie", d.stale_if_error);
    flag("no-store", d.no_store);
    flag("no-cache", d.no_cache);
    names("no-cache", d.no_cache_fields);
    flag("private", d.is_private);
    names("private", d.private_fields);
    flag("public", d.is_public);
    flag("must-revalidate", d.must_revalidate);
    flag("proxy-revalidate", d.proxy_revalidate);
    flag("must-understand", d.must_understand);
    flag("immutable", d.immutable);
    flag("no-transform", d.no_transform);
    flag("targeted", d.targeted);
    if (!d.present) out += "absent ";
    if (!out.empty()) out.pop_back();
    return out;
}

struct row {
    std::string lines, expected;
};

} // namespace

TEST_CASE("Cache-Control of a response is read") {
    const std::vector<row> rows = {
        {"", "absent"},
        {"Cache-Control:\r\n", ""},
        {"Cache-Control: max-age=5\r\n", "max-age=5"},
        {"Cache-Control: MAX-AGE=5, Public\r\n", "max-age=5 public"},
        {"Cache-Control: max-age=\"5\"\r\n", "max-age=5"},
        {"Cache-Control: s-maxage=0, max-age=1\r\n", "max-age=1 s-maxage=0"},
        {"Cache-Control: max-age=99999999999999999999\r\n", "max-age=2147483648"},
        {"Cache-Control: max-age=5\r\nCache-Control: private\r\n", "max-age=5 private"},
        {"Cache-Control: no-store,no-cache,must-revalidate,proxy-revalidate\r\n",
         "no-store no-cache must-revalidate proxy-revalidate"},
        {"Cache-Control: stale-while-revalidate=1, stale-if-error=2\r\n", "swr=1 sie=2"},
        {"Cache-Control: must-understand, immutable, no-transform\r\n",
         "must-understand immutable no-transform"},
        {"Cache-Control: private=\"a, b\", max-age=3\r\n", "max-age=3 private(a,b,)"},
        {"Cache-Control: private=a\r\n", "private(a,)"},
        {"Cache-Control: private=\"\"\r\n", "private"},
        {"Cache-Control: private=\"a\", private\r\n", "private private(a,)"},
        {"Cache-Control: no-cache=\"set-cookie\"\r\n", "no-cache(set-cookie,)"},
        {"Cache-Control: no-cache=\"\"\r\n", "no-cache"},
        {"Cache-Control: ext=\"max-age=5\", other=no-store\r\n", ""},
        {"Cache-Control: ,, max-age=5 ,,\r\n", "max-age=5"},
        {"Pragma: no-cache\r\n", "absent"},
        {"Surrogate-Control: max-age=5\r\n", "absent"},
        // what cannot be read is stale at once
        {"Cache-Control: max-age\r\n", "max-age=0"},
        {"Cache-Control: max-age=\r\n", "max-age=0"},
        {"Cache-Control: max-age=x\r\n", "max-age=0"},
        {"Cache-Control: max-age=-1\r\n", "max-age=0"},
        {"Cache-Control: max-age=+5\r\n", "max-age=0"},
        {"Cache-Control: max-age=5.5\r\n", "max-age=0"},
        {"Cache-Control: max-age=5s\r\n", "max-age=0"},
        {"Cache-Control: max-age=5;x=y\r\n", "max-age=0"},
        {"Cache-Control: max-age=1e3\r\n", "max-age=0"},
        {"Cache-Control: max-age=0x5\r\n", "max-age=0"},
        {"Cache-Control: max-age =5\r\n", "max-age=0"},
        {"Cache-Control: max-age= 5\r\n", "max-age=0"},
        {"Cache-Control: max-age=5 5\r\n", "max-age=0"},
        {"Cache-Control: max-age='5'\r\n", "max-age=0"},
        {"Cache-Control: max-age=\"5\r\n", "max-age=0 no-store private"},
        {"Cache-Control: max-age=5\"\r\n", "max-age=0 no-store private"},
        {"Cache-Control: max-age=\"5\"6\r\n", "max-age=0"},
        {"Cache-Control: s-maxage=x, max-age=5\r\n", "max-age=5 s-maxage=0"},
        // what is said twice
        {"Cache-Control: max-age=5, max-age=5\r\n", "max-age=5"},
        {"Cache-Control: max-age=5, max-age=6\r\n", "max-age=0"},
        {"Cache-Control: max-age=5\r\nCache-Control: max-age=7\r\n", "max-age=0"},
        {"Cache-Control: max-age=5, max-age=x\r\n", "max-age=0"},
        {"Cache-Control: s-maxage=1, s-maxage=2, s-maxage=2\r\n", "s-maxage=0"},
        {"Cache-Control: stale-if-error=9, stale-if-error=3\r\n", "sie=3"},
        {"Cache-Control: stale-if-error=x, stale-while-revalidate\r\n", ""},
        // restrictions hold however they are written, permissions do not
        {"Cache-Control: no-store=1\r\n", "no-store"},
        {"Cache-Control: no-store=\"x\"\r\n", "no-store"},
        {"Cache-Control: must-revalidate=0\r\n", "must-revalidate"},
        {"Cache-Control: public=\"x\"\r\n", ""},
        {"Cache-Control: immutable=1, must-understand=1\r\n", ""},
        {"Cache-Control: ext=\"a, no-cache\r\n", "no-store private"},
        {"Cache-Control: no-store-x, xno-store, no store\r\n", ""},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        const test::response response(test::ok(r.lines));
        CHECK(show(read_response_directives(response.head.fields)) == r.expected);
    }
}

TEST_CASE("a targeted field that parses takes Cache-Control's place") {
    const std::vector<row> rows = {
        {"CDN-Cache-Control: max-age=5\r\nCache-Control: no-store\r\n", "max-age=5 targeted"},
        {"CDN-Cache-Control: max-age=5\r\nMeshcache-Cache-Control: max-age=6\r\n", "max-age=6 targeted"},
        {"Meshcache-Cache-Control: no-store, private;x, no-cache=?1\r\n",
         "no-store no-cache private targeted"},
        {"Meshcache-Cache-Control: no-store=?0, max-age=5\r\n", "max-age=5 targeted"},
        {"Meshcache-Cache-Control: max-age=5\r\nMeshcache-Cache-Control: public\r\n",
         "max-age=5 public targeted"},
        {"Meshcache-Cache-Control: max-age=5, max-age=6\r\n", "max-age=6 targeted"},
        {"Meshcache-Cache-Control: max-age=-5\r\n", "max-age=0 targeted"},
        {"Meshcache-Cache-Control: max-age=999999999999\r\n", "max-age=2147483648 targeted"},
        {"CDN-Cache-Control: max-age=5;ext=1;x, no-store;a=?0\r\n", "max-age=5 no-store targeted"},
        {"CDN-Cache-Control: x=(a b);q=1, y=1.5, z=:AAA=:, max-age=5\r\n", "max-age=5 targeted"},
        {"Meshcache-Cache-Control: private=\"a, b\", no-cache=c\r\n", "no-cache(c,) private(a,b,) targeted"},
        {"Meshcache-Cache-Control: s-maxage=1, stale-while-revalidate=2, stale-if-error=3\r\n",
         "s-maxage=1 swr=2 sie=3 targeted"},
        {"Meshcache-Cache-Control: must-revalidate, proxy-revalidate, must-understand, immutable, "
         "no-transform\r\n",
         "must-revalidate proxy-revalidate must-understand immutable no-transform targeted"},
        {"Meshcache-Cache-Control: unknown\r\nCache-Control: max-age=5\r\n", "targeted"},
        // the wrong type is no lifetime
        {"Meshcache-Cache-Control: max-age=\"5\"\r\n", "targeted"},
        {"Meshcache-Cache-Control: max-age=5.0\r\n", "targeted"},
        {"Meshcache-Cache-Control: max-age=?1\r\n", "targeted"},
        {"Meshcache-Cache-Control: max-age=(5)\r\n", "targeted"},
        {"Meshcache-Cache-Control: max-age\r\n", "targeted"},
        {"Meshcache-Cache-Control: public=1\r\n", "targeted"},
        {"Meshcache-Cache-Control: no-store=1\r\n", "no-store targeted"},
        // malformed or empty ones do not count
        {"Meshcache-Cache-Control:\r\nCDN-Cache-Control: max-age=5\r\n", "max-age=5 targeted"},
        {"Meshcache-Cache-Control: max-age=5,\r\nCache-Control: max-age=6\r\n", "max-age=6"},
        {"Meshcache-Cache-Control: Max-Age=5\r\nCache-Control: max-age=6\r\n", "max-age=6"},
        {"Meshcache-Cache-Control: max-age=5\r\nMeshcache-Cache-Control: =\r\nCache-Control: public\r\n",
         "public"},
        {"Meshcache-Cache-Control: max-age=5, no-store=\r\n", "absent"},
        {"CDN-Cache-Control: \"x\"\r\n", "absent"},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        const test::response response(test::ok(r.lines));
        CHECK(show(read_response_directives(response.head.fields)) == r.expected);
    }
}

TEST_CASE("Cache-Control of a request is read") {
    const auto read = [](std::string_view lines) {
        const test::request r(test::get(lines));
        const request_directives d = read_request_directives(r.head.fields);
        std::string out;
        const auto number = [&out](const char* name, const std::optional<seconds>& value) {
            if (value)
                out += std::string(name) + "=" +
                       (*value == seconds::max() ? std::string("any") : std::to_string(value->count())) + " ";
        };
        number("max-age", d.max_age);
        number("min-fresh", d.min_fresh);
        number("max-stale", d.max_stale);
        number("sie", d.stale_if_error);
        if (d.no_cache) out += "no-cache ";
        if (d.no_store) out += "no-store ";
        if (d.only_if_cached) out += "only-if-cached ";
        if (d.no_transform) out += "no-transform ";
        if (!out.empty()) out.pop_back();
        return out;
    };
    const std::vector<row> rows = {
        {"", ""},
        {"Cache-Control: no-cache\r\n", "no-cache"},
        {"Cache-Control: No-Store, only-if-cached, no-transform\r\n", "no-store only-if-cached no-transform"},
        {"Cache-Control: max-age=0\r\n", "max-age=0"},
        {"Cache-Control: max-age=5, max-age=3\r\n", "max-age=3"},
        {"Cache-Control: max-age=x\r\n", "max-age=0"},
        {"Cache-Control: min-fresh=5\r\nCache-Control: min-fresh=3\r\n", "min-fresh=5"},
        {"Cache-Control: min-fresh=x\r\n", ""},
        {"Cache-Control: max-stale\r\n", "max-stale=any"},
        {"Cache-Control: max-stale=5\r\n", "max-stale=5"},
        {"Cache-Control: max-stale, max-stale=5\r\n", "max-stale=5"},
        {"Cache-Control: max-stale=x\r\n", ""},
        {"Cache-Control: stale-if-error=600\r\n", "sie=600"},
        {"Cache-Control: stale-if-error=600, Stale-If-Error=\"5\"\r\n", "sie=5"},
        {"Cache-Control: stale-if-error, stale-if-error=-1, stale-while-revalidate=5\r\n", ""},
        {"Pragma: no-cache\r\n", "no-cache"},
        {"Pragma: x, No-Cache\r\n", "no-cache"},
        {"Pragma: no-cache=1\r\n", ""},
        {"Cache-Control: max-age=\"5\", min-fresh=\"6\"\r\n", "max-age=5 min-fresh=6"},
        {"Cache-Control: private, public, must-revalidate, s-maxage=5, x=\"no-store\"\r\n", ""},
        {"Pragma: x\r\n", ""},
        {"Pragma: no-cache\r\nCache-Control: max-age=9\r\n", "max-age=9"},
        {"Meshcache-Cache-Control: no-store\r\n", ""},
    };
    for (const row& r : rows) {
        INFO(shown(r.lines));
        CHECK(read(r.lines) == r.expected);
    }
}
