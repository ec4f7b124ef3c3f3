#include "characters.hpp"
#include "lines.hpp"

#include <meshcache/http/cache_control.hpp>
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/grammar.hpp>
#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/validation.hpp>

#include <algorithm>
#include <cstddef>

namespace meshcache::http {
namespace {

namespace ch = characters;

/// etagc of RFC 9110, section 8.8.3: visible ASCII but the quote, and obs-text.
constexpr bool is_etagc(char c) noexcept {
    const auto u = static_cast<unsigned char>(c);
    return u > 0x20 && u != 0x7f && c != '"';
}

constexpr bool is_success(int status) noexcept { return status >= 200 && status < 300; }

/// Takes an entity tag from the start of `s`. What follows it is not looked at.
bool take_entity_tag(std::string_view& s, entity_tag& tag) noexcept {
    std::string_view rest = s;
    tag.weak = rest.size() >= 2 && rest[0] == 'W' && rest[1] == '/';
    if (tag.weak) rest.remove_prefix(2);
    if (rest.empty() || rest.front() != '"') return false;
    rest.remove_prefix(1);
    std::size_t size = 0;
    while (size < rest.size() && is_etagc(rest[size])) ++size;
    if (size == rest.size() || rest[size] != '"') return false;
    tag.opaque = rest.substr(0, size);
    s = rest.substr(size + 1);
    return true;
}

/// The value of a field that is there exactly once.
std::optional<std::string_view> single_value(const field_list& fields, field_id id) noexcept {
    if (fields.count(id) != 1) return std::nullopt;
    return fields.value(id);
}

std::optional<wall_time> single_date(const field_list& fields, field_id id, wall_time now) noexcept {
    const auto value = single_value(fields, id);
    return value ? parse_date(*value, now) : std::nullopt;
}

/// When the stored response was modified, as far as If-Modified-Since is concerned; nullopt where it says so
/// itself, but not legibly.
std::optional<wall_time> modification_time(const field_list& stored, wall_time received,
                                           wall_time now) noexcept {
    if (stored.has(field_id::last_modified)) return single_date(stored, field_id::last_modified, now);
    return single_date(stored, field_id::date, now).value_or(received);
}

bool starts_with_nocase(std::string_view s, std::string_view prefix) noexcept {
    return s.size() >= prefix.size() && iequals(s.substr(0, prefix.size()), prefix);
}

/// Whether a field of the stored response belongs into a 304 made from it. Last-Modified is judged by the
/// caller.
bool belongs_in_not_modified(const field& f) noexcept {
    switch (f.id) {
    case field_id::cache_control:
    case field_id::cdn_cache_control:
    case field_id::content_location:
    case field_id::date:
    case field_id::etag:
    case field_id::expires:
    case field_id::meshcache_cache_control:
    case field_id::surrogate_control:
    case field_id::vary:
    case field_id::via:
        return true;
    case field_id::other:
        return starts_with_nocase(f.name, "Access-Control-") ||
               iequals(f.name, "Cross-Origin-Resource-Policy") || iequals(f.name, "Timing-Allow-Origin");
    default:
        return false;
    }
}

/// Whether the field's stored value stays, whatever an update says: the stored content was made by it.
bool content_depends_on(const field& f) noexcept {
    return f.id == field_id::content_encoding || describes_message_content(f);
}

bool is_cookie(const field& f) noexcept {
    return f.id == field_id::set_cookie || (f.id == field_id::other && iequals(f.name, "Set-Cookie2"));
}

bool same_name(const field& a, const field& b) noexcept {
    return a.id == b.id && (a.id != field_id::other || iequals(a.name, b.name));
}

/// Whether the stored tag and the answer's are the same, the one weak and the other strong.
bool strengthens(const validators& stored, const validators& answer) noexcept {
    return stored.etag && answer.etag && stored.etag->weak && !answer.etag->weak &&
           weak_match(*stored.etag, *answer.etag);
}

/// Whether an updated head selects by the fields that the stored one was selected by, those that it does not
/// name (see parse_vary) included.
bool keeps_vary(const response_head& stored, std::string_view updated) {
    response_head head;
    std::string before, after;
    return read_stored_head(updated, head) && parse_vary(head.fields, after) &&
           parse_vary(stored.fields, before) && before == after;
}

/// What an update leaves as it is.
struct kept {
    bool content_type = true, validators = false;
};

/// The update itself (RFC 9111, section 3.2).
update_refusal update(const response_head& stored, const response_head& answer,
                      const update_settings& settings, const kept& keep, std::string& out) {
    // First the answer as it would be stored, by the same function.
    char date[date_size];
    write_date(settings.now, date);
    std::string text;
    write_client_head(answer, {date, sizeof date}, true, text);
    response_head news;
    if (!read_stored_head(text, news)) return update_refusal::mismatch;

    const bool keep_etag = keep.validators || strengthens(read_validators(stored.fields, settings.now),
                                                          read_validators(answer.fields, settings.now));
    const auto counts = [&](const field& f) noexcept {
        if (f.id == field_id::content_type) return !keep.content_type;
        if (content_depends_on(f)) return false;
        if (keep.validators && f.id == field_id::last_modified) return false;
        if (is_cookie(f)) return settings.keep_set_cookie;
        return !(keep_etag && f.id == field_id::etag);
    };
    const auto replaced = [&](const field& old) noexcept {
        if (old.id != field_id::other && !news.fields.has(old.id)) return false;
        return std::any_of(news.fields.begin(), news.fields.end(),
                           [&](const field& f) noexcept { return same_name(f, old) && counts(f); });
    };

    out.assign("HTTP/1.1 ");
    append_number(static_cast<std::uint64_t>(stored.status), out);
    out.append(" ").append(stored.reason).append("\r\n");
    std::size_t count = 0;
    const auto add = [&](const field& f) {
        append_line(f.name, f.value, out);
        ++count;
    };
    for (const field& f : stored.fields)
        if (!replaced(f)) add(f);
    for (const field& f : news.fields)
        if (counts(f)) add(f);

    const bool fits = out.size() <= std::max(settings.limits.max_bytes, stored.size) &&
                      count <= std::max(settings.limits.max_fields, stored.fields.size());
    if (!fits) return update_refusal::too_large;
    return keeps_vary(stored, out) ? update_refusal::none : update_refusal::vary;
}

/// Whether the request was about this stored response and nothing else.
bool asked_about(const response_head& stored, const upstream_conditions& asked, wall_time now) noexcept {
    if (!asked.drop_conditionals) return false;
    if (asked.if_none_match.empty() && asked.if_modified_since.empty()) return false;
    const upstream_conditions own = validating_conditions(stored, now);
    return asked.if_none_match == own.if_none_match && asked.if_modified_since == own.if_modified_since;
}

/// Whether a validator of the answer to HEAD has the stored value. One that is not there says nothing.
bool same_validator(const field_list& stored, const field_list& answer, field_id id, wall_time now) noexcept {
    if (!answer.has(id)) return true;
    const auto before = single_value(stored, id);
    const auto after = single_value(answer, id);
    if (!before || !after) return false;
    if (*before == *after) return true;
    if (id != field_id::last_modified) return false;
    const auto then = parse_date(*before, now);
    return then && then == parse_date(*after, now);
}

bool same_length(const field_list& stored, const field_list& answer) noexcept {
    if (!answer.has(field_id::content_length)) return true;
    const auto before = single_value(stored, field_id::content_length);
    const auto after = single_value(answer, field_id::content_length);
    if (!before || !after) return false;
    const auto length = parse_digits(*after);
    return length && length == parse_digits(*before);
}

} // namespace

std::optional<entity_tag> parse_entity_tag(std::string_view s) noexcept {
    entity_tag tag;
    if (!take_entity_tag(s, tag) || !s.empty()) return std::nullopt;
    return tag;
}

bool strong_match(const entity_tag& a, const entity_tag& b) noexcept {
    return !a.weak && !b.weak && a.opaque == b.opaque;
}

bool weak_match(const entity_tag& a, const entity_tag& b) noexcept { return a.opaque == b.opaque; }

bool validators::strong_last_modified() const noexcept {
    constexpr seconds enough{60};
    return last_modified && date && *date - *last_modified >= enough;
}

std::optional<entity_tag> read_entity_tag(const field_list& response_fields) noexcept {
    const auto value = single_value(response_fields, field_id::etag);
    return value ? parse_entity_tag(*value) : std::nullopt;
}

validators read_validators(const field_list& response_fields, wall_time now) noexcept {
    validators out;
    out.etag = read_entity_tag(response_fields);
    out.last_modified = single_date(response_fields, field_id::last_modified, now);
    out.date = single_date(response_fields, field_id::date, now);
    return out;
}

tag_list look_up_tag(const field_list& request_fields, field_id list, const std::optional<entity_tag>& tag,
                     bool (*match_function)(const entity_tag&, const entity_tag&) noexcept) noexcept {
    if (!request_fields.has(list)) return tag_list::absent;
    bool any = false, matched = false;
    std::size_t members = 0;
    for (const field& f : request_fields) {
        if (f.id != list) continue;
        std::string_view rest = f.value;
        bool expected = true; // a member may come; not before a comma has ended the one before
        while (!rest.empty()) {
            const char c = rest.front();
            if (ch::is(c, ch::blank) || c == ',') {
                expected = expected || c == ',';
                rest.remove_prefix(1);
                continue;
            }
            if (!expected) return tag_list::malformed;
            expected = false;
            ++members;
            if (c == '*') {
                any = true;
                rest.remove_prefix(1);
                continue;
            }
            entity_tag member;
            if (!take_entity_tag(rest, member)) return tag_list::malformed;
            if (tag && match_function(member, *tag)) matched = true;
        }
    }
    if (any) return members == 1 ? tag_list::any : tag_list::malformed;
    return matched ? tag_list::match : tag_list::no_match;
}

precondition evaluate_preconditions(const field_list& request_fields, method verb,
                                    const response_head& stored, wall_time received, wall_time now) noexcept {
    if (!is_conditional(request_fields)) return precondition::proceed;
    if (request_fields.has(field_id::if_match) || request_fields.has(field_id::if_unmodified_since))
        return precondition::forward;
    if (verb != method::get && verb != method::head) return precondition::forward;
    if (!is_success(stored.status)) return precondition::proceed;

    if (request_fields.has(field_id::if_none_match)) {
        const auto etag = read_entity_tag(stored.fields);
        const tag_list found = look_up_tag(request_fields, field_id::if_none_match, etag, weak_match);
        const bool hit = found == tag_list::match || found == tag_list::any;
        return hit ? precondition::not_modified : precondition::proceed;
    }
    const auto since = single_date(request_fields, field_id::if_modified_since, now);
    const auto modified = modification_time(stored.fields, received, now);
    // HTTP dates have whole seconds, and so has Last-Modified; only `received` has more.
    const bool unmodified = since && modified && std::chrono::floor<seconds>(*modified) <= *since;
    return unmodified ? precondition::not_modified : precondition::proceed;
}

void write_not_modified_head(const response_head& stored, std::string& out) {
    const auto etag = parse_entity_tag(stored.fields.value(field_id::etag));
    const bool strong_tag = etag && !etag->weak;
    out.reserve(out.size() + stored.size);
    out += "HTTP/1.1 304 Not Modified\r\n";
    for (const field& f : stored.fields) {
        const bool wanted = f.id == field_id::last_modified ? !strong_tag : belongs_in_not_modified(f);
        if (wanted) append_line(f.name, f.value, out);
    }
}

upstream_conditions validating_conditions(const response_head& stored, wall_time now) noexcept {
    upstream_conditions out;
    out.drop_conditionals = true;
    if (!is_success(stored.status)) return out;
    const validators own = read_validators(stored.fields, now);
    if (own.etag) out.if_none_match = stored.fields.value(field_id::etag);
    if (own.last_modified) out.if_modified_since = stored.fields.value(field_id::last_modified);
    return out;
}

validator_match match_validators(const response_head& stored, const response_head& answer,
                                 wall_time now) noexcept {
    const validators before = read_validators(stored.fields, now);
    const validators after = read_validators(answer.fields, now);
    const bool same_time = before.last_modified && before.last_modified == after.last_modified;
    const bool same_strong_time = same_time && before.strong_last_modified();

    if (after.etag) {
        if (before.etag) {
            if (strong_match(*before.etag, *after.etag)) return validator_match::strong;
            if (!weak_match(*before.etag, *after.etag)) return validator_match::mismatch;
            if (same_strong_time) return validator_match::strong;
            return after.etag->weak ? validator_match::weak : validator_match::mismatch;
        }
        if (same_strong_time) return validator_match::strong;
        return after.etag->weak && same_time ? validator_match::weak : validator_match::mismatch;
    }
    if (after.last_modified) {
        if (!same_time) return validator_match::mismatch;
        return same_strong_time ? validator_match::strong : validator_match::weak;
    }
    return validator_match::unnamed;
}

std::string_view describe(update_refusal r) noexcept {
    switch (r) {
    case update_refusal::none:
        return "none";
    case update_refusal::mismatch:
        return "validator-mismatch";
    case update_refusal::vary:
        return "vary";
    case update_refusal::too_large:
        return "head-too-large";
    }
    return "unknown";
}

update_refusal freshen(const response_head& stored, const response_head& answer,
                       const upstream_conditions& asked, const update_settings& settings, std::string& out) {
    kept keep;
    keep.content_type = !settings.trust_304;
    switch (match_validators(stored, answer, settings.now)) {
    case validator_match::mismatch:
        if (!settings.trust_304 || !asked_about(stored, asked, settings.now)) return update_refusal::mismatch;
        keep.validators = true;
        break;
    case validator_match::unnamed:
        if (!asked_about(stored, asked, settings.now)) return update_refusal::mismatch;
        break;
    case validator_match::strong:
    case validator_match::weak:
        break;
    }
    return update(stored, answer, settings, keep, out);
}

head_effect head_freshens(const response_head& stored, const response_head& answer, wall_time now) noexcept {
    if (answer.status != 200) return head_effect::same;
    if (stored.status != 200) return head_effect::invalidate;
    const field_list& before = stored.fields;
    const field_list& after = answer.fields;
    const bool same = same_validator(before, after, field_id::etag, now) &&
                      same_validator(before, after, field_id::last_modified, now) &&
                      same_length(before, after);
    if (!same) return head_effect::invalidate;
    const bool shown = after.has(field_id::etag) || after.has(field_id::last_modified) ||
                       after.has(field_id::content_length);
    const bool validated = before.has(field_id::etag) || before.has(field_id::last_modified);
    return shown || !validated ? head_effect::update : head_effect::same;
}

update_refusal update_from_head(const response_head& stored, const response_head& answer,
                                const update_settings& settings, std::string& out) {
    return update(stored, answer, settings, {}, out);
}

lifetime updated_lifetime(const response_head& updated, const response_head& answer, wall_time request_time,
                          wall_time response_time, const cache_policy& policy) {
    response_head aged = updated;
    for (const field& f : answer.fields)
        if (f.id == field_id::age) aged.fields.add(f);
    return compute_lifetime(aged, read_response_directives(aged.fields), request_time, response_time, policy);
}

} // namespace meshcache::http
