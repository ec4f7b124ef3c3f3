#include "operator_options.hpp"
#include "options_help.hpp"
#include "options_table.hpp"
#include "text_layout.hpp"
#include "version.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace meshcache::app {
namespace {

std::string term(const setting& s) {
    std::string out = s.flag();
    if (s.kind == value_kind::toggle) return out + "[=false]";
    return out + ' ' + std::string(s.placeholder);
}

constexpr std::string_view config_term = "--config FILE";
constexpr std::string_view config_help =
    "TOML file with any of the settings below, under the same names without the dashes [none]";

std::string escaped_for_table(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

} // namespace

std::string help_text() {
    std::size_t column = 0;
    for (const auto& s : settings()) column = std::max(column, term(s).size());
    column += 4;

    std::string out = "meshcache " + std::string(version()) +
                      ": a caching sidecar reverse proxy\n\n"
                      "Usage: meshcache --upstream HOST:PORT [flags]\n"
                      "       meshcache COMMAND [flags]\n\n"
                      "Commands:\n";
    add_entry(out, column, "check-config",
              "print the effective configuration as TOML, and where each value comes from");
    add_entry(out, column, "version", "print the versions of meshcache and of its libraries");
    out += "\nCommands for a meshcache that runs, by its admin port ('meshcache COMMAND --help' has more):\n";
    for (const auto& c : operator_commands())
        add_entry(out, column, std::string(c.name) + std::string(c.operand), c.help);
    out += '\n';
    add_entry(out, column, "-h, --help", "print this page");
    add_entry(out, column, "--version", "the same as the command");
    add_entry(out, column, config_term, config_help);

    const setting* last = nullptr;
    for (const auto& s : settings()) {
        if (last == nullptr || last->group != s.group) out += '\n' + std::string(title(s.group)) + ":\n";
        add_entry(out, column, term(s), std::string(s.help) + " [" + s.default_text() + "]");
        last = &s;
    }
    out +=
        "\n"
        "SIZE is bytes, or a number with KiB, MiB or GiB; TIME is a number with ms, s, m or h.\n"
        "Each flag is an environment variable too (--max-object is MESHCACHE_MAX_OBJECT). A flag wins over\n"
        "the environment, the environment over the file, the file over the defaults.\n"
        "Exit codes: 0 clean, 1 failure at run time, 2 usage or configuration; 3 of a purge that has not\n"
        "reached Redis, or not every replica, within its time.\n";
    return out;
}

std::string example_file() {
    std::string out =
        "# meshcache.toml: every setting with its default. Take away the '#' before a key to change it.\n"
        "# Flags and environment variables win over this file: --max-object and MESHCACHE_MAX_OBJECT over\n"
        "# max-object. 'meshcache check-config --config meshcache.toml' shows what is in force, and why.\n"
        "#\n"
        "# Sizes: \"64KiB\", \"64MiB\", \"1GiB\", or bytes. Durations: \"250ms\", \"10s\", \"5m\", "
        "\"24h\".\n";
    const setting* last = nullptr;
    for (const auto& s : settings()) {
        if (last == nullptr || last->group != s.group) {
            const std::string name(title(s.group));
            out += "\n### " + name + " " + std::string(page_width - 5 - name.size(), '#') + "\n";
        }
        std::string words(s.help);
        if (s.default_note == "required")
            words += "; required";
        else if (!s.default_note.empty())
            words += "; default: " + s.default_text();
        out += '\n';
        for (const auto& line : wrap(words, page_width - 3)) out += "## " + line + '\n';
        out += "# " + std::string(s.name) + " = " +
               s.as_toml(s.example.empty() ? s.default_text() : s.example) + '\n';
        last = &s;
    }
    return out;
}

std::string settings_markdown() {
    std::string out;
    const setting* last = nullptr;
    for (const auto& s : settings()) {
        if (last == nullptr || last->group != s.group) {
            out += last == nullptr ? "" : "\n";
            out += "### " + std::string(title(s.group)) + "\n\n| flag | default | meaning |\n|---|---|---|\n";
        }
        const std::string value = s.default_note.empty() ? "`" + s.default_text() + "`" : s.default_text();
        out += "| `" + escaped_for_table(term(s)) + "` | " + escaped_for_table(value) + " | " +
               escaped_for_table(s.help) + " |\n";
        last = &s;
    }
    return out;
}

} // namespace meshcache::app
