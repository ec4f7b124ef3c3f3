#include "options.hpp"
#include "options_table.hpp"
#include "support/golden.hpp"
#include "version.hpp"
#include "world.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

using namespace meshcache;
using namespace meshcache::app;
using meshcache::app::test::world;
using meshcache::test::check_golden;
using meshcache::test::golden_file;
using meshcache::test::read_whole_file;

namespace {

const std::string hint = "Try 'meshcache --help'.\n";

using arguments = std::vector<std::string>;

arguments with_upstream(arguments more) {
    more.insert(more.begin(), {"--upstream", "127.0.0.1:3000"});
    return more;
}

} // namespace

TEST_CASE("an upstream is enough") {
    const auto c = world{}.run({"--upstream", "127.0.0.1:3000"});
    CHECK(c.upstream == endpoint{"127.0.0.1", 3000, {}});
    CHECK(c.listen == endpoint{"0.0.0.0", 8080, {}});
    CHECK(c.admin == endpoint{"127.0.0.1", 9901, {}});
    CHECK_FALSE(c.redis.has_value());
    CHECK(c.consistency == consistency_mode::local);
    CHECK(c.on_hit.serves());
    CHECK(c.config_file.empty());
}

TEST_CASE("memory and threads follow from what is granted, within their bounds") {
    world w;
    struct row {
        std::uint64_t memory;
        unsigned cpus;
        std::size_t expected_memory;
        unsigned expected_threads;
    };
    const std::vector<row> rows{
        {std::uint64_t{2} << 30U, 3, std::size_t{512} << 20U, 3},
        {0, 0, std::size_t{64} << 20U, 1},
        {std::uint64_t{100} << 20U, 1, std::size_t{64} << 20U, 1},
        {(std::uint64_t{1} << 30U) + 12'345, 1'000, std::size_t{256} << 20U, 256},
        {std::uint64_t{1} << 60U, 2, std::size_t{16} << 40U, 2},
    };
    for (const auto& row : rows) {
        w.grant.memory = row.memory;
        w.grant.cpus = row.cpus;
        const auto c = w.run({"--upstream", "app:80"});
        CHECK(c.memory == row.expected_memory);
        CHECK(c.threads == row.expected_threads);
    }
    const auto c = w.run(with_upstream({"--memory", "10MiB", "--threads", "7"}));
    CHECK(c.memory == std::size_t{10} << 20U);
    CHECK(c.threads == 7);
}

TEST_CASE("every setting reaches the configuration from a flag, a variable and the file alike") {
    for (const auto& s : settings()) {
        if (s.name == "upstream") continue;
        INFO(s.name);
        configuration expected;
        const std::string value = s.kind == value_kind::toggle ? "true"
                                  : s.example.empty()          ? s.default_text()
                                                               : std::string(s.example);
        REQUIRE(s.assign(expected, value).empty());
        const auto shown = s.show(expected);
        const arguments base = s.name == "consistency"
                                   ? arguments{"--upstream", "app:80", "--redis", "redis://redis"}
                                   : arguments{"--upstream", "app:80"};
        auto by_flag = base;
        by_flag.push_back(s.flag() + "=" + value);
        CHECK(s.show(world{}.run(by_flag)) == shown);

        world by_variable;
        by_variable.variables[s.variable()] = value;
        CHECK(s.show(by_variable.run(base)) == shown);

        world by_file;
        by_file.files["/c.toml"] = std::string(s.name) + " = " + s.as_toml(value);
        auto with_file = base;
        with_file.insert(with_file.end(), {"--config", "/c.toml"});
        CHECK(s.show(by_file.run(with_file)) == shown);
    }
}

TEST_CASE("a flag wins over a variable, a variable over the file, the file over the default") {
    world w;
    const auto threads = [&](const arguments& more) { return w.run(with_upstream(more)).threads; };
    CHECK(threads({}) == 3);
    w.files["/c.toml"] = "threads = 11\n";
    CHECK(threads({"--config", "/c.toml"}) == 11);
    w.variables["MESHCACHE_THREADS"] = "12";
    CHECK(threads({"--config", "/c.toml"}) == 12);
    CHECK(threads({"--config", "/c.toml", "--threads", "13"}) == 13);
    CHECK(threads({"--threads", "13", "--threads=14"}) == 14);
    w.variables["MESHCACHE_THREADS"] = "";
    CHECK(threads({"--config", "/c.toml"}) == 11);
}

TEST_CASE("the file may be named by a variable, and a flag wins over that too") {
    world w;
    w.files["/a.toml"] = "threads = 4\n";
    w.files["/b.toml"] = "threads = 5\n";
    w.variables["MESHCACHE_CONFIG"] = "/a.toml";
    const auto a = w.run({"--upstream", "app:80"});
    CHECK(a.threads == 4);
    CHECK(a.config_file == "/a.toml");
    CHECK(w.run(with_upstream({"--config=/b.toml"})).threads == 5);
}

TEST_CASE("an explicit value stays, even one that equals a default which depends on others") {
    world w;
    CHECK(w.run(with_upstream({"--redis", "redis://redis"})).consistency == consistency_mode::eventual);
    CHECK(w.run(with_upstream({"--redis", "redis://redis", "--consistency", "local"})).consistency ==
          consistency_mode::local);
    w.variables["MESHCACHE_REDIS"] = "redis://redis";
    const auto c = w.run(with_upstream({"--redis="}));
    CHECK_FALSE(c.redis.has_value());
    CHECK(c.consistency == consistency_mode::local);
}

TEST_CASE("switches may stand alone or take a value") {
    world w;
    CHECK(w.run(with_upstream({"--trust-forwarded"})).trust_forwarded);
    CHECK(w.run(with_upstream({"--trust-forwarded=true"})).trust_forwarded);
    CHECK_FALSE(w.run(with_upstream({"--trust-forwarded=false"})).trust_forwarded);
    CHECK_FALSE(w.run(with_upstream({"--trust-forwarded", "--trust-forwarded=false"})).trust_forwarded);
    w.variables["MESHCACHE_TRUST_FORWARDED"] = "true";
    CHECK_FALSE(w.run(with_upstream({"--trust-forwarded=false"})).trust_forwarded);
}

TEST_CASE("variables that Kubernetes makes for a service called meshcache are no settings") {
    world w;
    w.variables["MESHCACHE_PORT"] = "tcp://10.0.0.1:8080";
    w.variables["MESHCACHE_SERVICE_HOST"] = "10.0.0.1";
    w.variables["MESHCACHE_SERVICE_PORT"] = "8080";
    w.variables["MESHCACHE_PORT_8080_TCP_ADDR"] = "10.0.0.1";
    w.run({"--upstream", "app:80"});
}

TEST_CASE("a command line that is wrong is refused with what was wrong and what would be right") {
    struct row {
        arguments line;
        std::string text;
    };
    const std::vector<row> rows{
        {{},
         "meshcache: --upstream is required: the application's address, such as --upstream 127.0.0.1:3000\n"},
        {{"--listn", "x"}, "meshcache: unknown flag '--listn'; did you mean --listen?\n"},
        {{"--max_object=1MiB"}, "meshcache: unknown flag '--max_object'; did you mean --max-object?\n"},
        {{"--confg", "x"}, "meshcache: unknown flag '--confg'; did you mean --config?\n"},
        {{"-x"}, "meshcache: unknown flag '-x'\n"},
        {{"--frobnicate"}, "meshcache: unknown flag '--frobnicate'\n"},
        {{"chekc-config"}, "meshcache: unknown command 'chekc-config'; did you mean 'check-config'?\n"},
        {{"serve"},
         "meshcache: unexpected argument 'serve'; the commands are check-config, version, purge, stats, "
         "replicas and inspect\n"},
        {{"check-config", "version"}, "meshcache: unexpected command 'version'; give one command\n"},
        {{"--trust-forwarded", "false"},
         "meshcache: unexpected argument 'false'; the commands are check-config, version, purge, stats, "
         "replicas and inspect\n"},
        {{"--trust-forwarded="}, "meshcache: flag '--trust-forwarded' needs true or false after its '='\n"},
        {{"--upstream"}, "meshcache: flag '--upstream' needs a value\n"},
        {{"--upstream", "app:80", "--config"}, "meshcache: flag '--config' needs a value\n"},
        {{"--upstream", "--threads=3"},
         "meshcache: flag '--upstream' needs a value, and '--threads' follows\n"},
        {{"--upstream="},
         "meshcache: --upstream: '' is no address; write HOST:PORT, [IPV6]:PORT or unix:/PATH\n"},
        {with_upstream({"--threads", "-1"}),
         "meshcache: --threads: '-1' is not a whole number; write digits only, such as 1000\n"},
        {with_upstream({"--threads", "0"}),
         "meshcache: --threads: '0' is out of range; it must lie between 1 and 256\n"},
        {with_upstream({"--listen", "[::1]"}),
         "meshcache: --listen: '[::1]' has no port; write [::1]:8080\n"},
        {with_upstream({"--header-timeout", "10", "--memory=1G"}),
         "meshcache: --memory: '1G' has a unit that can be misread; write 1GiB\n"
         "meshcache: --header-timeout: '10' has no unit; write 10ms, 10s, 10m or 10h\n"},
        {with_upstream({"--consistency", "strong"}),
         "meshcache: --consistency: strong needs Redis; add --redis redis://HOST:PORT, or use local\n"},
        {with_upstream({"--consistency", "eventual"}),
         "meshcache: --consistency: eventual needs Redis; add --redis redis://HOST:PORT, or use local\n"},
        {with_upstream({"--admin", "0.0.0.0:9901"}), "meshcache: --admin: '0.0.0.0:9901' can be reached from "
                                                     "outside; set MESHCACHE_ADMIN_TOKEN (--admin-token), "
                                                     "or listen on 127.0.0.1\n"},
        {with_upstream({"--admin", "127.0.0.1:8080"}), "meshcache: --admin: '127.0.0.1:8080' is taken by "
                                                       "--listen 0.0.0.0:8080; give them different ports\n"},
        {{"--upstream", "localhost:8080"},
         "meshcache: --upstream: 'localhost:8080' is where meshcache itself listens; give the application's "
         "address\n"},
        {{"--upstream", "127.0.0.1:9901"},
         "meshcache: --upstream: '127.0.0.1:9901' is meshcache's admin port; give the application's "
         "address\n"},
        {with_upstream({"--memory", "1MiB", "--max-object", "2MiB"}),
         "meshcache: --max-object: '2MiB' is more than --memory, which is 1MiB\n"},
        {with_upstream({"--max-header-size", "4KiB"}),
         "meshcache: --max-target: '8KiB' is more than --max-header-size, which is 4KiB\n"},
        {with_upstream({"--redis", "redis://r", "--queue-memory", "1MiB"}),
         "meshcache: --queue-memory: '1MiB' cannot hold one response of --max-object 1MiB and its 64KiB of "
         "overhead; "
         "raise it, or lower --max-object\n"},
        {with_upstream({"--replicate", "all", "--on-change", "drop"}),
         "meshcache: --replicate: all takes up what other replicas store, and --on-change drop does not; use "
         "one of "
         "them\n"},
        {with_upstream({"--config", "/none.toml"}),
         "meshcache: --config: cannot read '/none.toml': No such file or directory\n"},
    };
    for (const auto& row : rows) {
        std::string line;
        for (const auto& a : row.line) line += a + ' ';
        INFO(line);
        CHECK(world{}.refusal(row.line) == row.text + hint);
    }
}

TEST_CASE("addresses that only look alike are no conflict") {
    const world w;
    w.run(with_upstream({"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}));
    w.run({"--listen", "127.0.0.1:8080", "--upstream", "10.0.0.1:8080"});
    w.run({"--listen", "0.0.0.0:8080", "--upstream", "app:8080"});
    w.run({"--listen", "unix:/a", "--upstream", "unix:/b", "--admin", "unix:/c"});
    w.run(with_upstream({"--admin", "0.0.0.0:9901", "--admin-token", "secret"}));
    w.run(with_upstream({"--admin", "unix:/run/admin"}));
}

TEST_CASE("a variable's fault names the variable") {
    world w;
    w.variables["MESHCACHE_DRAIN_TIMEOUT"] = "20";
    w.variables["MESHCACHE_CONFIG"] = "/none.toml";
    CHECK(w.refusal({"--upstream", "app:80"}) ==
          "meshcache: MESHCACHE_CONFIG: cannot read '/none.toml': No such file or directory\n"
          "meshcache: MESHCACHE_DRAIN_TIMEOUT: '20' has no unit; write 20ms, 20s, 20m or 20h\n" +
              hint);
}

TEST_CASE("secrets are in no complaint") {
    world w;
    w.variables["MESHCACHE_ADMIN_TOKEN"] = "two hidden words";
    w.variables["MESHCACHE_REDIS"] = "redis://hidden@redis";
    CHECK(w.refusal({"--upstream", "app:80"}).find("hidden") == std::string::npos);
    w.variables["MESHCACHE_REDIS"] = "redis://:hidden@redis:x";
    CHECK(w.refusal({"--upstream", "app:80"}).find("hidden") == std::string::npos);
}

TEST_CASE("the file's faults are named by line and column, all at once") {
    world w;
    w.files["c.toml"] = "threads = \"4\"\n"
                        "listn = \"0.0.0.0:80\"\n"
                        "max-object = \"64K\"\n"
                        "\n"
                        "  header-timeout = 10\n"
                        "trust-forwarded = \"yes\"\n"
                        "memory = -1\n"
                        "drain-timeout = 1.5\n"
                        "config = \"other.toml\"\n"
                        "frobnicate = 1\n"
                        "access-log = [\"all\"]\n"
                        "log-level = 2022-11-22\n"
                        "[cache]\n"
                        "on-hit = \"serve\"\n"
                        "[[rule]]\n"
                        "ttl = \"1h\"\n";
    check_golden(golden_file("app", "file_errors.txt"), w.refusal(with_upstream({"--config", "c.toml"})));
}

TEST_CASE("a file that is not TOML is refused where it stops being one") {
    world w;
    for (const auto& [content, place] : std::vector<std::pair<std::string, std::string>>{
             {"threads = 1\nthreads = 2\n", "c.toml:2:"},
             {"threads == 1\n", "c.toml:1:"},
             {"upstream = 127.0.0.1:3000\n", "c.toml:1:"},
             {"threads = 1 log-level = \"info\"\n", "c.toml:1:"},
             {"\"", "c.toml:1:"},
             {std::string("a\0b", 3), "c.toml:1:"},
             {"namespace = \"\xff\"\n", "c.toml:1:"},
         }) {
        w.files["c.toml"] = content;
        const auto text = w.refusal(with_upstream({"--config", "c.toml"}));
        INFO(text);
        CHECK(text.starts_with("meshcache: " + place));
        CHECK(text.find("not valid TOML: ") != std::string::npos);
    }
}

TEST_CASE("files that say nothing are fine") {
    world w;
    for (const char* content : {"", "\n", "# a comment\n", "\xef\xbb\xbf# with a byte order mark\n"}) {
        w.files["c.toml"] = content;
        w.run(with_upstream({"--config", "c.toml"}));
    }
}

TEST_CASE("a size in the file may be a number of bytes") {
    world w;
    w.files["c.toml"] = "max-object = 4096\n";
    CHECK(w.run(with_upstream({"--config", "c.toml"})).max_object == 4096);
}

TEST_CASE("check-config prints what is in force, and where it comes from") {
    world w;
    w.files["/etc/meshcache.toml"] = "threads = 4\n# a comment\nnamespace = \"shop\"\n";
    w.variables["MESHCACHE_REDIS"] = "redis://me:hidden@redis:6380/2";
    w.variables["MESHCACHE_ADMIN_TOKEN"] = "hidden";
    w.variables["MESHCACHE_NAMESPACE"] = "books";
    auto text = w.printed({"check-config", "--upstream", "127.0.0.1:3000", "--config", "/etc/meshcache.toml",
                           "--access-log=all", "--trust-forwarded"});
    CHECK(text.find("hidden") == std::string::npos);
    const auto at = text.find(version());
    REQUIRE(at != std::string::npos);
    text.replace(at, version().size(), "VERSION");
    check_golden(golden_file("app", "check_config.txt"), text);
}

TEST_CASE("what check-config prints is a file that says the same") {
    world w;
    const arguments line =
        with_upstream({"--redis", "unix:///run/redis.sock?db=1", "--max-object", "5000",
                       "--heuristic-max=90m", "--on-hit", "reject:451", "--log-format=json"});
    auto first = line;
    first.insert(first.begin(), "check-config");
    w.files["c.toml"] = w.printed(first);
    const auto again = w.run({"--config", "c.toml"});
    const auto direct = w.run(line);
    for (const auto& s : settings()) {
        INFO(s.name);
        CHECK(s.show(again) == s.show(direct));
    }
}

TEST_CASE("check-config says what does nothing without Redis") {
    const arguments plain{"check-config", "--upstream", "127.0.0.1:3000"};
    auto line = plain;
    line.insert(line.end(), {"--collapse", "global", "--replicate", "all", "--ready-after-warm"});
    const auto notes = [](const std::string& text) {
        const std::string_view note = "; does nothing without --redis\n";
        int n = 0;
        for (auto at = text.find(note); at != std::string::npos; at = text.find(note, at + 1)) ++n;
        return n;
    };
    CHECK(notes(world{}.printed(line)) == 3);
    auto shared = line;
    shared.insert(shared.end(), {"--redis", "redis://redis:6379"});
    CHECK(notes(world{}.printed(shared)) == 0);
    CHECK(notes(world{}.printed(plain)) == 0);
}

TEST_CASE("check-config finds the same faults as running does") {
    CHECK(world{}.refusal({"check-config", "--threads", "0", "--upstream", "app:80"}) ==
          world{}.refusal({"--threads", "0", "--upstream", "app:80"}));
}

TEST_CASE("help and version need nothing else") {
    const world w;
    const auto help = w.printed({"--help"});
    CHECK(help.find("Usage: meshcache --upstream HOST:PORT") != std::string::npos);
    CHECK(w.printed({"-h"}) == help);
    CHECK(w.printed({"check-config", "--help"}) == help);
    CHECK(w.printed({"--threads", "0", "--help"}) == help);
    CHECK(w.printed({"version"}) == version_text());
    CHECK(w.printed({"--version"}) == version_text());
}

TEST_CASE("no arguments at all, not even a name, is refused like an empty line") {
    const world w;
    const auto outcome = parse_command_line(0, nullptr, w.make());
    REQUIRE(std::holds_alternative<usage_error>(outcome));
    CHECK(std::get<usage_error>(outcome).text == w.refusal({}));
}

TEST_CASE("the example file parses as it is, and with every setting uncommented") {
    const auto root = meshcache::test::source_dir();
    const auto example = read_whole_file(root / "config" / "meshcache.toml");
    world w;
    w.files["c.toml"] = example;
    w.run(with_upstream({"--config", "c.toml"}));

    std::string uncommented;
    std::vector<std::string> keys;
    for (std::size_t start = 0; start < example.size();) {
        const auto end = std::min(example.find('\n', start), example.size());
        auto line = example.substr(start, end - start);
        start = end + 1;
        const auto equals = line.find(" = ");
        if (line.starts_with("# ") && equals != std::string::npos && line.find(' ', 2) == equals) {
            line.erase(0, 2);
            keys.push_back(line.substr(0, equals - 2));
        }
        uncommented += line + '\n';
    }
    std::vector<std::string> names;
    for (const auto& s : settings()) names.emplace_back(s.name);
    CHECK(keys == names);

    w.files["c.toml"] = uncommented;
    const auto c = w.run({"--config", "c.toml"});
    CHECK(c.upstream == endpoint{"127.0.0.1", 3000, {}});
    CHECK(c.redis.has_value());
    // Apart from what has no fixed default, the example says what is in force without it.
    const auto plain = w.run({"--upstream", "127.0.0.1:3000"});
    for (const auto& s : settings()) {
        INFO(s.name);
        if (s.default_note.empty()) CHECK(s.show(c) == s.show(plain));
    }
}

TEST_CASE("the process's own environment is read") {
    const auto env = process_environment();
    CHECK(env.variable("PATH").has_value() == (std::getenv("PATH") != nullptr));
    CHECK_FALSE(env.variable("MESHCACHE_NO_SUCH_VARIABLE").has_value());
    CHECK(env.grant.cpus >= 1);
    const auto none = env.read_file("/no/such/file");
    CHECK_FALSE(none);
    CHECK(none.error == "No such file or directory");
    CHECK(env.read_file("/").error == "Is a directory");
    CHECK(env.read_file("/dev/zero").error == "it is larger than 1MiB");
    CHECK(env.read_file("/dev/null"));
}
