#include "structured_fields.hpp"

#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/grammar.hpp>

#include <algorithm>

namespace meshcache::http {
namespace {

/// One directive: `name`, `name=token` or `name="quoted"`.
struct directive {
    std::string_view name;
    std::string_view argument; ///< without quotes; escapes as sent
    bool has_argument = false;
    bool well_formed = true; ///< no blanks around "=", nothing behind a quoted string
};

directive split(std::string_view member) noexcept {
    directive d;
    const std::size_t equals = member.find('=');
    d.name = trim(member.substr(0, equals));
    d.well_formed = d.name.size() == std::min(equals, member.size()) && is_token(d.name);
    if (equals == std::string_view::npos) return d;
    d.has_argument = true;
    d.argument = member.substr(equals + 1);
    if (!d.argument.empty() && d.argument.front() == '"') {
        if (d.argument.size() >= 2 && d.argument.back() == '"')
            d.argument = d.argument.substr(1, d.argument.size() - 2);
        else
            d.well_formed = false;
    } else {
        d.well_formed = d.well_formed && is_token(d.argument);
    }
    return d;
}

/// Whether a quoted string in `value` is never closed. What follows its opening quote could then be read
/// either as text or as directives.
bool has_open_quote(std::string_view value) noexcept {
    bool quoted = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (quoted && value[i] == '\\')
            ++i;
        else if (value[i] == '"')
            quoted = !quoted;
    }
    return quoted;
}

/// delta-seconds, or nullopt for what is none.
std::optional<seconds> argument_seconds(const directive& d) noexcept {
    if (!d.has_argument || !d.well_formed) return std::nullopt;
    return parse_delta_seconds(d.argument);
}

/// A lifetime of a response: what cannot be read, or says two things, is zero (RFC 9111, section 4.2.1).
void set_lifetime(std::optional<seconds>& out, std::optional<seconds> value) noexcept {
    const seconds read = value.value_or(seconds{0});
    out = out && *out != read ? seconds{0} : read;
}

void set_shared_lifetime(response_directives& out, std::optional<seconds> value) noexcept {
    const bool first = !out.s_maxage;
    out.s_maxage_sound = value && (first || (out.s_maxage_sound && *out.s_maxage == *value));
    set_lifetime(out.s_maxage, value);
}

void set_must_revalidate(response_directives& out, bool sound) noexcept {
    out.must_revalidate = true;
    out.must_revalidate_sound = sound || out.must_revalidate_sound;
}

/// The smaller of what was said; what cannot be read was not said.
void keep_smaller(std::optional<seconds>& out, std::optional<seconds> value) noexcept {
    if (value) out = out ? std::min(*out, *value) : *value;
}

/// The field names in the argument of private or no-cache. False when there are none.
bool read_field_names(const directive& d, std::vector<std::string_view>& out) {
    const std::size_t before = out.size();
    std::string_view name;
    for (list_cursor c(d.argument); c.next(name);) out.push_back(name);
    return out.size() != before;
}

void apply(const directive& d, response_directives& out) {
    const auto is = [&d](std::string_view name) { return iequals(d.name, name); };
    // A directive that restricts counts however it is written; one that permits has to be well-formed.
    const bool plain = d.well_formed && !d.has_argument;
    if (is("max-age"))
        set_lifetime(out.max_age, argument_seconds(d));
    else if (is("s-maxage"))
        set_shared_lifetime(out, argument_seconds(d));
    else if (is("stale-while-revalidate"))
        keep_smaller(out.stale_while_revalidate, argument_seconds(d));
    else if (is("stale-if-error"))
        keep_smaller(out.stale_if_error, argument_seconds(d));
    else if (is("no-store"))
        out.no_store = true;
    else if (is("no-cache"))
        out.no_cache = !read_field_names(d, out.no_cache_fields) || out.no_cache;
    else if (is("private"))
        out.is_private = !read_field_names(d, out.private_fields) || out.is_private;
    else if (is("public"))
        out.is_public = plain || out.is_public;
    else if (is("must-revalidate"))
        set_must_revalidate(out, plain);
    else if (is("proxy-revalidate"))
        out.proxy_revalidate = true;
    else if (is("must-understand"))
        out.must_understand = plain || out.must_understand;
    else if (is("immutable"))
        out.immutable = plain || out.immutable;
    else if (is("no-transform"))
        out.no_transform = true;
}

response_directives read_cache_control(const field_list& fields) {
    response_directives out;
    for (const field& f : fields) {
        if (f.id != field_id::cache_control) continue;
        out.present = true;
        // must-understand lifts the one, and nothing the other.
        if (has_open_quote(f.value)) out.no_store = out.is_private = true;
        std::string_view member;
        for (list_cursor c(f.value); c.next(member);) apply(split(member), out);
    }
    return out;
}

/// A targeted field's lifetime: an integer, or else not there (RFC 9213, section 2.1). A negative one is
/// stale.
void set_integer(std::optional<seconds>& out, const structured::member& m) noexcept {
    if (m.type != structured::kind::integer) return;
    out = seconds{std::clamp<std::int64_t>(m.number, 0, std::int64_t{1} << 31)};
}

/// `name`, `name=?1`; `name=?0` says that it does not apply.
bool is_true(const structured::member& m) noexcept { return m.type == structured::kind::boolean && m.truth; }
bool is_false(const structured::member& m) noexcept {
    return m.type == structured::kind::boolean && !m.truth;
}

void apply(const structured::member& m, response_directives& out) {
    const auto names = [&m](std::vector<std::string_view>& list) {
        directive d;
        if (m.type == structured::kind::string || m.type == structured::kind::token) d.argument = m.text;
        return read_field_names(d, list);
    };
    if (m.key == "max-age")
        set_integer(out.max_age, m);
    else if (m.key == "s-maxage") {
        set_integer(out.s_maxage, m);
        out.s_maxage_sound = out.s_maxage.has_value();
    } else if (m.key == "stale-while-revalidate")
        set_integer(out.stale_while_revalidate, m);
    else if (m.key == "stale-if-error")
        set_integer(out.stale_if_error, m);
    else if (m.key == "no-store")
        out.no_store = !is_false(m);
    else if (m.key == "no-cache")
        out.no_cache = !is_false(m) && !names(out.no_cache_fields);
    else if (m.key == "private")
        out.is_private = !is_false(m) && !names(out.private_fields);
    else if (m.key == "public")
        out.is_public = is_true(m);
    else if (m.key == "must-revalidate") {
        out.must_revalidate = !is_false(m);
        out.must_revalidate_sound = is_true(m);
    } else if (m.key == "proxy-revalidate")
        out.proxy_revalidate = !is_false(m);
    else if (m.key == "must-understand")
        out.must_understand = is_true(m);
    else if (m.key == "immutable")
        out.immutable = is_true(m);
    else if (m.key == "no-transform")
        out.no_transform = !is_false(m);
}

/// Reads the targeted field `id`. False when it is absent, empty or malformed: then it does not count.
bool read_targeted(const field_list& fields, field_id id, response_directives& out) {
    if (!fields.has(id)) return false;
    structured::dictionary members;
    for (const field& f : fields)
        if (f.id == id && !structured::parse_dictionary(f.value, members)) return false;
    out.present = true;
    out.targeted = true;
    for (const structured::member& m : members) apply(m, out);
    return true;
}

} // namespace

response_directives read_response_directives(const field_list& fields) {
    for (const field_id id : {field_id::meshcache_cache_control, field_id::cdn_cache_control}) {
        response_directives out;
        if (read_targeted(fields, id, out)) return out;
    }
    return fields.has(field_id::cache_control) ? read_cache_control(fields) : response_directives{};
}

request_directives read_request_directives(const field_list& fields) {
    request_directives out;
    if (!fields.has(field_id::cache_control)) {
        for (const field& f : fields)
            if (f.id == field_id::pragma && list_has(f.value, "no-cache")) out.no_cache = true;
        return out;
    }
    for (const field& f : fields) {
        if (f.id != field_id::cache_control) continue;
        std::string_view member;
        for (list_cursor c(f.value); c.next(member);) {
            const directive d = split(member);
            const auto is = [&d](std::string_view name) { return iequals(d.name, name); };
            if (is("max-age")) {
                keep_smaller(out.max_age, argument_seconds(d).value_or(seconds{0}));
            } else if (is("min-fresh")) {
                const auto value = argument_seconds(d);
                if (value) out.min_fresh = std::max(out.min_fresh.value_or(seconds{0}), *value);
            } else if (is("max-stale")) {
                if (!d.has_argument)
                    keep_smaller(out.max_stale, seconds::max());
                else
                    keep_smaller(out.max_stale, argument_seconds(d));
            } else if (is("stale-if-error")) {
                keep_smaller(out.stale_if_error, argument_seconds(d));
            } else if (is("no-cache")) {
                out.no_cache = true;
            } else if (is("no-store")) {
                out.no_store = true;
            } else if (is("only-if-cached")) {
                out.only_if_cached = true;
            } else if (is("no-transform")) {
                out.no_transform = true;
            }
        }
    }
    return out;
}

} // namespace meshcache::http
