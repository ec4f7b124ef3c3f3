#include <meshcache/flow/fill_end.hpp>
#include <meshcache/store/vary.hpp>

#include <charconv>
#include <string>

namespace meshcache::flow {
namespace {

bool insert(store::cache& cache, const store::response_ptr& response, metrics_slab& counters) {
    const auto outcome = cache.insert(response, response->meta().version);
    count_insert(outcome, counters);
    return outcome.took();
}

} // namespace

void count_insert(const store::insert_outcome& outcome, metrics_slab& counters) noexcept {
    switch (outcome.what) {
    case store::insert_result::stored:
        counters.add(counter::stored);
        break;
    case store::insert_result::replaced:
        counters.add(counter::stored);
        counters.add(counter::removed_replaced);
        break;
    case store::insert_result::older:
        counters.add(counter::store_refused_older);
        break;
    case store::insert_result::invalidated:
        counters.add(counter::store_refused_invalidated);
        break;
    case store::insert_result::too_large:
        counters.add(counter::store_refused_large);
        break;
    }
    counters.add(counter::removed_evicted, outcome.evicted);
    if (outcome.displaced) counters.add(counter::removed_variants);
}

filled finish_fill(store::fill& f, const store::streamed_head& head,
                   std::span<const std::string_view> content, store::cache& cache, store::collapse& collapse,
                   metrics_slab& counters, const publish_function& publish, publishing when) {
    std::size_t size = 0;
    for (const auto piece : content) size += piece.size();
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, size).ptr;
    std::string text;
    text.reserve(head.text.size() + 40);
    text.append(head.text);
    // A 204 must not have it (RFC 9110, section 8.6).
    if (head.meta.status != 204) text.append("Content-Length: ").append(digits, end).append("\r\n");

    const bool varies = !head.vary_names.empty();
    const auto where = f.key().bytes == head.key ? f.key() : cache.view(head.key);
    auto response = store::stored_response::make(head.meta, where.bytes, where.hash, text, content);

    filled out;
    out.answer = response;
    const bool first = publish && when == publishing::first;
    if (first) publish(response);
    if (insert(cache, response, counters)) {
        out.response = response;
        if (publish && !first) publish(response);
        if (varies) {
            const auto primary = cache.view(head.primary_key);
            const auto previous = cache.peek(primary);
            auto note = store::make_vary_note(head.meta, primary.bytes, primary.hash, head.vary_names,
                                              previous.get());
            if (insert(cache, note, counters)) {
                out.note = std::move(note);
                if (publish) publish(out.note);
            }
        }
    }
    collapse.leave(f);
    f.complete(std::move(response));
    return out;
}

} // namespace meshcache::flow
