// Whatever Location says, what it resolves to is a path that a request could have, without dot segments where
// the reference had a path, and resolving that again changes nothing.
#include "fuzz.hpp"

#include <meshcache/http/uri_reference.hpp>

#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

namespace {

bool has_dot_segment(std::string_view path_query) {
    const std::string path = std::string(path_query.substr(0, path_query.find('?'))) + "/";
    return path.find("/./") != std::string::npos || path.find("/../") != std::string::npos;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::text(data, size);
    for (const char* path : {"/", "/a/b?c", "/a/b/"}) {
        const request_uri base{"http", "a.example:8080", path};
        std::string once, twice;
        if (!resolve_same_origin(base, input, once)) continue;
        must(!once.empty() && once.front() == '/', "it is a path");
        for (const char c : once) must(c > ' ' && c < '\x7f' && c != '#', "it can stand in a request target");
        must(!has_dot_segment(once), "dot segments are gone");
        if (once.starts_with("//")) continue; // as a reference that is an authority
        must(resolve_same_origin(base, once, twice), "it resolves again");
        must(once == twice, "and to itself");
    }
    return 0;
}
