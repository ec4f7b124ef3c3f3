#pragma once
// What a proxy changes in the heads that it passes on (RFC 9110, section 7.6): hop-by-hop fields, Via,
// X-Forwarded-* and Forwarded (RFC 7239). Pure: text in, text out.
#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/framing.hpp>
#include <meshcache/http/head.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace meshcache::http {

/// The name by which meshcache calls itself in Via and Cache-Status.
inline constexpr std::string_view pseudonym = "meshcache";

/// The options listed in Connection. Field names in it are hop-by-hop for this message, but never the
/// ones that framing, routing, or the key need: Content-Length, Host, Transfer-Encoding and those
/// that are computed on what is sent upstream; for these the listing is ignored.
/// At most 64 names count. The views point into the head.
class connection_options {
  public:
    explicit connection_options(const field_list& fields);
    bool close() const noexcept { return close_; }
    bool keep_alive() const noexcept { return keep_alive_; }
    bool upgrade() const noexcept { return upgrade_; }
    /// Whether `f` must not be forwarded: hop-by-hop by itself, or named in Connection.
    bool drops(const field& f) const noexcept;

  private:
    std::vector<std::string_view> names_; ///< views into the head
    bool close_ = false, keep_alive_ = false, upgrade_ = false;
};

/// Who asked, for X-Forwarded-* and Forwarded.
struct client_facts {
    std::string_view address;     ///< "203.0.113.7" or "2001:db8::1"; empty for a unix socket
    std::string_view local_port;  ///< the port that the client connected to; empty for a unix socket
    bool trust_forwarded = false; ///< append to what the client sent instead of replacing it, and keep
                                  ///< X-Real-IP and the like, which are removed otherwise
};

/// What a request asks of the upstream in the cache's own name (RFC 9111, section 4.3.1). The views must live
/// until the head is written.
struct upstream_conditions {
    std::string_view if_none_match;     ///< the entity tag of the stored response as received, or empty
    std::string_view if_modified_since; ///< its Last-Modified as received, or empty
    /// Remove what the client asked: If-*, Range, and fields that a gateway takes for them (`If_None_Match`).
    /// Without it the client's fields are forwarded, and the two above are to be empty.
    bool drop_conditionals = false;
    /// Send `TE: trailers`: what the upstream sends in its trailer section is passed on to the client.
    bool ask_trailers = false;
};

/// Appends the request's head as it goes to the upstream to `out`, start line to empty line:
/// origin-form target and normalised Host, end-to-end fields, X-Forwarded-For/-Host/-Proto/-Port,
/// Forwarded, Via, and the framing fields that `framing` says. With `upgrade`, Connection and
/// the offered protocols of Upgrade are kept. Expect goes only with content, and not for HTTP/1.0. Fields by
/// which an application could be made to see another URL or method than the key has (X-Original-URL,
/// X-Rewrite-URL, X-HTTP-Method-Override and their like) are removed.
void write_upstream_head(const request_head& head, const request_uri& uri, const body_framing& framing,
                         const client_facts& client, bool upgrade, std::string& out);

/// The same with conditions of our own. The client's fields go as they came, except those that `conditions`
/// drops.
void write_upstream_head(const request_head& head, const request_uri& uri, const body_framing& framing,
                         const client_facts& client, bool upgrade, const upstream_conditions& conditions,
                         std::string& out);

/// Whether the request is to be answered here, as by its last recipient: OPTIONS with `Max-Forwards: 0` (RFC
/// 9110, section 7.6.2). TRACE never comes so far.
bool ends_here(const request_head& head) noexcept;

/// Appends to a cache key what a trusted client says of the host, scheme, port and target that were asked for
/// (X-Forwarded-Host, -Proto, -Port, -Prefix, Forwarded without for and by, and less common names): all of
/// that is forwarded, and can change the answer.
void append_trusted_claims(const field_list& fields, std::string& out);

/// Appends status line and end-to-end fields of a response to `out`, each ended by CRLF, without the
/// empty line; adds Via, and Date when it is missing (RFC 9110, section 6.6.1). Left out: hop-by-hop fields,
/// Content-Length and Transfer-Encoding (the sender adds its own framing), and Age where
/// `without_age`. `now_date` is an IMF-fixdate.
void write_client_head(const response_head& head, std::string_view now_date, bool without_age,
                       std::string& out);

/// The reason phrase of a status code, or an empty view.
std::string_view reason_phrase(int status) noexcept;

} // namespace meshcache::http
