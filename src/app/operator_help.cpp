// The pages of --help of the commands for operators.
#include "operator_flags.hpp"
#include "options_table.hpp"
#include "text_layout.hpp"

#include <algorithm>
#include <cstddef>

namespace meshcache::app {

std::string operator_help(operator_verb verb) {
    const auto& entry = entry_of(verb);
    const auto flags = operator_flags();
    std::size_t column = 0;
    const auto term = [](const command_flag& f) {
        std::string out = "--" + std::string(f.name);
        if (f.kind == flag_kind::value) out += ' ' + std::string(f.placeholder);
        return out;
    };
    for (const auto& f : flags) column = std::max(column, term(f).size() + 4);

    std::string out = "meshcache " + std::string(entry.name) + ": " + std::string(entry.help) +
                      "\n\nUsage: meshcache " + std::string(entry.name) + std::string(entry.operand) +
                      " [flags]\n";
    const bool own =
        std::any_of(flags.begin(), flags.end(), [verb](const auto& f) { return f.only == verb; });
    if (own) {
        out += "\nWhat to purge (as many as you like), and how:\n";
        for (const auto& f : flags)
            if (f.only == verb) add_entry(out, column, term(f), f.help);
    }
    out += "\nFlags:\n";
    for (const auto& f : flags) {
        if (f.only) continue;
        std::string help(f.help);
        if (const auto index = f.take == nullptr ? find_setting(f.name) : std::nullopt)
            help +=
                " [" + settings()[*index].variable() + ", else " + settings()[*index].default_text() + "]";
        else if (f.name == "config")
            help += " [MESHCACHE_CONFIG, else none]";
        add_entry(out, column, term(f), help);
    }
    add_entry(out, column, "-h, --help", "print this page");
    out += verb == operator_verb::purge ? "\nExit codes: 0 Redis has acknowledged it (and with --wait every "
                                          "live replica has applied it);\n"
                                          "1 failure; 2 usage; 3 it is applied by the replica that was "
                                          "asked, and is still on its way: to\n"
                                          "Redis, or from there to some of the others. It is not forgotten.\n"
                                        : "\nExit codes: 0 done, 1 failure, 2 usage.\n";
    return out;
}

} // namespace meshcache::app
