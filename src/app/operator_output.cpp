#include "operator_output.hpp"
#include "operator_pages.hpp"
#include "text_layout.hpp"

#include <meshcache/base/percent.hpp>
#include <meshcache/base/units.hpp>

#include <nlohmann/json.hpp>

#include <utility>

namespace meshcache::app {
namespace {

/// What the admin port takes as content.
constexpr std::size_t max_content = 64 * 1024;
/// Beyond the wait for Redis, or for the replicas, which the server bounds: for everything else.
constexpr milliseconds grace{5'000};

parsed<admin_request> purge_request_for(const operator_command& c) {
    admin_request out{true, "/purge", {}};
    nlohmann::ordered_json what = nlohmann::ordered_json::object();
    const std::pair<const char*, const std::vector<std::string>*> lists[] = {
        {"url", &c.urls}, {"tag", &c.tags}, {"prefix", &c.prefixes}, {"host", &c.hosts}};
    for (const auto& [name, list] : lists)
        if (!list->empty()) what[name] = *list;
    if (c.all) what["all"] = true;
    if (c.soft) what["soft"] = true;
    if (c.wait_replicas) what["wait"] = "replicas";
    what["timeout"] = format_duration(c.timeout);
    try {
        out.json = what.dump();
    } catch (const nlohmann::json::exception&) {
        return parsed<admin_request>::failure("what is named must be UTF-8");
    }
    if (out.json.size() > max_content)
        return parsed<admin_request>::failure("too much is named for one purge: at most 64KiB");
    return out;
}

command_result refused(int code, std::string text) {
    return {code, {}, "meshcache: " + std::move(text) + '\n'};
}

/// The first line of what the admin port said in words.
std::string first_line(const std::string& body) { return visible(body.substr(0, body.find('\n'))); }

command_result refused_by_port(const operator_command& c, const admin_answer& answer) {
    const std::string at = "the admin port at " + c.admin.to_string();
    if (answer.status == 401)
        return refused(1, at + (c.token.empty() ? " asks for a token" : " does not know this token") +
                              "; set MESHCACHE_ADMIN_TOKEN (--admin-token) to that of the server");
    if (answer.status == 400) return refused(2, first_line(answer.body));
    if (answer.status == 404) return refused(1, at + " is none of a meshcache, or of an older one: 404");
    return refused(1, at + " answered " + std::to_string(answer.status) + ": " + first_line(answer.body));
}

bool has_text(const nlohmann::json& of, const char* name) {
    const auto it = of.find(name);
    return it != of.end() && it->is_string();
}

/// Whether a JSON object is what meshcache answers to that command, and not what another program on that
/// port answers to anything. What every version of meshcache has is asked for, and no more.
bool is_ours(operator_verb verb, const nlohmann::json& answer) {
    switch (verb) {
    case operator_verb::purge: {
        const auto applied = answer.find("applied");
        return applied != answer.end() && applied->is_boolean() && applied->get<bool>() &&
               has_text(answer, "version");
    }
    case operator_verb::inspect: {
        const auto local = answer.find("local");
        return local != answer.end() && local->is_array();
    }
    case operator_verb::stats:
    case operator_verb::replicas:
        return has_text(answer, "replica_id");
    }
    return false;
}

} // namespace

parsed<admin_request> request_for(const operator_command& c) {
    if (c.verb == operator_verb::purge) return purge_request_for(c);
    if (c.verb == operator_verb::inspect)
        return admin_request{false, "/inspect?url=" + percent_encoded(c.url), {}};
    return admin_request{false, "/stats", {}};
}

milliseconds patience_for(const operator_command& c) noexcept {
    return c.verb == operator_verb::purge ? c.timeout + grace : c.timeout;
}

command_result conclude(const operator_command& c, const admin_answer& answer) {
    const bool done = answer.status == 200 || (c.verb == operator_verb::purge && answer.status == 202);
    if (!done) return refused_by_port(c, answer);
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    if (!json.is_object() || !answer.content_type.starts_with("application/json"))
        return refused(1, c.admin.to_string() + " is no admin port of meshcache: its answer is not JSON");
    if (!is_ours(c.verb, json))
        return refused(1,
                       c.admin.to_string() + " is no admin port of meshcache: its answer has another form");

    command_result out;
    switch (c.verb) {
    case operator_verb::purge:
        out.code = answer.status == 200 ? 0 : 3;
        out.out = purge_page(json);
        break;
    case operator_verb::stats:
        out.out = stats_page(json);
        break;
    case operator_verb::inspect:
        out.out = inspection_page(json);
        break;
    case operator_verb::replicas: {
        const auto list = json.find("replicas");
        if (list == json.end() || !list->is_array()) return refused(1, no_replicas(json));
        if (c.json) {
            // Parsed once more, for the order in which the server has the members.
            const auto ordered = nlohmann::ordered_json::parse(answer.body).at("replicas");
            out.out = ordered.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
            return out;
        }
        out.out = replicas_page(*list);
        break;
    }
    }
    if (c.json) out.out = answer.body;
    return out;
}

} // namespace meshcache::app
