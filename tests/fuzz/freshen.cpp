// Whatever fields a 304 or the answer to HEAD has, the stored head that they update is one that can be read,
// with its status, its length and its coding as they were, within the limits, and without what is not to be
// stored.
#include "fuzz.hpp"

#include <meshcache/http/stored_head.hpp>
#include <meshcache/http/validation.hpp>

#include <string>

using namespace meshcache;
using namespace meshcache::http;
using fuzz::must;

namespace {

constexpr std::string_view stored_text =
    "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: \"a\"\r\n"
    "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Encoding: gzip\r\n"
    "Cache-Control: max-age=60\r\nContent-Length: 3\r\n";

void check(const response_head& stored, std::string_view text) {
    response_head updated;
    must(read_stored_head(text, updated), "an updated head is a stored head");
    must(updated.status == stored.status, "the status stays");
    for (const auto id : {field_id::content_length, field_id::content_encoding}) {
        must(updated.fields.count(id) == 1, "the content's description stays");
        must(updated.fields.value(id) == stored.fields.value(id), "as it was");
    }
    for (const auto id :
         {field_id::set_cookie, field_id::age, field_id::connection, field_id::transfer_encoding,
          field_id::keep_alive, field_id::trailer, field_id::upgrade})
        must(!updated.fields.has(id), "nothing of one connection or one client is stored");
    must(text.size() <= head_limits{}.max_bytes, "the head stays within its limits");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const wall_time now{seconds{1700000000}};
    response_head stored, answer;
    must(read_stored_head(stored_text, stored), "the stored head is sound");
    const auto asked = validating_conditions(stored, now);

    const std::string bytes =
        "HTTP/1.1 304 Not Modified\r\n" + std::string(fuzz::text(data, size)) + "\r\n\r\n";
    if (parse_response_head(bytes, {}, answer).state != parse_state::complete) return 0;
    const update_settings settings{now, {}, false};
    std::string out;
    if (freshen(stored, answer, asked, settings, out) == update_refusal::none) {
        check(stored, out);
        must(match_validators(stored, answer, now) != validator_match::mismatch,
             "another version updates nothing");
    }
    answer.status = 200;
    if (head_freshens(stored, answer, now) == head_effect::update) {
        out.clear();
        if (update_from_head(stored, answer, settings, out) == update_refusal::none) check(stored, out);
    }
    return 0;
}
