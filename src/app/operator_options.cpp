#include "operator_options.hpp"
#include "options_file.hpp"
#include "options_layers.hpp"
#include "options_suggest.hpp"
#include "text_layout.hpp"

#include <meshcache/base/units.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace meshcache::app {
namespace {

constexpr std::array<operator_entry, 4> commands{{
    {operator_verb::purge, "purge", " WHAT", "take away what is stored, on every replica"},
    {operator_verb::stats, "stats", "", "print what this replica counts and holds"},
    {operator_verb::replicas, "replicas", "",
     "list the replicas that share the cache, and how far behind each is"},
    {operator_verb::inspect, "inspect", " URL", "print what is stored of a URL, here and in Redis"},
}};

/// What the flags of the commands do with their values.
enum class flag_kind : std::uint8_t { toggle, value };

struct command_flag {
    std::string_view name;
    flag_kind kind;
    std::string_view placeholder;
    std::string_view help;
    std::optional<operator_verb> only; ///< of one command; else of all
    /// Takes a value (`true` or `false` of a toggle). What is wrong with it and what would be right, or
    /// nothing.
    std::string (*take)(operator_command& c, const std::string& value) = nullptr;
};

template <bool operator_command::*Member>
std::string take_switch(operator_command& c, const std::string& value) {
    const auto on = parse_switch(value);
    if (on) c.*Member = *on;
    return on.error;
}

template <std::vector<std::string> operator_command::*Member>
std::string take_one_more(operator_command& c, const std::string& value) {
    if (value.empty()) return "'' names nothing";
    (c.*Member).push_back(value);
    return {};
}

std::string take_wait(operator_command& c, const std::string& value) {
    if (value != "replicas") return in_quotes(value) + " is not one of replicas";
    c.wait_replicas = true;
    return {};
}

std::string take_timeout(operator_command& c, const std::string& value) {
    const auto time = parse_duration(value);
    if (!time) return time.error;
    if (*time < milliseconds{1} || *time > std::chrono::minutes{1})
        return in_quotes(value) + " is not between 1ms and 1m";
    c.timeout = *time;
    return {};
}

constexpr auto purge_only = operator_verb::purge;

/// `admin`, `admin-token` and `config` have no `take`: their values go through the settings.
constexpr std::array<command_flag, 12> flags{{
    {"url", flag_kind::value, "URL", "the response of this URL, in all its variants", purge_only,
     &take_one_more<&operator_command::urls>},
    {"tag", flag_kind::value, "TAG", "responses with this tag in Surrogate-Key or Cache-Tag", purge_only,
     &take_one_more<&operator_command::tags>},
    {"prefix", flag_kind::value, "PREFIX", "URLs that begin so: http://HOST/PATH, or /PATH on every host",
     purge_only, &take_one_more<&operator_command::prefixes>},
    {"host", flag_kind::value, "HOST[:PORT]", "all of this host; HOST alone is its port 80", purge_only,
     &take_one_more<&operator_command::hosts>},
    {"all", flag_kind::toggle, "", "everything", purge_only, &take_switch<&operator_command::all>},
    {"soft", flag_kind::toggle, "",
     "make it stale, so that it is validated, and may still stand in for errors", purge_only,
     &take_switch<&operator_command::soft>},
    {"wait", flag_kind::value, "replicas", "until every live replica has applied it, or --timeout has passed",
     purge_only, &take_wait},
    {"admin", flag_kind::value, "ADDR:PORT", "the admin port to talk to; unix:/path too", std::nullopt},
    {"admin-token", flag_kind::value, "TOKEN",
     "its bearer token; better given in the environment than as a flag", std::nullopt},
    {"config", flag_kind::value, "FILE", "the server's TOML file, for the two above", std::nullopt},
    {"timeout", flag_kind::value, "TIME", "longest wait for the answer [5s]", std::nullopt, &take_timeout},
    {"json", flag_kind::toggle, "", "print what the admin port answers, for machines", std::nullopt,
     &take_switch<&operator_command::json>},
}};

bool belongs(const command_flag& f, operator_verb verb) noexcept { return !f.only || *f.only == verb; }

const operator_entry& entry_of(operator_verb verb) noexcept {
    return *std::find_if(commands.begin(), commands.end(), [verb](const auto& c) { return c.verb == verb; });
}

const command_flag* find_flag(std::string_view name) noexcept {
    const auto it =
        std::find_if(flags.begin(), flags.end(), [name](const auto& f) { return f.name == name; });
    return it == flags.end() ? nullptr : &*it;
}

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
        for (const auto& f : flags)
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
    for (const auto& f : flags)
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

std::optional<std::string> set_variable(const environment& env, std::string_view name) {
    auto value = env.variable(name);
    if (value && value->empty()) value.reset();
    return value;
}

/// The settings `admin` and `admin-token`, layer upon layer. The server's other settings are not looked at:
/// it runs, so they are its own business.
void apply_settings(layered& layers, const split_line& line, const environment& env) {
    const auto path = line.config ? line.config : set_variable(env, "MESHCACHE_CONFIG");
    const auto admin = *find_setting("admin"), token = *find_setting("admin-token");
    if (path) {
        const auto content = env.read_file(*path);
        if (!content) {
            layers.complain((line.config ? "--config" : "MESHCACHE_CONFIG") + std::string(": cannot read ") +
                            in_quotes(*path) + ": " + content.error);
        } else {
            layers.set_file(*path);
            auto file = read_toml(*content, *path);
            for (auto& error : file.errors) layers.complain(std::move(error));
            for (const auto& entry : file.entries)
                if (entry.setting == admin || entry.setting == token)
                    layers.apply(entry.setting, entry.text, {value_origin::source::file, entry.line, {}});
        }
    }
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

std::span<const operator_entry> operator_commands() noexcept { return commands; }

std::optional<operator_verb> operator_verb_of(int argc, const char* const* argv) noexcept {
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (!argument.starts_with("--")) {
            for (const auto& c : commands)
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

std::string operator_help(operator_verb verb) {
    const auto& entry = entry_of(verb);
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
