#include "structured_fields.hpp"
#include "support.hpp"
#include "support/catch.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace meshcache::http;
using structured::kind;

namespace {

/// The dictionary as `key:type=value;...`, or "malformed".
std::string read(std::string_view line) {
    structured::dictionary members;
    if (!structured::parse_dictionary(line, members)) return "malformed";
    std::string out;
    for (const structured::member& m : members) {
        out += m.key;
        switch (m.type) {
        case kind::boolean:
            out += m.truth ? ":true;" : ":false;";
            break;
        case kind::integer:
            out += ":" + std::to_string(m.number) + ";";
            break;
        case kind::decimal:
            out += ":decimal;";
            break;
        case kind::string:
            out.append(":\"").append(m.text).append("\";");
            break;
        case kind::token:
            out.append(":").append(m.text).append(";");
            break;
        case kind::bytes:
            out += ":bytes;";
            break;
        case kind::inner_list:
            out += ":list;";
            break;
        }
    }
    return out;
}

} // namespace

TEST_CASE("dictionaries of structured fields are read") {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"a", "a:true;"},
        {"a=?0, b=?1", "a:false;b:true;"},
        {"max-age=600", "max-age:600;"},
        {"  a=1  ", "a:1;"},
        {"a=1 ,\t b=2", "a:1;b:2;"},
        {"a=-1", "a:-1;"},
        {"a=-0", "a:0;"},
        {"a=007", "a:7;"},
        {"a=999999999999999", "a:999999999999999;"},
        {"a=1.5", "a:decimal;"},
        {"a=123456789012.123", "a:decimal;"},
        {"a=\"x, y\"", "a:\"x, y\";"},
        {"a=\"\\\"\\\\\"", "a:\"\\\"\\\\\";"},
        {"a=\"\"", "a:\"\";"},
        {"a=tok/en:x", "a:tok/en:x;"},
        {"a=*x", "a:*x;"},
        {"a=:aGk=:", "a:bytes;"},
        {"a=::", "a:bytes;"},
        {"a=()", "a:list;"},
        {"a=( 1 \"b\"  c;d )", "a:list;"},
        {"a=(1;x 2);y=?0", "a:list;"},
        {"a;x=1;y, b=2; z=\"q\"", "a:true;b:2;"},
        {"*a_b-c.d*9", "*a_b-c.d*9:true;"},
        {"a=1, b=2, a=3", "a:3;b:2;"},
        {"a=1, a", "a:true;"},
    };
    for (const auto& [line, expected] : rows) {
        INFO(line);
        CHECK(read(line) == expected);
    }
}

TEST_CASE("what RFC 8941 fails on is malformed") {
    const std::vector<std::string> rows = {
        "",
        " ",
        ",",
        "a,",
        "a,,b",
        "a, ",
        ",a",
        "A",
        "a=A B",
        "1",
        "-",
        "=1",
        "a=",
        "a= 1",
        "a =1",
        "a=,b",
        "a=1.",
        "a=.5",
        "a=1.2345",
        "a=1.2.3",
        "a=--1",
        "a=-",
        "a=+1",
        "a=1e3",
        "a=\"",
        "a=\"\\",
        "a=\"\\x\"",
        "a=\"\x01\"",
        "a=\"\x7f\"",
        "a=\"\xc3\xa9\"",
        "a=?2",
        "a=?",
        "a=?true",
        "a=:x",
        "a=:-:",
        "a=:a b:",
        "a=(",
        "a=(1",
        "a=(1,2)",
        "a=(1\t2)",
        "a=((1))",
        "a=(1)(2)",
        "a;",
        "a;=1",
        "a;X",
        "a;b=",
        "a;b=(1)",
        "a ;b",
        "a b",
        "a=1 b=2",
        "a=1;;b",
        "a=@1",
        "a=%\"x\"",
        "a=1000000000000000",
        "a=1234567890123.1",
        "a\tb",
        "\ta",
        "max-age=\"5",
        "a=x\xff",
    };
    for (const std::string& line : rows) {
        INFO(line);
        CHECK(read(line) == "malformed");
    }
}

TEST_CASE("any line either parses or does not, without reading beyond it") {
    test::random_source random;
    INFO("seed " << random.seed);
    for (int i = 0; i < 20000; ++i) {
        // On the heap with its exact size, so that the address sanitizer sees every step too far.
        const std::string line = random.text("ab=,;?01.-\"\\():* \t", 12);
        const std::vector<char> exact(line.begin(), line.end());
        structured::dictionary members;
        if (structured::parse_dictionary({exact.data(), exact.size()}, members))
            REQUIRE_FALSE(members.empty());
    }
}

TEST_CASE("a dictionary has a bounded number of keys") {
    std::string line;
    for (int i = 0; i < 256; ++i) line += "k" + std::to_string(i) + ", ";
    CHECK(read(line + "k0") != "malformed"); // one that comes again
    CHECK(read(line + "another") == "malformed");
}
