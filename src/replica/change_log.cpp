#include "change_log.hpp"

#include <meshcache/store/selector.hpp>

#include <charconv>
#include <system_error>

namespace meshcache::replica {
namespace {

/// All of `text` as a number, or nullopt.
std::optional<std::uint64_t> whole_number(std::string_view text, int base) noexcept {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
}

constexpr std::size_t size_bytes = 4; ///< of a key in a list of puts
constexpr std::size_t item_header = store::version::size + size_bytes;

/// False if `list` ends within an item; those before it are read all the same.
bool read_puts(std::string_view list, std::vector<change>& out) {
    while (!list.empty()) {
        if (list.size() < item_header) return false;
        const auto version = store::version::from_bytes(list.substr(0, store::version::size));
        std::size_t size = 0;
        for (const char c : list.substr(store::version::size, size_bytes))
            size = size << 8 | static_cast<unsigned char>(c);
        list.remove_prefix(item_header);
        if (!version || size > list.size()) return false;
        out.push_back({change_kind::put, list.substr(0, size), *version});
        list.remove_prefix(size);
    }
    return true;
}

} // namespace

std::string stream_id::to_string() const { return std::to_string(ms) + "-" + std::to_string(sequence); }

std::optional<stream_id> stream_id::parse(std::string_view text) noexcept {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto ms = whole_number(text.substr(0, dash), 10);
    const auto sequence = whole_number(text.substr(dash + 1), 10);
    if (!ms || !sequence) return std::nullopt;
    return stream_id{*ms, *sequence};
}

std::optional<log_entry> read_entry(std::span<const std::string_view> fields, std::size_t& skipped) {
    log_entry entry;
    bool signed_by = false;
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
        const std::string_view name = fields[i], value = fields[i + 1];
        if (name == "i") {
            const auto replica = value.size() == 16 ? whole_number(value, 16) : std::nullopt;
            if (!replica) return std::nullopt;
            entry.replica = *replica;
            signed_by = true;
            continue;
        }
        if (name == "s") {
            if (const auto number = whole_number(value, 10)) {
                entry.number = *number;
            } else {
                ++skipped;
            }
            continue;
        }
        if (name == "n") {
            entry.is_first = true;
            continue;
        }
        if (name == "r") {
            entry.roll_call = true;
            continue;
        }
        if (name == "p") {
            if (!read_puts(value, entry.changes)) ++skipped;
            continue;
        }
        const auto version = store::version::from_bytes(value);
        if (name.empty() || !version) {
            ++skipped;
        } else if (name.front() == 'l') {
            entry.changes.push_back({change_kind::lease_over, name.substr(1), *version});
        } else if (name.front() == 'm') {
            entry.changes.push_back({change_kind::lease_alone, name.substr(1), *version});
        } else if (const auto selector = store::selector::parse(name); !selector) {
            ++skipped;
        } else if (selector->is_group()) {
            entry.changes.push_back({change_kind::group_floor, name, *version});
        } else {
            entry.changes.push_back({change_kind::floor, name.substr(1), *version});
        }
    }
    if (!signed_by) return std::nullopt;
    return entry;
}

void append_put(std::string& list, std::string_view key, const store::version& version) {
    const auto bytes = version.bytes();
    list.append(bytes.data(), bytes.size());
    for (std::size_t shift = size_bytes; shift-- > 0;)
        list += static_cast<char>(static_cast<unsigned char>(key.size() >> (8 * shift)));
    list += key;
}

std::string replica_name(std::uint64_t replica) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out(16, '0');
    for (std::size_t i = 16; i-- > 0; replica >>= 4) out[i] = hex[replica & 15];
    return out;
}

} // namespace meshcache::replica
