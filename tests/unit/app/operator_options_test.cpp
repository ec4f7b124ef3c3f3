#include "operator_options.hpp"
#include "support/golden.hpp"
#include "world.hpp"

#include <string>
#include <vector>

using namespace meshcache;
using namespace meshcache::app;
using meshcache::app::test::world;
using meshcache::test::check_golden;
using meshcache::test::golden_file;

namespace {

using arguments = std::vector<std::string>;

operator_command command(const world& w, const arguments& line) {
    auto outcome = w.parse(line);
    if (const auto* error = std::get_if<usage_error>(&outcome)) FAIL(error->text);
    REQUIRE(std::holds_alternative<operator_command>(outcome));
    return std::get<operator_command>(std::move(outcome));
}

} // namespace

TEST_CASE("a purge names what it covers, as often as one likes") {
    const auto c =
        command({}, {"purge", "--url", "http://h/a", "--tag=red", "--tag", "blue", "--prefix", "/img/",
                     "--host", "h:8080", "--soft", "--wait", "replicas", "--timeout", "250ms", "--json"});
    CHECK(c.verb == operator_verb::purge);
    CHECK(c.urls == arguments{"http://h/a"});
    CHECK(c.tags == arguments{"red", "blue"});
    CHECK(c.prefixes == arguments{"/img/"});
    CHECK(c.hosts == arguments{"h:8080"});
    CHECK(c.soft);
    CHECK_FALSE(c.all);
    CHECK(c.wait_replicas);
    CHECK(c.json);
    CHECK(c.timeout == milliseconds{250});
    const auto all = command({}, {"purge", "--all", "--soft=false"});
    CHECK(all.all);
    CHECK_FALSE(all.soft);
    CHECK_FALSE(all.wait_replicas);
    CHECK(all.timeout == seconds{5});
}

TEST_CASE("inspect takes a URL, stats and replicas nothing") {
    CHECK(command({}, {"inspect", "http://h/a?x=1"}).url == "http://h/a?x=1");
    CHECK(command({}, {"inspect", "--json", "http://h/"}).json);
    CHECK(command({}, {"stats"}).verb == operator_verb::stats);
    CHECK(command({}, {"replicas"}).verb == operator_verb::replicas);
}

TEST_CASE("where the admin port is comes from flag, environment, file and default, as for the server") {
    world w;
    CHECK(command(w, {"stats"}).admin == endpoint{"127.0.0.1", 9901, {}});
    CHECK(command(w, {"stats"}).token.empty());
    w.files["/m.toml"] = "upstream = \"app:80\"\nadmin = \"127.0.0.1:1\"\nadmin-token = \"from-file\"\n";
    CHECK(command(w, {"stats", "--config", "/m.toml"}).admin.port == 1);
    CHECK(command(w, {"--config=/m.toml", "stats"}).token == "from-file");
    w.variables["MESHCACHE_CONFIG"] = "/m.toml";
    CHECK(command(w, {"stats"}).admin.port == 1);
    w.variables["MESHCACHE_ADMIN"] = "127.0.0.1:2";
    w.variables["MESHCACHE_ADMIN_TOKEN"] = "from-environment";
    CHECK(command(w, {"stats"}).admin.port == 2);
    CHECK(command(w, {"stats"}).token == "from-environment");
    CHECK(command(w, {"stats", "--admin", "127.0.0.1:3", "--admin-token", "t"}).admin.port == 3);
    CHECK(command(w, {"--admin", "127.0.0.1:3", "stats", "--admin-token", "t"}).token == "t");
    CHECK(command(w, {"stats", "--admin=unix:/run/m.sock"}).admin.unix_path == "/run/m.sock");
    // What the server is told besides is none of the command's business.
    w.variables["MESHCACHE_MEMORY"] = "lots";
    CHECK(command(w, {"stats"}).admin.port == 2);
}

TEST_CASE("a server that listens on every address is asked on loopback") {
    CHECK(command({}, {"stats", "--admin", "0.0.0.0:9"}).admin == endpoint{"127.0.0.1", 9, {}});
    CHECK(command({}, {"stats", "--admin", "[::]:9"}).admin == endpoint{"::1", 9, {}});
    CHECK(command({}, {"stats", "--admin", "pod-7:9"}).admin == endpoint{"pod-7", 9, {}});
}

TEST_CASE("a command that is wrong is refused with what was wrong and what would be right") {
    struct row {
        arguments line;
        std::string text;
    };
    const std::vector<row> rows{
        {{"purge"}, "purge needs what to purge: --url, --tag, --prefix, --host or --all"},
        {{"purge", "--soft"}, "purge needs what to purge: --url, --tag, --prefix, --host or --all"},
        {{"purge", "http://h/"},
         "unexpected argument 'http://h/'; say what it is: --url, --tag, --prefix or --host"},
        {{"purge", "all"}, "unexpected argument 'all'; did you mean --all?"},
        {{"purge", "tag", "red"}, "unexpected argument 'tag'; did you mean --tag?"},
        {{"purge", "--ulr", "http://h/"}, "unknown flag '--ulr' of 'purge'; did you mean --url?"},
        {{"purge", "--frobnicate"}, "unknown flag '--frobnicate' of 'purge'"},
        {{"purge", "-x"}, "unknown flag '-x' of 'purge'"},
        {{"purge", "--url"}, "flag '--url' needs a value"},
        {{"purge", "--url="}, "--url: '' names nothing"},
        {{"purge", "--url", "--tag=x"}, "flag '--url' needs a value, and '--tag' follows"},
        {{"purge", "--all=yes"}, "--all: 'yes' is not a switch; write true or false"},
        {{"purge", "--all", "--wait", "redis"}, "--wait: 'redis' is not one of replicas"},
        {{"purge", "--all", "--timeout", "0s"}, "--timeout: '0s' is not between 1ms and 1m"},
        {{"stats", "--url", "http://h/"}, "flag '--url' belongs to 'purge' and not to 'stats'"},
        {{"stats", "more"}, "unexpected argument 'more'"},
        {{"stats", "stats"}, "unexpected argument 'stats'"},
        {{"inspect"}, "inspect needs a URL, such as http://shop.example/books"},
        {{"inspect", "http://a/", "http://b/"}, "inspect takes one URL, and 'http://b/' follows"},
        {{"stats", "--admin", "nothing"}, "--admin: "},
        {{"stats", "--admin", "127.0.0.1:0"},
         "--admin: port 0 is none to connect to; the log of the server says "
         "which one it got"},
        {{"stats", "--config", "/gone"}, "--config: cannot read '/gone': No such file or directory"},
    };
    for (const auto& [line, text] : rows) {
        const std::string refusal = world{}.refusal(line);
        INFO(refusal);
        CHECK(refusal.starts_with("meshcache: " + text));
        CHECK(refusal.ends_with("\nTry 'meshcache " + line.front() + " --help'.\n"));
    }
    CHECK(world{}.refusal({"--upstream", "app:80", "purge", "--all"}).find("command 'purge' comes first") !=
          std::string::npos);
}

TEST_CASE("each command has a page of help, which the golden file has") {
    std::string pages;
    for (const auto& c : operator_commands()) {
        const auto page = world{}.printed({std::string(c.name), "--help"});
        CHECK(page == operator_help(c.verb));
        pages += page + '\n';
    }
    check_golden(golden_file("app", "help_commands.txt"), pages);
}
