#include <meshcache/http/grammar.hpp>
#include <meshcache/http/upgrade.hpp>

#include <algorithm>
#include <array>

namespace meshcache::http {
namespace {

bool names_upgrade(const field_list& fields) noexcept {
    return std::any_of(fields.begin(), fields.end(), [](const field& f) {
        return f.id == field_id::connection && list_has(f.value, "upgrade");
    });
}

/// protocol = protocol-name ["/" protocol-version], both tokens; and none that carries HTTP.
bool may_pass(std::string_view protocol) noexcept {
    constexpr std::array<std::string_view, 7> carriers = {"http", "https", "h2c", "h2", "h3", "tls", "ssl"};
    const std::size_t slash = protocol.find('/');
    const std::string_view name = protocol.substr(0, slash);
    if (!is_token(name)) return false;
    if (slash != std::string_view::npos && !is_token(protocol.substr(slash + 1))) return false;
    return std::none_of(carriers.begin(), carriers.end(),
                        [name](std::string_view c) { return iequals(name, c); });
}

/// Whether `use` is true of a protocol that may be passed on; it is asked about one after the other until
/// then.
template <class Use>
bool any_offered(const field_list& fields, Use use) {
    if (!fields.has(field_id::upgrade)) return false;
    for (const field& f : fields) {
        if (f.id != field_id::upgrade) continue;
        std::string_view protocol;
        for (list_cursor c(f.value); c.next(protocol);)
            if (may_pass(protocol) && use(protocol)) return true;
    }
    return false;
}

} // namespace

bool offers_upgrade(const request_head& request) noexcept {
    return request.minor >= 1 && request.fields.has(field_id::upgrade) && names_upgrade(request.fields) &&
           any_offered(request.fields, [](std::string_view) { return true; });
}

void append_offered_protocols(const field_list& fields, std::string& out) {
    bool first = true;
    (void)any_offered(fields, [&](std::string_view protocol) {
        if (!first) out += ", ";
        first = false;
        out += protocol;
        return false;
    });
}

bool accepts_upgrade(const request_head& request, const response_head& response) noexcept {
    if (!names_upgrade(response.fields) || response.fields.count(field_id::upgrade) != 1) return false;
    bool any = false;
    std::string_view switched;
    for (list_cursor c(response.fields.value(field_id::upgrade)); c.next(switched);) {
        any = true;
        const auto is_it = [switched](std::string_view offered) { return iequals(offered, switched); };
        if (!any_offered(request.fields, is_it)) return false;
    }
    return any;
}

} // namespace meshcache::http
