#include "text_layout.hpp"

#include <algorithm>
#include <utility>

namespace meshcache::app {
namespace {

/// Bytes of the character with which `text` begins (not empty); 0 if no terminal should get it: it is a
/// control character, of C1 as well, or no sound UTF-8 (RFC 3629, section 4).
std::size_t shown_size(std::string_view text) noexcept {
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    if (first < 0x80) return first >= ' ' && first != 0x7f ? 1 : 0;
    const std::size_t size = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (size == 0 || text.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xc0U) != 0x80) return 0;
    const unsigned second = byte(1);
    const bool control = first == 0xc2 && second < 0xa0;
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool beyond = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
    return control || overlong || beyond ? 0 : size;
}

} // namespace

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
    std::vector<std::string> out;
    std::string line;
    while (!text.empty()) {
        const auto blank = std::min(text.find(' '), text.size());
        const auto word = text.substr(0, blank);
        if (!line.empty() && line.size() + 1 + word.size() > width) {
            out.push_back(std::move(line));
            line.clear();
        }
        if (!line.empty()) line += ' ';
        line += word;
        text.remove_prefix(std::min(blank + 1, text.size()));
    }
    if (!line.empty()) out.push_back(std::move(line));
    return out;
}

void add_entry(std::string& out, std::size_t column, std::string_view term, std::string_view explanation) {
    std::string line = "  " + std::string(term);
    for (const auto& piece : wrap(explanation, page_width - column)) {
        line.resize(std::max(column, line.size()), ' ');
        out += line + piece + '\n';
        line.clear();
    }
}

std::string visible(std::string_view text) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out;
    while (!text.empty()) {
        const std::size_t size = shown_size(text);
        if (size > 0) {
            out += text.substr(0, size);
        } else {
            const auto byte = static_cast<unsigned char>(text.front());
            out += "\\x";
            out += hex[byte >> 4U];
            out += hex[byte & 15U];
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            std::string cell = row[i];
            cell.resize(widths[i] + 2, ' ');
            line += cell;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + '\n';
    }
    return out;
}

} // namespace meshcache::app
