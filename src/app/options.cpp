#include "check_config.hpp"
#include "operator_options.hpp"
#include "options.hpp"
#include "options_help.hpp"
#include "options_layers.hpp"
#include "options_sources.hpp"
#include "options_suggest.hpp"
#include "options_table.hpp"
#include "version.hpp"

#include <meshcache/base/units.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <utility>
#include <vector>

namespace meshcache::app {
namespace {

/// What the command line says, before any value is looked at.
struct command_line {
    bool help = false;
    bool version = false;
    bool check_config = false;
    std::optional<std::string> config;
    std::vector<std::optional<std::string>> values; ///< beside settings()
    std::string error;
};

constexpr std::array<std::string_view, 2> commands{"check-config", "version"};

/// The complaint about an argument that nothing took.
std::string unexpected(std::string_view argument) {
    if (argument.starts_with("-") && argument != "-" && argument != "--") {
        const auto name = argument.substr(0, argument.find('='));
        std::vector<std::string_view> known{"config", "help", "version"};
        for (const auto& s : settings()) known.push_back(s.name);
        const auto meant = nearest(name.substr(std::min(name.find_first_not_of('-'), name.size())), known);
        const auto suggestion =
            meant.empty() ? std::string{} : "; did you mean --" + std::string(meant) + "?";
        return "unknown flag " + in_quotes(name) + suggestion;
    }
    std::vector<std::string_view> names(commands.begin(), commands.end());
    for (const auto& c : operator_commands()) names.push_back(c.name);
    const auto meant = nearest(argument, names);
    if (meant == argument && std::find(commands.begin(), commands.end(), meant) == commands.end())
        return "command " + in_quotes(argument) + " comes first, before all flags of the server";
    if (meant == argument) return "unexpected command " + in_quotes(argument) + "; give one command";
    if (!meant.empty())
        return "unknown command " + in_quotes(argument) + "; did you mean " + in_quotes(meant) + "?";
    std::string all;
    for (const auto name : names) {
        if (!all.empty()) all += name == names.back() ? " and " : ", ";
        all += name;
    }
    return "unexpected argument " + in_quotes(argument) + "; the commands are " + all;
}

/// The arguments in the order in which CLI11 takes them from, which is the last one first. `--name=` is made
/// two arguments, or CLI11 would take the next one for its value; `error` says so where that cannot be.
std::vector<std::string> reversed_arguments(int argc, const char* const* argv, std::string& error) {
    std::vector<std::string> out;
    for (int i = 1; i < argc; ++i) {
        std::string argument(argv[i]);
        if (argument.size() > 3 && argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
            argument.pop_back();
            const auto index = find_setting(std::string_view(argument).substr(2));
            if (index && settings()[*index].kind == value_kind::toggle)
                error = "flag " + in_quotes(argument) + " needs true or false after its '='";
            out.push_back(std::move(argument));
            out.emplace_back();
        } else {
            out.push_back(std::move(argument));
        }
    }
    std::reverse(out.begin(), out.end());
    return out;
}

/// Whether one of the arguments is `text`, that is, whether `text` stands there on its own.
bool stands_alone(int argc, const char* const* argv, std::string_view text) {
    return std::any_of(argv + std::min(argc, 1), argv + argc, [=](const char* a) { return text == a; });
}

/// Splits the command line. All meaning stays with the table: CLI11 only says which text belongs to which
/// flag.
command_line split(int argc, const char* const* argv) {
    command_line out;
    out.values.resize(settings().size());

    CLI::App parser;
    parser.set_help_flag();
    parser.allow_extras();
    parser.require_subcommand(0, 1);
    const auto* help = parser.add_flag("-h,--help");
    const auto* version_flag = parser.add_flag("--version");
    const CLI::callback_t accept = [](const CLI::results_t&) { return true; };
    auto* config =
        parser.add_option("--config", accept)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    std::vector<CLI::Option*> options;
    for (const auto& s : settings()) {
        auto* option =
            s.kind == value_kind::toggle ? parser.add_flag(s.flag()) : parser.add_option(s.flag(), accept);
        options.push_back(option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast));
    }
    std::array<CLI::App*, commands.size()> subcommands{};
    for (std::size_t i = 0; i < commands.size(); ++i) {
        subcommands[i] = parser.add_subcommand(std::string(commands[i]));
        subcommands[i]->set_help_flag();
        subcommands[i]->fallthrough();
    }

    auto arguments = reversed_arguments(argc, argv, out.error);
    if (!out.error.empty()) return out;
    try {
        parser.parse(std::move(arguments));
    } catch (const CLI::ArgumentMismatch&) {
        // Only a flag at the very end can lack its value: anywhere else the next argument is taken for it.
        const std::string_view last = argc > 1 ? argv[argc - 1] : "";
        out.error = "flag " + in_quotes(last) + " needs a value";
        return out;
    } catch (const CLI::Error& e) {
        out.error = e.what();
        return out;
    }

    const auto extras = parser.remaining(true);
    if (!extras.empty()) {
        out.error = unexpected(extras.front());
        return out;
    }
    out.help = help->count() != 0;
    out.check_config = subcommands[0]->parsed();
    out.version = subcommands[1]->parsed() || version_flag->count() != 0;
    if (config->count() != 0) out.config = config->results().back();
    for (std::size_t i = 0; i < options.size(); ++i) {
        if (options[i]->count() == 0) continue;
        const auto& value = out.values[i].emplace(options[i]->results().back());
        if (value.starts_with("--") && stands_alone(argc, argv, value))
            out.error = "flag " + in_quotes(settings()[i].flag()) + " needs a value, and " +
                        in_quotes(value.substr(0, value.find('='))) + " follows";
    }
    return out;
}

usage_error failure(const std::vector<std::string>& lines, bool with_hint) {
    usage_error out;
    for (const auto& line : lines) out.text += "meshcache: " + line + '\n';
    if (with_hint) out.text += "Try 'meshcache --help'.\n";
    return out;
}

} // namespace

environment process_environment() {
    environment out;
    out.variable = [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        if (value == nullptr) return std::nullopt;
        return value;
    };
    out.read_file = read_small_file;
    out.grant = read_grant(read_small_file, this_machine());
    return out;
}

parse_outcome parse_command_line(int argc, const char* const* argv, const environment& env) {
    if (const auto verb = operator_verb_of(argc, argv)) return parse_operator_command(*verb, argc, argv, env);
    const auto line = split(argc, argv);
    if (!line.error.empty()) return failure({line.error}, true);
    if (line.help) return print_text{help_text()};
    if (line.version) return print_text{version_text()};

    layered layers;
    if (line.config) {
        apply_file(layers, env, *line.config, "--config");
    } else if (const auto path = set_variable(env, "MESHCACHE_CONFIG")) {
        apply_file(layers, env, *path, "MESHCACHE_CONFIG");
    }
    for (std::size_t i = 0; i < settings().size(); ++i)
        if (const auto value = set_variable(env, settings()[i].variable()))
            layers.apply(i, *value, {value_origin::source::variable, 0, {}});
    for (std::size_t i = 0; i < settings().size(); ++i)
        if (line.values[i]) layers.apply(i, *line.values[i], {value_origin::source::flag, 0, {}});
    layers.complete(env.grant);

    if (!layers.errors().empty()) {
        const bool about_flags = layers.values().config_file.empty();
        return failure(layers.errors(), about_flags);
    }
    if (line.check_config) return print_text{effective_configuration(layers)};
    return run_server{layers.values()};
}

} // namespace meshcache::app
