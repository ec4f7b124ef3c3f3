#include "options_help.hpp"
#include "options_suggest.hpp"
#include "options_table.hpp"
#include "support/golden.hpp"
#include "version.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::app;
using meshcache::test::check_golden;
using meshcache::test::golden_file;
using meshcache::test::read_whole_file;

namespace {

/// For every setting: values that it takes, with what show() makes of them where that differs.
struct good_value {
    std::string text;
    std::string shown; ///< empty: as `text`
};

struct values {
    std::vector<good_value> good;
    std::vector<std::pair<std::string, std::string>> bad; ///< text, and a part of the complaint
};

std::string size_range(const std::string& least, const std::string& most) {
    return "out of range; it must lie between " + least + " and " + most;
}

/// Good and bad values of every setting; a test checks that none is missing.
std::map<std::string, values> all_values() {
    const auto between = size_range;
    const values toggles{{{"true", ""}, {"false", ""}},
                         {{"", "write true or false"}, {"1", "write true or false"}}};
    const auto durations = [&](const std::string& least, const std::string& most, const std::string& below,
                               const std::string& above) {
        values v{{{least, ""}, {most, ""}},
                 {{"10", "has no unit"}, {"", "is not a duration"}, {above, between(least, most)}}};
        if (!below.empty()) v.bad.emplace_back(below, between(least, most));
        return v;
    };
    const auto counts = [&](const std::string& least, const std::string& most, const std::string& below,
                            const std::string& above) {
        values v{{{least, ""}, {most, ""}},
                 {{"-1", "is not a whole number"},
                  {"", "is not a whole number"},
                  {"1k", "is not a whole number"},
                  {above, between(least, most)}}};
        if (!below.empty()) v.bad.emplace_back(below, between(least, most));
        return v;
    };
    const auto sizes = [&](const std::string& least, const std::string& most, const std::string& below,
                           const std::string& above) {
        return values{{{least, ""}, {most, ""}},
                      {{"64M", "write 64MiB"},
                       {"", "is not a size"},
                       {below, between(least, most)},
                       {above, between(least, most)}}};
    };
    return {
        {"listen",
         {{{"0.0.0.0:8080", ""}, {"[::]:8080", ""}, {"127.0.0.1:0", ""}, {"unix:/run/mc.sock", ""}},
          {{":8080", "has no host"},
           {"8080", "has no host"},
           {"localhost", "has no port"},
           {"", "is no address"}}}},
        {"upstream",
         {{{"127.0.0.1:3000", ""}, {"app:80", ""}, {"unix:@app", ""}},
          {{"app:0", "port 0 cannot be connected to"},
           {"http://app:80", "write the address alone: app:80"},
           {"", "is no address"}}}},
        {"admin",
         {{{"127.0.0.1:9901", ""}, {"[::1]:0", ""}, {"unix:/run/a", ""}}, {{"9901", "has no host"}}}},
        {"admin-token",
         {{{"secret", "***"}, {std::string(256, 'x'), "***"}, {"a.b-c_d~e+f/g==", "***"}},
          {{"two words", "cannot be sent as a bearer token"},
           {std::string(257, 'x'), "up to 256"},
           {"a\"b", "letters, digits"}}}},
        {"redis",
         {{{"redis://redis", "redis://redis:6379"},
           {"redis://:p@redis:1/2", "redis://:***@redis:1/2"},
           {"unix:///run/r", ""}},
          {{"redis:6379", "not a Redis URL"}, {"redis://p@redis", "has no colon"}}}},
        {"namespace",
         {{{"default", ""}, {"a", ""}, {"A.b_c-9", ""}, {std::string(64, 'n'), ""}},
          {{"", "is not a namespace"},
           {"a b", "is not a namespace"},
           {"a{b}", "is not a namespace"},
           {std::string(65, 'n'), "1 to 64"}}}},
        {"consistency",
         {{{"local", ""}, {"eventual", ""}, {"strong", ""}},
          {{"Local", "is not one of local, eventual, strong"}, {"", "is not one of"}}}},
        {"on-unconfirmed",
         {{{"upstream", ""}, {"stale", ""}, {"503", ""}},
          {{"", "is not one of"}, {"502", "is not one of upstream, stale, 503"}}}},
        {"collapse",
         {{{"local", ""}, {"global", ""}},
          {{"", "is not one of"}, {"Global", "is not one of local, global"}}}},
        {"on-hit",
         {{{"serve", ""}, {"reject", "reject:403"}, {"reject:400", ""}, {"reject:599", ""}},
          {{"", "is not one of"},
           {"deny", "is not one of serve, reject, reject:STATUS"},
           {"reject:", "between 400 and 599"},
           {"reject:200", "between 400 and 599"},
           {"reject:600", "between 400 and 599"},
           {"reject:4e2", "between 400 and 599"}}}},
        {"memory", sizes("1MiB", "16TiB", "1048575", "17592186044417")},
        {"max-object", sizes("1KiB", "1GiB", "1023", "2GiB")},
        {"max-variants", counts("1", "1024", "0", "1025")},
        {"heuristic-percent", counts("0", "100", "", "101")},
        {"heuristic-max", durations("0s", "8760h", "", "8761h")},
        {"heuristic-errors", toggles},
        {"error-max", durations("0s", "8760h", "", "8761h")},
        {"store-post", toggles},
        {"strict-age", toggles},
        {"stale-while-revalidate", durations("0s", "8760h", "", "8761h")},
        {"stale-if-error", durations("0s", "8760h", "", "8761h")},
        {"stale-if-disconnected", durations("0s", "8760h", "", "8761h")},
        {"store-set-cookie", toggles},
        {"trust-not-modified", toggles},
        {"vary-ignore-order", toggles},
        {"collapse-timeout", durations("1ms", "10m", "0s", "601s")},
        {"max-unsynced", durations("0s", "8760h", "", "8761h")},
        {"max-clock-skew", durations("0s", "1m", "", "61s")},
        {"redis-timeout", durations("1ms", "10s", "0s", "11s")},
        {"redis-command-timeout", durations("10ms", "1m", "9ms", "2m")},
        {"redis-backoff-max", durations("10ms", "10m", "9ms", "1h")},
        {"queue-memory", sizes("1MiB", "1TiB", "0", "2TiB")},
        {"log-length", counts("1000", "100000000", "999", "100000001")},
        {"on-change", {{{"refresh", ""}, {"drop", ""}}, {{"", "is not one of"}, {"fetch", "refresh, drop"}}}},
        {"replicate", {{{"recent", ""}, {"all", ""}}, {{"", "is not one of"}, {"none", "recent, all"}}}},
        {"warm-start", {{{"on", ""}, {"off", ""}}, {{"", "is not one of"}, {"true", "on, off"}}}},
        {"warm-timeout", durations("0s", "24h", "", "25h")},
        {"warm-percent", counts("1", "100", "0", "101")},
        {"ready-after-warm", toggles},
        {"threads", counts("1", "256", "0", "257")},
        {"max-connections", counts("1", "1000000", "0", "1000001")},
        {"max-connections-per-client", counts("0", "1000000", "", "1000001")},
        {"max-header-size", sizes("1KiB", "1MiB", "512", "2MiB")},
        {"max-header-count", counts("1", "4096", "0", "4097")},
        {"max-target", sizes("64", "1MiB", "63", "2MiB")},
        {"max-requests-per-connection", counts("0", "1000000000", "", "1000000001")},
        {"header-timeout", durations("10ms", "1h", "0s", "2h")},
        {"body-timeout", durations("10ms", "1h", "0s", "2h")},
        {"keepalive-timeout", durations("10ms", "24h", "0s", "25h")},
        {"write-timeout", durations("10ms", "24h", "0s", "25h")},
        {"tunnel-timeout", durations("10ms", "8760h", "0s", "8761h")},
        {"drain-timeout", durations("0s", "1h", "", "2h")},
        {"upstream-connect-timeout", durations("10ms", "10m", "0s", "1h")},
        {"upstream-response-timeout", durations("10ms", "24h", "0s", "25h")},
        {"upstream-idle-timeout", durations("10ms", "24h", "0s", "25h")},
        {"upstream-keepalive", durations("0s", "24h", "", "25h")},
        {"upstream-connections", counts("1", "65535", "0", "65536")},
        {"upstream-resolve-interval", durations("100ms", "24h", "0s", "25h")},
        {"trust-forwarded", toggles},
        {"upstream-any-coding", toggles},
        {"upstream-surplus", toggles},
        {"log-level",
         {{{"trace", ""}, {"debug", ""}, {"info", ""}, {"warn", ""}, {"error", ""}, {"off", ""}},
          {{"warning", "is not one of trace, debug, info, warn, error, off"},
           {"", "is not one of"},
           {"INFO", "is not one of"}}}},
        {"access-log",
         {{{"off", ""}, {"misses", ""}, {"all", ""}}, {{"on", "is not one of off, misses, all"}}}},
        {"log-format", {{{"text", ""}, {"json", ""}}, {{"yaml", "is not one of text, json"}}}},
    };
}

} // namespace

TEST_CASE("every setting takes its good values and shows them as they are read") {
    const auto all = all_values();
    REQUIRE(all.size() == settings().size());
    for (const auto& s : settings()) {
        INFO(s.name);
        const auto it = all.find(std::string(s.name));
        REQUIRE(it != all.end());
        for (const auto& value : it->second.good) {
            INFO(value.text);
            configuration c;
            REQUIRE(s.assign(c, value.text).empty());
            CHECK(s.show(c).value_or("") == (value.shown.empty() ? value.text : value.shown));
        }
    }
}

TEST_CASE("every setting refuses its bad values, says why, and keeps what it had") {
    const auto all = all_values();
    for (const auto& s : settings()) {
        INFO(s.name);
        for (const auto& [text, complaint] : all.at(std::string(s.name)).bad) {
            configuration c;
            const auto before = s.show(c);
            const auto fault = s.assign(c, text);
            INFO(text << ": " << fault);
            CHECK(fault.find(complaint) != std::string::npos);
            CHECK(fault.find('\n') == std::string::npos);
            CHECK_FALSE(fault.ends_with("."));
            CHECK(s.show(c) == before);
        }
    }
}

TEST_CASE("every setting's default and example are values that it takes") {
    for (const auto& s : settings()) {
        INFO(s.name);
        configuration c;
        const auto value = s.example.empty() ? s.default_text() : std::string(s.example);
        CHECK(s.assign(c, value).empty());
        CHECK_FALSE(s.help.empty());
        CHECK((s.kind == value_kind::toggle) == s.placeholder.empty());
    }
}

TEST_CASE("names are unique, and groups stand together in their order") {
    std::set<std::string_view> names;
    auto group = setting_group::addresses;
    for (const auto& s : settings()) {
        INFO(s.name);
        CHECK(names.insert(s.name).second);
        CHECK(s.group >= group);
        group = s.group;
        const auto found = find_setting(s.name);
        REQUIRE(found.has_value());
        CHECK(&settings()[*found] == &s);
    }
    CHECK_FALSE(find_setting("nothing").has_value());
    CHECK(settings()[*find_setting("max-object")].flag() == "--max-object");
    CHECK(settings()[*find_setting("max-object")].variable() == "MESHCACHE_MAX_OBJECT");
}

TEST_CASE("what is near enough is suggested, and nothing else") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("lisetn", "listen") == 1);
    CHECK(nearest_setting("listn") == "listen");
    CHECK(nearest_setting("max_object") == "max-object");
    CHECK(nearest_setting("thread") == "threads");
    CHECK(nearest_setting("redis-tiemout") == "redis-timeout");
    CHECK(nearest_setting("x").empty());
    CHECK(nearest_setting("").empty());
    CHECK(nearest_setting("completely-different").empty());
    CHECK(nearest_setting(std::string(100'000, 'a')).empty());
}

TEST_CASE("the help page is what the golden file has") {
    std::string page = help_text();
    const auto at = page.find(version());
    REQUIRE(at != std::string::npos);
    page.replace(at, version().size(), "VERSION");
    check_golden(golden_file("app", "help.txt"), page);
    std::size_t start = 0;
    for (auto end = page.find('\n'); end != std::string::npos; start = end + 1, end = page.find('\n', start))
        CHECK(end - start <= 100);
}

TEST_CASE("the manual's table of settings is what the golden file has") {
    check_golden(golden_file("app", "settings.md"), settings_markdown());
}

TEST_CASE("the example file in config/ is made from the table") {
    const auto root = meshcache::test::source_dir();
    check_golden(root / "config" / "meshcache.toml", example_file());
}

TEST_CASE("the version names the program and its libraries") {
    const auto text = version_text();
    CHECK(text.starts_with("meshcache " + std::string(version()) + "\n"));
    CHECK(version() != "unknown");
    for (const char* name : {"compiler", "build", "Boost", "CLI11", "hiredis", "nlohmann_json", "OpenSSL",
                             "prometheus-cpp", "spdlog", "toml++", "xxHash"})
        CHECK(text.find("\n" + std::string(name) + " ") != std::string::npos);
    CHECK(text.find("unknown") == std::string::npos);
}
