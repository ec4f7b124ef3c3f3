// A1 to A4: where a request ends must be readable in one way only.
#include "support/attack.hpp"
#include "support/catch.hpp"

using namespace meshcache::test;
using namespace std::string_literals;

namespace {

const std::string after(smuggled);
const std::string no_chunks = "0\r\n\r\n";

/// A body of five bytes, or none, with what a parser that reads the length otherwise takes for a request.
refused_attack length(const std::string& name, const std::string& line) {
    return {name, post(line, "hello" + after)};
}
refused_attack coding(const std::string& name, const std::string& lines) {
    return {name, post(lines, no_chunks + after)};
}

} // namespace

TEST_CASE("A1 Content-Length beside Transfer-Encoding is refused") {
    attack_stage stage;
    const std::string inner = "0\r\n\r\n" + after;
    const std::string size = std::to_string(inner.size());
    stage.check_all<refused_attack>({
        {"A1 CL.TE", post("Content-Length: " + size + "\r\nTransfer-Encoding: chunked\r\n", inner)},
        {"A1 TE.CL",
         post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n" + after + "\r\n0\r\n\r\n")},
        {"A1 CL 0 and TE", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", inner)},
        {"A1 TE and CL 0", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", inner)},
        {"A1 CL and TE, other fields between",
         post("Content-Length: 5\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n", inner)},
        {"A1 CL and TE: identity",
         post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", "hello" + after)},
        {"A1 CL and an empty TE", post("Content-Length: 5\r\nTransfer-Encoding:\r\n", "hello" + after)},
        {"A1 CL and TE, embedded HEAD", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                             "0\r\n\r\nHEAD $S HTTP/1.1\r\nHost: shop.example\r\n\r\n")},
        {"A1 CL and TE on GET", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + inner},
        {"A1 CL and TE on HEAD",
         "HEAD $T HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n"
         "Transfer-Encoding: chunked\r\n\r\n" +
             inner,
         400},
        {"A1 CL and TE, case of names", post("content-length: 5\r\ntRANSFER-eNCODING: chunked\r\n", inner)},
        {"A1 CL and TE in HTTP/1.0", "POST $T HTTP/1.0\r\nHost: shop.example\r\nContent-Length: 5\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n" +
                                         inner},
    });
}

TEST_CASE("A2 more than one Content-Length is refused") {
    attack_stage stage;
    stage.check_all<refused_attack>({
        length("A2 two different lines", "Content-Length: 5\r\nContent-Length: 0\r\n"),
        length("A2 two different lines, the shorter first", "Content-Length: 0\r\nContent-Length: 5\r\n"),
        length("A2 two equal lines", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        length("A2 two lines apart", "Content-Length: 5\r\nX-A: b\r\nContent-Length: 6\r\n"),
        length("A2 two lines, other case", "Content-Length: 5\r\ncontent-length: 5\r\n"),
        length("A2 three lines", "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 0\r\n"),
        length("A2 list, different", "Content-Length: 5, 0\r\n"),
        length("A2 list, equal", "Content-Length: 5, 5\r\n"),
        length("A2 list without blank", "Content-Length: 5,5\r\n"),
        length("A2 leading comma", "Content-Length: ,5\r\n"),
        length("A2 trailing comma", "Content-Length: 5,\r\n"),
        length("A2 comma alone", "Content-Length: ,\r\n"),
        length("A2 semicolon", "Content-Length: 5;0\r\n"),
        length("A2 one empty, one not", "Content-Length:\r\nContent-Length: 5\r\n"),
    });
}

TEST_CASE("A3 a Content-Length that is not plain digits is refused") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const char* value : {"",
                              "+5",
                              "-5",
                              "-0",
                              "+0",
                              "0x5",
                              "0X5",
                              "05",
                              "005",
                              "00",
                              "0b101",
                              "0o5",
                              "5_0",
                              "1_0",
                              "5 0",
                              "5 5",
                              "5a",
                              "a5",
                              "5.0",
                              "5e0",
                              "5h",
                              "\"5\"",
                              "'5'",
                              "five",
                              "5\t5",
                              "#5",
                              "$5",
                              "5;a=b",
                              "5/5",
                              "(5)5",
                              "=5",
                              "5=",
                              "%35",
                              "\xb2",
                              "\xef\xbc\x95",
                              "NaN",
                              "18446744073709551621",
                              "18446744073709551616",
                              "9223372036854775808",
                              "4294967301 ",
                              "99999999999999999999999999999999999999",
                              "1e1",
                              "Infinity"}) {
        std::string shown;
        for (const char c : std::string(value)) shown += c > 0x20 && c < 0x7f ? c : '?';
        // 4294967301 is 5 for those who keep 32 bits; it is a length all the same, and more than came.
        if (shown.starts_with("4294967301")) continue;
        rows.push_back(
            length("A3 Content-Length: " + shown, "Content-Length: " + std::string(value) + "\r\n"));
    }
    rows.push_back(length("A3 NUL behind", "Content-Length: 5\0\r\n"s));
    rows.push_back(length("A3 NUL before", "Content-Length: \0"
                                           "5\r\n"s));
    rows.push_back(length("A3 VT before", "Content-Length: \v5\r\n"));
    rows.push_back(length("A3 FF behind", "Content-Length: 5\f\r\n"));
    rows.push_back(length("A3 NBSP before", "Content-Length: \xa0"
                                            "5\r\n"));
    rows.push_back(length("A3 folded", "Content-Length:\r\n 5\r\n"));
    rows.push_back(length("A3 folded behind", "Content-Length: 5\r\n 5\r\n"));
    rows.push_back(length("A3 bare CR before", "Content-Length: \r5\r\n"));
    rows.push_back(length("A3 bare CR behind", "Content-Length: 5\r\r\n"));
    rows.push_back(length("A3 bare LF behind", "Content-Length: 5\n\r\n"));
    rows.push_back(length("A3 blank before the colon", "Content-Length : 5\r\n"));
    rows.push_back(length("A3 tab before the colon", "Content-Length\t: 5\r\n"));
    rows.push_back(length("A3 NUL before the colon", "Content-Length\0: 5\r\n"s));
    rows.push_back(length("A3 blank before the name", "X: y\r\n Content-Length: 5\r\n"));
    rows.push_back(length("A3 underscore", "Content_Length: 5\r\n"));
    rows.push_back(length("A3 underscore beside the real one", "Content-Length: 5\r\nContent_Length: 0\r\n"));
    rows.push_back(length("A3 underscore, upper case", "CONTENT_LENGTH: 5\r\n"));
    rows.push_back(length("A3 no colon", "Content-Length 5\r\n"));
    rows.push_back(length("A3 equals for the colon", "Content-Length= 5\r\n"));
    stage.check_all(rows);
}

TEST_CASE("A3 plain lengths are read as they are") {
    attack_stage stage;
    stage.check_all<accepted_attack>({
        {"A3 five", post("Content-Length: 5\r\n", "hello"), {"POST $T hello"}},
        {"A3 zero", post("Content-Length: 0\r\n"), {"POST $T "}},
        {"A3 zero, and a request behind", post("Content-Length: 0\r\n", after), {"POST $T ", "GET $S "}},
        {"A3 five, and a request behind",
         post("Content-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"A3 blanks around", post("Content-Length: \t 5 \t\r\n", "hello"), {"POST $T hello"}},
        {"A3 no blank", post("Content-Length:5\r\n", "hello"), {"POST $T hello"}},
        {"A3 case of the name", post("cOnTeNt-LeNgTh: 5\r\n", "hello"), {"POST $T hello"}},
        {"A3 none", post("", after), {"POST $T ", "GET $S "}},
    });
}

TEST_CASE("A4 a Transfer-Encoding that is not one single chunked is refused") {
    attack_stage stage;
    std::vector<refused_attack> rows;
    for (const char* value : {"",
                              "xchunked",
                              "chunkedx",
                              "x chunked",
                              "chunked x",
                              "identity",
                              "gzip",
                              "deflate",
                              "compress",
                              "chunked, identity",
                              "identity, chunked",
                              "gzip, chunked",
                              "chunked, gzip",
                              "chunked, chunked",
                              "chunked,chunked",
                              ", chunked",
                              ",chunked",
                              "chunked,",
                              "chunked, ",
                              ",",
                              "chunked, cow",
                              "cow, chunked",
                              "cow",
                              "chunked;q=1",
                              "chunked;",
                              "chunked; a=b",
                              ";chunked",
                              "\"chunked\"",
                              "'chunked'",
                              "(chunked)",
                              "chunked (x)",
                              "chunk",
                              "chunked\\",
                              "chun\tked",
                              "chu-nked",
                              "[chunked]",
                              "{chunked",
                              "=chunked",
                              ":chunked",
                              "chunked:",
                              "%63hunked",
                              "trailers",
                              "chunked/1",
                              "chunke\xc7\x84",
                              "\xa0"
                              "chunked",
                              "\xef\xbb\xbf"
                              "chunked",
                              "ch\xc3\xbcnked",
                              "\xe2\x84\xaa",
                              "none",
                              "null",
                              "off",
                              "0"}) {
        std::string shown;
        for (const char c : std::string(value)) shown += c >= 0x20 && c < 0x7f ? c : '?';
        rows.push_back(
            coding("A4 Transfer-Encoding: " + shown, "Transfer-Encoding: " + std::string(value) + "\r\n"));
    }
    for (const auto& [name, lines] : std::vector<std::pair<std::string, std::string>>{
             {"two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
             {"chunked, then identity in lines",
              "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"},
             {"identity, then chunked in lines",
              "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"},
             {"chunked, then cow in lines", "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n"},
             {"an empty line first", "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n"},
             {"VT before", "Transfer-Encoding: \vchunked\r\n"},
             {"FF before", "Transfer-Encoding: \fchunked\r\n"},
             {"VT behind", "Transfer-Encoding: chunked\v\r\n"},
             {"FF behind", "Transfer-Encoding: chunked\f\r\n"},
             {"NUL behind", "Transfer-Encoding: chunked\0\r\n"s},
             {"NUL before", "Transfer-Encoding: \0chunked\r\n"s},
             {"DEL behind", "Transfer-Encoding: chunked\x7f\r\n"},
             {"folded", "Transfer-Encoding:\r\n chunked\r\n"},
             {"folded by tab", "Transfer-Encoding:\r\n\tchunked\r\n"},
             {"folded behind", "Transfer-Encoding: chunked\r\n ,identity\r\n"},
             {"folded list", "Transfer-Encoding: identity\r\n , chunked\r\n"},
             {"blank before the colon", "Transfer-Encoding : chunked\r\n"},
             {"tab before the colon", "Transfer-Encoding\t: chunked\r\n"},
             {"NUL before the colon", "Transfer-Encoding\0: chunked\r\n"s},
             {"VT before the colon", "Transfer-Encoding\v: chunked\r\n"},
             {"blank before the name", "X: y\r\n Transfer-Encoding: chunked\r\n"},
             {"hidden by a bare LF", "X: y\nTransfer-Encoding: chunked\r\n"},
             {"hidden by a bare CR", "X: y\rTransfer-Encoding: chunked\r\n"},
             {"bare LF behind", "Transfer-Encoding: chunked\n"},
             {"bare CR before", "Transfer-Encoding: \rchunked\r\n"},
             {"underscore", "Transfer_Encoding: chunked\r\n"},
             {"underscore beside the real one",
              "Transfer-Encoding: chunked\r\nTransfer_Encoding: chunked\r\n"},
             {"underscore, upper case", "TRANSFER_ENCODING: chunked\r\n"},
             {"quotes around the name", "\"Transfer-Encoding\": chunked\r\n"},
             {"blank inside the name", "Transfer Encoding: chunked\r\n"},
             {"no colon", "Transfer-Encoding chunked\r\n"},
             {"two colons", "Transfer-Encoding:: chunked\r\n"},
         }) {
        rows.push_back(coding("A4 " + name, lines));
    }
    rows.push_back(
        {"A4 chunked in HTTP/1.0", "POST $T HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n" +
                                       no_chunks + after});
    rows.push_back({"A4 identity in HTTP/1.0", "POST $T HTTP/1.0\r\nHost: shop.example\r\n"
                                               "Transfer-Encoding: identity\r\n\r\n" +
                                                   after});
    stage.check_all(rows);
}

TEST_CASE("A4 chunked in any case is chunked, and other names are no Transfer-Encoding") {
    attack_stage stage;
    const std::string five = "5\r\nhello\r\n0\r\n\r\n";
    stage.check_all<accepted_attack>({
        {"A4 chunked", post("Transfer-Encoding: chunked\r\n", five + after), {"POST $T hello", "GET $S "}},
        {"A4 upper case", post("Transfer-Encoding: CHUNKED\r\n", five + after), {"POST $T hello", "GET $S "}},
        {"A4 mixed case", post("tRaNsFeR-eNcOdInG: ChUnKeD\r\n", five + after), {"POST $T hello", "GET $S "}},
        {"A4 blanks around",
         post("Transfer-Encoding: \t chunked \t\r\n", five + after),
         {"POST $T hello", "GET $S "}},
        {"A4 no blank", post("Transfer-Encoding:chunked\r\n", five + after), {"POST $T hello", "GET $S "}},
        {"A4 X-Transfer-Encoding", post("X-Transfer-Encoding: chunked\r\n", after), {"POST $T ", "GET $S "}},
        {"A4 Content-Encoding",
         post("Content-Encoding: chunked\r\nContent-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "}},
        {"A4 TE is no Transfer-Encoding",
         post("TE: chunked\r\nConnection: TE\r\nContent-Length: 5\r\n", "hello" + after),
         {"POST $T hello", "GET $S "},
         false,
         "TE: chunked"},
    });
}
