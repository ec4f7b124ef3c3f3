#include "text_layout.hpp"

#include <algorithm>
#include <utility>

namespace meshcache::app {

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
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= ' ' && byte != 0x7f) {
            out += c;
        } else {
            out += "\\x";
            out += hex[byte >> 4U];
            out += hex[byte & 15U];
        }
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
