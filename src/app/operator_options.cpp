#include "operator_flags.hpp"
#include "operator_options.hpp"
#include "options_layers.hpp"
#include "options_sources.hpp"
#include "options_suggest.hpp"

#include <meshcache/base/units.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace meshcache::app {
namespace {

/// The command line, split; no value has been looked at but those of the command's own flags.
struct split_line {
    operator_command command;
    std::optional<std::string> admin, token, config;
    std::vector<std::string> operands;
    bool help = false;
    std::string error; ///< the first
};

class splitter {
  public:
    splitter(operator_verb verb, int argc, const char* const* argv)
        : verb_(verb), arguments_(argv + std::min(argc, 1), argv + argc) {
        out_.command.verb = verb;
    }

    split_line run() && {
        bool verb_seen = false;
        for (at_ = 0; at_ < arguments_.size() && out_.error.empty(); ++at_) {
            const std::string_view argument = arguments_[at_];
            if (argument == "-h" || argument == "--help") {
                out_.help = true;
            } else if (argument.size() > 1 && argument.front() == '-') {
                take_flag(argument);
            } else if (!verb_seen && argument == entry_of(verb_).name) {
                verb_seen = true;
            } else {
                out_.operands.emplace_back(argument);
            }
        }
        return std::move(out_);
    }

  private:
    void take_flag(std::string_view argument) {
        const std::size_t equals = std::min(argument.find('='), argument.size());
        const std::string_view dashed = argument.substr(0, equals);
        const command_flag* const f = dashed.starts_with("--") ? find_flag(dashed.substr(2)) : nullptr;
        if (f == nullptr || !belongs(*f, verb_)) {
            unknown(dashed, f);
            return;
        }
        std::string value = "true";
        if (equals < argument.size()) {
            value = argument.substr(equals + 1);
        } else if (f->kind == flag_kind::value) {
            if (at_ + 1 == arguments_.size()) {
                out_.error = "flag " + in_quotes(dashed) + " needs a value";
                return;
            }
            value = arguments_[++at_];
            if (value.starts_with("--")) {
                out_.error = "flag " + in_quotes(dashed) + " needs a value, and " +
                             in_quotes(value.substr(0, value.find('='))) + " follows";
                return;
            }
        }
        if (f->take != nullptr) {
            const std::string fault = f->take(out_.command, value);
            if (!fault.empty()) out_.error = std::string(dashed) + ": " + fault;
        } else {
            (f->name == "admin"    ? out_.admin
             : f->name == "config" ? out_.config
                                   : out_.token) = std::move(value);
        }
    }

    void unknown(std::string_view dashed, const command_flag* elsewhere) {
        const std::string of = in_quotes(entry_of(verb_).name);
        if (elsewhere != nullptr) {
            out_.error = "flag " + in_quotes(dashed) + " belongs to " +
                         in_quotes(entry_of(*elsewhere->only).name) + " and not to " + of;
            return;
        }
        std::vector<std::string_view> known{"help"};
        for (const auto& f : operator_flags())
            if (belongs(f, verb_)) known.push_back(f.name);
        const auto name = dashed.substr(std::min(dashed.find_first_not_of('-'), dashed.size()));
        const auto meant = nearest(name, known);
        out_.error = "unknown flag " + in_quotes(dashed) + " of " + of;
        if (!meant.empty()) out_.error += "; did you mean --" + std::string(meant) + "?";
    }

    operator_verb verb_;
    std::vector<std::string_view> arguments_;
    std::size_t at_ = 0;
    split_line out_;
};

usage_error refusal(operator_verb verb, const std::vector<std::string>& lines) {
    usage_error out;
    for (const auto& line : lines) out.text += "meshcache: " + line + '\n';
    out.text += "Try 'meshcache " + std::string(entry_of(verb).name) + " --help'.\n";
    return out;
}

/// What may have been meant by a word that stands alone.
std::string purge_hint(const std::string& what) {
    for (const auto& f : operator_flags())
        if (f.only == operator_verb::purge && f.name == what) return "; did you mean --" + what + "?";
    return "; say what it is: --url, --tag, --prefix or --host, or --all for everything";
}

/// What the operands and the flags together lack, or have too much of; empty if nothing.
std::string fault_of(split_line& line) {
    operator_command& c = line.command;
    if (c.verb == operator_verb::inspect) {
        if (line.operands.empty()) return "inspect needs a URL, such as http://shop.example/books";
        if (line.operands.size() > 1)
            return "inspect takes one URL, and " + in_quotes(line.operands[1]) + " follows";
        c.url = line.operands.front();
        return {};
    }
    if (!line.operands.empty()) {
        const std::string& what = line.operands.front();
        const bool to_purge = c.verb == operator_verb::purge;
        return "unexpected argument " + in_quotes(what) + (to_purge ? purge_hint(what) : std::string());
    }
    const bool named = c.all || !c.urls.empty() || !c.tags.empty() || !c.prefixes.empty() || !c.hosts.empty();
    if (c.verb == operator_verb::purge && !named)
        return "purge needs what to purge: --url, --tag, --prefix, --host or --all";
    return {};
}

/// The settings `admin` and `admin-token`, layer upon layer. The server's other settings are not looked at:
/// it runs, so they are its own business.
void apply_settings(layered& layers, const split_line& line, const environment& env) {
    const auto path = line.config ? line.config : set_variable(env, "MESHCACHE_CONFIG");
    const auto admin = *find_setting("admin"), token = *find_setting("admin-token");
    if (path)
        apply_file(layers, env, *path, line.config ? "--config" : "MESHCACHE_CONFIG",
                   [&](std::size_t setting) { return setting == admin || setting == token; });
    for (const auto& [index, flag] : {std::pair(admin, line.admin), std::pair(token, line.token)}) {
        if (const auto value = set_variable(env, settings()[index].variable()))
            layers.apply(index, *value, {value_origin::source::variable, 0, {}});
        if (flag) layers.apply(index, *flag, {value_origin::source::flag, 0, {}});
    }
}

/// Where to connect to for what listens at `at`.
endpoint reachable(endpoint at) {
    if (at.is_wildcard()) at.host = at.host.find(':') == std::string::npos ? "127.0.0.1" : "::1";
    return at;
}

} // namespace

std::optional<operator_verb> operator_verb_of(int argc, const char* const* argv) noexcept {
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (!argument.starts_with("--")) {
            for (const auto& c : operator_commands())
                if (argument == c.name) return c.verb;
            return std::nullopt;
        }
        const std::size_t equals = std::min(argument.find('='), argument.size());
        const command_flag* const f = find_flag(argument.substr(2, equals - 2));
        if (f == nullptr || f->only) return std::nullopt;
        if (f->kind == flag_kind::value && equals == argument.size()) ++i;
    }
    return std::nullopt;
}

parse_outcome parse_operator_command(operator_verb verb, int argc, const char* const* argv,
                                     const environment& env) {
    auto line = splitter(verb, argc, argv).run();
    if (line.error.empty() && line.help) return print_text{operator_help(verb)};
    if (line.error.empty()) line.error = fault_of(line);
    if (!line.error.empty()) return refusal(verb, {line.error});

    layered layers;
    apply_settings(layers, line, env);
    if (layers.errors().empty() && layers.values().admin.port == 0 && !layers.values().admin.is_unix())
        layers.complain(layers.place(*find_setting("admin"), layers.origin(*find_setting("admin"))) +
                        ": port 0 is none to connect to; the log of the server says which one it got");
    if (!layers.errors().empty()) return refusal(verb, layers.errors());
    line.command.admin = reachable(layers.values().admin);
    line.command.token = layers.values().admin_token;
    return std::move(line.command);
}

} // namespace meshcache::app
