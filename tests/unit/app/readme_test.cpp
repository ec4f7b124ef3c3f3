// The documents beside the source: what they copy from the program must be what the program says.
#include "options_help.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/source_dir.hpp"

#include <meshcache/base/metrics.hpp>
#include <meshcache/http/storability.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace meshcache;
using meshcache::test::read_whole_file;

namespace {

std::filesystem::path source_folder() { return meshcache::test::source_dir(); }

/// README.md, CHANGELOG.md and everything in docs/.
std::vector<std::filesystem::path> documents() {
    std::vector<std::filesystem::path> out{source_folder() / "README.md", source_folder() / "CHANGELOG.md"};
    for (const auto& entry : std::filesystem::recursive_directory_iterator(source_folder() / "docs"))
        if (entry.path().extension() == ".md") out.push_back(entry.path());
    return out;
}

/// How GitHub names a heading: lower case, blanks as dashes, and of the rest letters, digits, '-' and '_'.
std::string anchor_of(std::string_view heading) {
    std::string out;
    for (const char c : heading) {
        const bool upper = c >= 'A' && c <= 'Z';
        const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (upper)
            out += static_cast<char>(c - 'A' + 'a');
        else if (kept)
            out += c;
        else if (c == ' ')
            out += '-';
    }
    return out;
}

std::set<std::string> anchors_in(const std::filesystem::path& document) {
    std::set<std::string> out;
    const std::string text = read_whole_file(document);
    for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = std::min(text.find('\n', start), text.size());
        const std::string_view line(text.data() + start, end - start);
        const std::size_t level = std::min(line.find_first_not_of('#'), line.size());
        if (level > 0 && level < line.size() && line[level] == ' ')
            out.insert(anchor_of(line.substr(level + 1)));
        start = end + 1;
    }
    return out;
}

/// The targets of all links, `](target)`.
std::vector<std::string> links_in(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 2)) {
        const std::size_t end = text.find(')', at);
        if (end != std::string::npos) out.push_back(text.substr(at + 2, end - at - 2));
    }
    return out;
}

/// All words that begin with `prefix`, as far as they have the characters of a metric's name.
std::set<std::string> names_in(const std::string& text, std::string_view prefix) {
    std::set<std::string> out;
    for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
        const std::size_t end =
            std::min(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at), text.size());
        out.insert(text.substr(at, end - at));
    }
    return out;
}

} // namespace

TEST_CASE("the README has the tables of settings that the program has") {
    const std::string readme = read_whole_file(source_folder() / "README.md");
    INFO("paste tests/unit/app/golden/settings.md into README.md");
    CHECK(readme.find(app::settings_markdown()) != std::string::npos);
}

TEST_CASE("the README explains every word that Cache-Status has as detail") {
    std::set<std::string> words;
    for (int i = 1; http::describe(static_cast<http::store_refusal>(i)) != "unknown"; ++i)
        if (const auto refusal = static_cast<http::store_refusal>(i); refusal != http::store_refusal::method)
            words.emplace(http::describe(refusal));
    for (const auto& entry : std::filesystem::recursive_directory_iterator(source_folder() / "src")) {
        if (entry.path().extension() != ".cpp") continue;
        const std::string text = read_whole_file(entry.path());
        const std::string_view before = "detail = ";
        for (std::size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
            const std::string statement = text.substr(at, text.find(';', at) - at);
            for (std::size_t open = statement.find('"'); open != std::string::npos;) {
                const std::size_t close = statement.find('"', open + 1);
                if (close == std::string::npos) break;
                words.insert(statement.substr(open + 1, close - open - 1));
                open = statement.find('"', close + 1);
            }
        }
    }
    CHECK(words.contains("too-large"));
    CHECK(words.contains("only-if-cached"));
    const std::string readme = read_whole_file(source_folder() / "README.md");
    for (const std::string& word : words) {
        INFO(word);
        const bool alone = readme.find('`' + word + '`') != std::string::npos;
        CHECK((alone || readme.find("detail=" + word + '`') != std::string::npos));
    }
}

TEST_CASE("every link in the documents leads to a file, and to a heading in it") {
    for (const auto& document : documents()) {
        INFO(document.lexically_normal().string());
        for (const std::string& link : links_in(read_whole_file(document))) {
            INFO(link);
            if (link.starts_with("http://") || link.starts_with("https://")) continue;
            const std::size_t mark = std::min(link.find('#'), link.size());
            const auto file = mark == 0 ? document : document.parent_path() / link.substr(0, mark);
            CHECK(std::filesystem::exists(file));
            if (mark < link.size() && std::filesystem::is_regular_file(file))
                CHECK(anchors_in(file).contains(link.substr(mark + 1)));
        }
    }
}

TEST_CASE("every counter that the documents name is one of the program") {
    std::set<std::string> counters;
    for (std::size_t i = 0; i < counter_count; ++i) counters.emplace(describe(static_cast<counter>(i)).name);
    for (const auto& document : documents()) {
        INFO(document.lexically_normal().string());
        for (const std::string& name : names_in(read_whole_file(document), "meshcache_")) {
            INFO(name);
            if (name.ends_with("_total")) CHECK(counters.contains(name));
        }
    }
}
