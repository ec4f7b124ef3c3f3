// A dictionary that parses has unique keys and views into its line, and parses the same with blanks around
// it.
#include "fuzz.hpp"
#include "http/structured_fields.hpp"

#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line = fuzz::text(data, size);
    structured::dictionary members;
    const bool parsed = structured::parse_dictionary(line, members);
    const std::string padded = "  " + std::string(line) + "  ";
    structured::dictionary again;
    must(structured::parse_dictionary(padded, again) == parsed, "blanks around a line mean nothing");
    if (!parsed) return 0;
    must(!members.empty(), "a dictionary that parses has a member");
    must(again.size() == members.size(), "the same members");
    for (std::size_t i = 0; i < members.size(); ++i) {
        must(fuzz::within(members[i].key, line) && fuzz::within(members[i].text, line),
             "views are within the line");
        must(members[i].key == again[i].key && members[i].type == again[i].type, "the same members");
        for (std::size_t j = 0; j < i; ++j) must(members[i].key != members[j].key, "keys are unique");
    }
    return 0;
}
