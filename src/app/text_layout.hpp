#pragma once
// How pages for people are laid out: --help of the program and of its commands, and what the commands print.
// Pure; any thread.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::app {

/// Width of the pages in characters.
inline constexpr std::size_t page_width = 100;

/// Breaks `text` at blanks into lines of at most `width` characters; a longer word has a line of its own.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// Appends one entry of a page: the term, and beside it the explanation in a column of its own.
void add_entry(std::string& out, std::size_t column, std::string_view term, std::string_view explanation);

/// `text` with every byte that a terminal would act on as `\xHH`: of control characters, U+0080 to U+009F
/// included, and of what is no UTF-8.
std::string visible(std::string_view text);

/// A table: the first row is the head, columns are padded to their longest cell. Each line ends with a line
/// end, and none with a blank.
std::string table(const std::vector<std::vector<std::string>>& rows);

} // namespace meshcache::app
