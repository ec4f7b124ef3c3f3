#pragma once
// The change log as values: ids of stream entries, and what an entry says. The format is in
// docs/record-format.md. Pure; any thread.
#include <meshcache/store/version.hpp>

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::replica {

/// The id of an entry of a Redis stream: `<ms>-<sequence>`.
struct stream_id {
    std::uint64_t ms = 0;
    std::uint64_t sequence = 0;

    std::string to_string() const;
    /// nullopt unless `text` is exactly that form.
    static std::optional<stream_id> parse(std::string_view text) noexcept;
    /// Before every entry.
    bool is_start() const noexcept { return ms == 0 && sequence == 0; }
    friend constexpr auto operator<=>(const stream_id&, const stream_id&) = default;
};

enum class change_kind : std::uint8_t {
    put,         ///< Redis holds `version` of `key` now
    floor,       ///< nothing of `key` below `version` is valid
    group_floor, ///< nothing that the selector named `key` covers is valid below `version`, or fresh
    lease_over,  ///< whoever waits for `key` to be fetched may ask again; `version` is the lease's token
    lease_alone, ///< the same, and is to fetch for himself
};

/// One change. `key` is a view into the entry that was read.
struct change {
    change_kind kind = change_kind::put;
    std::string_view key;
    store::version version;
};

struct log_entry {
    std::uint64_t replica = 0; ///< who wrote it
    std::uint64_t number = 0;  ///< of the entry before, and 1; 0 where it has none
    bool is_first = false;     ///< of its log: whoever has followed another one has lost that
    std::vector<change> changes;
    bool roll_call = false; ///< every replica is to say at once how far it has come
};

/// Appends a record to the value of the field `p`: what a batch of puts tells the others.
void append_put(std::string& list, std::string_view key, const store::version& version);

/// Reads the fields of an entry, names and values in turn. Fields that are unknown or malformed are skipped
/// and counted in `skipped`; an entry that does not say who wrote it yields nullopt.
std::optional<log_entry> read_entry(std::span<const std::string_view> fields, std::size_t& skipped);

/// 16 lower-case hexadecimal digits: a replica's id as the log has it.
std::string replica_name(std::uint64_t replica);

} // namespace meshcache::replica
