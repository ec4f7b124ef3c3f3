#include <meshcache/store/vary.hpp>

#include <algorithm>

namespace meshcache::store {

response_ptr make_vary_note(const response_meta& variant, std::string_view primary_key, std::uint64_t hash,
                            std::string_view names, const stored_response* previous) {
    response_meta meta = variant;
    meta.kind = response_meta::kind_t::vary;
    meta.reached.set(reach::shared);
    version epoch = variant.version;
    if (previous != nullptr && is_vary_note(*previous) && vary_names(*previous) == names) {
        const version earlier = vary_epoch(*previous);
        if (earlier < epoch) epoch = earlier;
    }
    const auto bytes = epoch.bytes();
    const std::string_view content(bytes.data(), bytes.size());
    return stored_response::make(meta, primary_key, hash, names, std::span(&content, 1));
}

version oldest_admitted(const stored_response& r) noexcept {
    return is_vary_note(r) ? std::min(vary_epoch(r), r.meta().version) : r.meta().version;
}

version vary_epoch(const stored_response& note) noexcept {
    return version::from_bytes(note.content()).value_or(note.meta().version);
}

} // namespace meshcache::store
