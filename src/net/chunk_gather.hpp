#pragma once
// Content as it is written: as it is, or in the chunked coding.
#include "io.hpp"

#include <meshcache/http/chunked.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace meshcache::net {

/// Room for the line that begins a chunk; must live until the gather list was written.
using chunk_line = char[20];

/// Appends `pieces` to `gather`, as one chunk where `chunked`, and the end of the coding where `last`, with
/// `trailers` (field lines, each with its CRLF), which must live as long.
/// Returns the bytes of content.
inline std::size_t append_content(std::vector<asio::const_buffer>& gather,
                                  std::span<const std::string_view> pieces, bool chunked, bool last,
                                  chunk_line& line, std::string_view trailers = {}) {
    std::size_t total = 0;
    for (const auto piece : pieces) total += piece.size();
    const bool framed = chunked && total > 0;
    if (framed) gather.emplace_back(line, http::write_chunk_size(line, total));
    for (const auto piece : pieces) gather.emplace_back(piece.data(), piece.size());
    if (framed) gather.emplace_back("\r\n", 2);
    if (chunked && last) {
        // `0` CRLF, the trailer section, CRLF
        constexpr std::size_t size_line = http::last_chunk.size() - 2;
        gather.emplace_back(http::last_chunk.data(), size_line);
        if (!trailers.empty()) gather.emplace_back(trailers.data(), trailers.size());
        gather.emplace_back(http::last_chunk.data() + size_line, 2);
    }
    return total;
}

} // namespace meshcache::net
