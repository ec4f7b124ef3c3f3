// A11: lines, names and values that parsers do not agree on.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;
using namespace std::string_literals;

namespace {

const std::string after(smuggled);

std::string hex(unsigned c) {
    const char* digits = "0123456789abcdef";
    return std::string("0x") + digits[c >> 4] + digits[c & 15];
}

} // namespace

TEST_CASE("A11 line ends that are not CRLF, and lines that are no field lines, are refused") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const auto& [name, lines] : std::vector<std::pair<std::string, std::string>>{
             {"bare LF between fields", "X-A: b\nX-C: d\r\n"},
             {"bare LF at the end of a value", "X-A: b\n\r\n"},
             {"bare LF as the empty line", "X-A: b\r\n\n"},
             {"LF LF", "X-A: b\n\n"},
             {"bare CR between fields", "X-A: b\rX-C: d\r\n"},
             {"bare CR at the end of a value", "X-A: b\r\r\n"},
             {"bare CR at the start of a value", "X-A:\rb\r\n"},
             {"bare CR in a name", "X-\rA: b\r\n"},
             {"bare CR before a name", "\rX-A: b\r\n"},
             {"bare LF before a name", "\nX-A: b\r\n"},
             {"LF CR", "X-A: b\n\rX-C: d\r\n"},
             {"CR as the empty line", "X-A: b\r\n\r"},
             {"folded by a blank", "X-A: b\r\n c\r\n"},
             {"folded by a tab", "X-A: b\r\n\tc\r\n"},
             {"folded to nothing", "X-A: b\r\n \r\n"},
             {"folded before the value", "X-A:\r\n b\r\n"},
             {"folded field name", "X-A\r\n : b\r\n"},
             {"blank before a name", "X-A: b\r\n Host: evil.example\r\n"},
             {"blank before the colon", "X-A : b\r\n"},
             {"tab before the colon", "X-A\t: b\r\n"},
             {"two blanks before the colon", "X-A  : b\r\n"},
             {"empty name", ": b\r\n"},
             {"blank as a name", " : b\r\n"},
             {"no colon", "X-A b\r\n"},
             {"no colon, a word", "junk\r\n"},
             {"a request line as a field", "GET /x HTTP/1.1\r\n"},
             {"blank in a name", "X A: b\r\n"},
             {"quotes in a name", "\"X-A\": b\r\n"},
             {"UTF-8 in a name", "X-\xc3\xa4: b\r\n"},
             {"obs-text in a name", "X-\xff: b\r\n"},
             {"soft hyphen in a name", "Content\xc2\xadLength: 5\r\n"},
             {"Content-Length by underscore", "Content_Length: 5\r\n"},
             {"Transfer-Encoding by underscore", "Transfer_Encoding: chunked\r\n"},
         }) {
        rows.push_back({"A11 " + name, get(lines) + after});
    }
    rows.push_back(
        {"A11 blank before the first field", "GET $T HTTP/1.1\r\n Host: shop.example\r\n\r\n" + after});
    rows.push_back(
        {"A11 tab before the first field", "GET $T HTTP/1.1\r\n\tHost: shop.example\r\n\r\n" + after});
    rows.push_back({"A11 blank line before the first field that is blank",
                    "GET $T HTTP/1.1\r\n \r\nHost: shop.example\r\n\r\n" + after});
    rows.push_back(
        {"A11 bare LF behind the request line", "GET $T HTTP/1.1\nHost: shop.example\r\n\r\n" + after});
    rows.push_back(
        {"A11 bare CR behind the request line", "GET $T HTTP/1.1\rHost: shop.example\r\n\r\n" + after});
    rows.push_back(
        {"A11 CR CR LF behind the request line", "GET $T HTTP/1.1\r\r\nHost: shop.example\r\n\r\n" + after});
    rows.push_back({"A11 LF alone throughout", "GET $T HTTP/1.1\nHost: shop.example\n\n" + after});
    rows.push_back({"A11 CR alone throughout", "GET $T HTTP/1.1\rHost: shop.example\r\r" + after});
    stage.check_all(rows);
}

TEST_CASE("A11 every byte that is no token in a name, and every control byte in a value, is refused") {
    attack_stage stage;
    const std::string tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    std::vector<refused_attack> refused;
    std::vector<accepted_attack> accepted;
    for (unsigned c = 0; c < 256; ++c) {
        const std::string byte(1, static_cast<char>(c));
        const bool token = tchar.find(byte) != std::string::npos;
        if (!token && byte != ":")
            refused.push_back({"A11 name with " + hex(c), get("X-A" + byte + "B: c\r\n") + after});
        const bool value = c == '\t' || (c >= 0x20 && c != 0x7f);
        if (!value) refused.push_back({"A11 value with " + hex(c), get("X-A: b" + byte + "c\r\n") + after});
        // A $ would begin the name of a target.
        if (token && byte != "$" && (c < '0' || c > '9') && (c < 'A' || (c > 'Z' && c < 'a') || c > 'z'))
            accepted.push_back(
                {"A11 name with " + hex(c), get("X-A" + byte + "B: c\r\n") + after, {"GET $T ", "GET $S "}});
        if (value && c >= 0x80 && c % 16 == 0)
            accepted.push_back(
                {"A11 value with " + hex(c), get("X-A: b" + byte + "c\r\n") + after, {"GET $T ", "GET $S "}});
    }
    stage.check_all(refused);
    stage.check_all(accepted);
}

TEST_CASE("A11 what looks like fields of the proxy's own is not forwarded") {
    attack_stage stage;
    std::vector<accepted_attack> rows;
    for (const std::string line :
         {"X_Forwarded_For: 6.6.6.6", "X_FORWARDED_HOST: evil.example", "X_Real_IP: 6.6.6.6",
          "X_Original_URL: /admin", "X_HTTP_Method_Override: DELETE", "X_Rewrite_URL: /admin",
          "Proxy_Authorization: x", "X-Forwarded_For: 6.6.6.6", "Transfer-Encodin: chunked",
          "Keep_Alive: 5"}) {
        const bool passes = line.starts_with("Transfer-Encodin:");
        rows.push_back(
            {"A11 " + line, get(line + "\r\n") + after, {"GET $T ", "GET $S "}, false, passes ? "" : line});
    }
    stage.check_all(rows);
}
