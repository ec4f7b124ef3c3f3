#pragma once
// Validators and what is done with them: entity tags (RFC 9110, section 8.8.3), the conditions of a client
// held against a stored response (RFC 9110, section 13; RFC 9111, section 4.3.2), the conditions that
// validate a stored response (RFC 9111, section 4.3.1), and what their answers do to it (RFC 9111,
// sections 3.2, 4.3.4 and 4.3.5). Pure functions over heads, with time passed in; the work is linear in the
// heads' size, except for updates, which compare each of two bounded lists of names with the other.
//
// A stored head is read by read_stored_head; all writers give such heads: each line ended by CRLF, without
// the empty line.
#include <meshcache/base/clock.hpp>
#include <meshcache/http/forwarding.hpp>
#include <meshcache/http/freshness.hpp>
#include <meshcache/http/head.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshcache::http {

// Validators

/// An entity tag; a view into the field that it was read from.
struct entity_tag {
    std::string_view opaque; ///< between the quotes; may be empty
    bool weak = false;
};

/// `"..."` or `W/"..."`, exactly (RFC 9110, section 8.8.3). A backslash escapes nothing.
std::optional<entity_tag> parse_entity_tag(std::string_view s) noexcept;

/// The same, and neither of them weak (RFC 9110, section 8.8.3.2).
bool strong_match(const entity_tag& a, const entity_tag& b) noexcept;
/// The same, weak or not.
bool weak_match(const entity_tag& a, const entity_tag& b) noexcept;

/// What a response says of its own version. A validator that is malformed, or there twice, is none.
struct validators {
    std::optional<entity_tag> etag;
    std::optional<wall_time> last_modified;
    std::optional<wall_time> date;

    /// Whether Last-Modified identifies one version: the response was made at least a minute later, so that
    /// neither a second change within the same second nor the skew of two clocks is behind it (RFC 9110,
    /// section 8.8.2.2).
    bool strong_last_modified() const noexcept;
};

validators read_validators(const field_list& response_fields, wall_time now) noexcept;
/// The entity tag of them.
std::optional<entity_tag> read_entity_tag(const field_list& response_fields) noexcept;

// Conditions of a client

/// What a list of entity tags (If-None-Match, If-Match; all of its lines) says of one.
enum class tag_list : std::uint8_t {
    absent,
    malformed, ///< a member that is no entity tag, or `*` beside others: the whole list says nothing
    any,       ///< `*`
    match,
    no_match,
};

/// Compares every member of the list with `tag`; an empty list matches nothing. `match_function` is
/// strong_match for If-Match, weak_match for If-None-Match.
tag_list look_up_tag(const field_list& request_fields, field_id list, const std::optional<entity_tag>& tag,
                     bool (*match_function)(const entity_tag&, const entity_tag&) noexcept) noexcept;

/// What to do with a conditional request that a stored response could answer.
enum class precondition : std::uint8_t {
    proceed,      ///< no condition, or it is true: answer as without it
    not_modified, ///< answer 304
    forward,      ///< conditions for the origin alone: the request must reach it as it is
};

/// Whether the request has a condition at all. Constant time; asked for every hit.
inline bool is_conditional(const field_list& request_fields) noexcept {
    return request_fields.has(field_id::if_none_match) || request_fields.has(field_id::if_modified_since) ||
           request_fields.has(field_id::if_match) || request_fields.has(field_id::if_unmodified_since);
}

/// The conditions of the request in the order of RFC 9110, section 13.2.2, as a cache may evaluate them (RFC
/// 9111, section 4.3.2) against `stored`, which was chosen for the request and may be used without
/// validation. If-Match and If-Unmodified-Since are not a cache's to evaluate, so a cache never answers 412;
/// neither are the conditions of methods other than GET and HEAD. If-None-Match, even malformed, keeps
/// If-Modified-Since from being looked at. Without Last-Modified, If-Modified-Since is held against Date, and
/// without that against `received`. Conditions on what is no 2xx count for nothing (RFC 9110,
/// section 13.2.1).
precondition evaluate_preconditions(const field_list& request_fields, method verb,
                                    const response_head& stored, wall_time received, wall_time now) noexcept;

/// Appends the head of a 304 made from a stored response (RFC 9110, section 15.4.5): the fields that update
/// the client's copy (Cache-Control with its targeted forms, Content-Location, Date, ETag, Expires, Vary;
/// Via, as the message was forwarded), Last-Modified where there is no strong entity tag, and those that
/// browsers check on this very answer (Access-Control-*, Cross-Origin-Resource-Policy, Timing-Allow-Origin).
/// Age and Cache-Status are the sender's. It has no content, and no Content-Length.
void write_not_modified_head(const response_head& stored, std::string& out);

// Validation of a stored response

/// The conditions that validate `stored`, for write_upstream_head; the client's own are always dropped (its
/// conditions and ranges are about its copy, not ours). Without usable validators, or when `stored` is no
/// 2xx, for which no origin answers 304, the request is unconditional. The views point into `stored`.
upstream_conditions validating_conditions(const response_head& stored, wall_time now) noexcept;

/// How a response names the stored response that it is about (RFC 9111, section 4.3.4).
enum class validator_match : std::uint8_t {
    strong,   ///< they share a strong validator
    weak,     ///< they share a weak one, and the response has no strong one
    unnamed,  ///< the response has no validator
    mismatch, ///< it is about something else
};

/// Entity tags decide where both have one: other tags are other versions, even with the same Last-Modified. A
/// strong tag that answers a weak one, or none, needs a strong Last-Modified beside it.
validator_match match_validators(const response_head& stored, const response_head& answer,
                                 wall_time now) noexcept;

/// Why a stored response was not updated. describe() has the words for logs and Cache-Status.
enum class update_refusal : std::uint8_t {
    none,      ///< it was updated
    mismatch,  ///< the answer is about another version: fetch anew, without conditions
    vary,      ///< it selects by other fields than the key does: fetch anew
    too_large, ///< the head would grow beyond its limits
};
std::string_view describe(update_refusal r) noexcept;

/// What an update is made under.
struct update_settings {
    wall_time now;                ///< the Date of an answer that has none, too
    head_limits limits;           ///< a head grows up to these bounds by updates, and no further
    bool keep_set_cookie = false; ///< as in cache_policy::store_set_cookie
    bool trust_304 = false;       ///< as in cache_policy::trust_not_modified
};

/// Replaces `out` by the stored head as the 304 `answer` updates it (RFC 9111, sections 3.2 and 4.3.4).
/// `asked` is what the request had for conditions: a 304 that names no version is believed only where these
/// were the stored response's own, since then it can speak of nothing else. That is more than the RFC grants
/// where the stored response has validators, for the many origins that leave them out; and less where it has
/// none, since nothing then says whose copy the 304 is about.
///
/// Every field of the answer takes the place of all stored lines of that name. Kept as they are: the status
/// line; what the stored content depends upon (Content-Length, -Range, -Encoding, -Type, -MD5, -Digest); and
/// a weak entity tag where the answer has the same as a strong one, which belongs to another coding of the
/// content. Left out of the answer: hop-by-hop fields and those that Connection names, Age, and Set-Cookie,
/// which was meant for one client. The answer's Via and Date take the place of the stored ones.
///
/// With `trust_304`, a 304 to conditions that were the stored response's own is about it even if it names
/// another version, as Apache's does for content that it compressed; the stored validators are kept then. And
/// its Content-Type takes the place of the stored one.
///
/// Whether the result may still be stored is another question: may_store answers it, with
/// updated_lifetime and the directives of the result. On a refusal `out` is unspecified.
update_refusal freshen(const response_head& stored, const response_head& answer,
                       const upstream_conditions& asked, const update_settings& settings, std::string& out);

/// What the answer to HEAD says of a stored response to GET (RFC 9111, section 4.3.5).
enum class head_effect : std::uint8_t {
    same,       ///< nothing: the stored response stays as it is
    update,     ///< it is the same version: update_from_head
    invalidate, ///< it is another version. The RFC would have the stored response counted as stale; but
                ///< stored anew under this answer's version it would escape the purges since its own, so it
                ///< goes
};

/// `stored` could have been chosen for the request that `answer` answers. Only a 200 has an effect. Every
/// validator in it, and Content-Length, must have the value that the stored response has; what the answer
/// does not have is not compared. An answer without any of these leaves alone a stored response
/// with validators, for which a conditional request is the better way.
head_effect head_freshens(const response_head& stored, const response_head& answer, wall_time now) noexcept;

/// Replaces `out` by the stored head as the answer to HEAD updates it, by the same rules as freshen; after
/// head_effect::update. The refusals are vary and too_large.
update_refusal update_from_head(const response_head& stored, const response_head& answer,
                                const update_settings& settings, std::string& out);

/// The times of an updated response: `updated` is the new head, and `answer`, which updated it, has the Age
/// of it. The request that `answer` answers was sent at `request_time`, and its head had come at
/// `response_time`.
lifetime updated_lifetime(const response_head& updated, const response_head& answer, wall_time request_time,
                          wall_time response_time, const cache_policy& policy);

} // namespace meshcache::http
