// A chunked body decodes to the same content and the same end, however its bytes are split.
#include "fuzz.hpp"

#include <meshcache/http/chunked.hpp>

#include <algorithm>
#include <string>

using namespace meshcache;
using fuzz::must;
using http::chunk_decoder;

namespace {

struct outcome {
    chunk_decoder::state state = chunk_decoder::state::more;
    std::string content, trailers;
    std::size_t used = 0;
};

outcome decode(std::string_view input, std::size_t piece_size) {
    outcome out;
    chunk_decoder decoder;
    while (out.state == chunk_decoder::state::more && out.used < input.size()) {
        std::string_view piece = input.substr(out.used, piece_size);
        do {
            const chunk_decoder::step s = decoder.next(piece);
            must(s.consumed <= piece.size(), "no step uses more than there is");
            must(fuzz::within(s.content, piece), "content is within the piece");
            out.state = s.what;
            out.used += s.consumed;
            (s.what == chunk_decoder::state::trailers ? out.trailers : out.content) += s.content;
            piece.remove_prefix(s.consumed);
        } while (out.state == chunk_decoder::state::data || out.state == chunk_decoder::state::trailers);
        must(out.state != chunk_decoder::state::more || piece.empty(), "more means that all was used");
    }
    return out;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = fuzz::text(data, size);
    const outcome whole = decode(input, std::max<std::size_t>(size, 1));
    for (const std::size_t piece : {1, 2, 3, 7}) {
        const outcome split = decode(input, piece);
        must(split.state == whole.state, "the same end");
        must(split.content == whole.content, "the same content");
        must(split.trailers == whole.trailers, "the same trailers");
        must(split.used == whole.used, "the same length");
    }
    return 0;
}
