#pragma once
// Names of the keys in Redis. All keys of a partition share the hash tag `{NS:P}`, so that a script may use
// them together on a Redis Cluster. Pure; any thread.
#include <string>
#include <string_view>

namespace meshcache::replica {

/// A cache key up to this many bytes stands in the clear in the name of its record; a longer one as SHA-256.
inline constexpr std::size_t max_clear_key = 256;

class key_names {
  public:
    explicit key_names(std::string_view name_space, unsigned partition = 0);

    /// `mc:{NS:P}:r:KEY`. Two cache keys may share a name only if SHA-256 collides; the record holds the full
    /// key.
    std::string record(std::string_view key) const;
    /// `mc:{NS:P}:l:KEY`: who fetches that key for all replicas.
    std::string lease(std::string_view key) const;
    /// The change log, a stream.
    const std::string& log() const noexcept { return log_; }
    /// The floors of keys, a sorted set.
    const std::string& floors() const noexcept { return floors_; }
    /// The floors of groups, a sorted set.
    const std::string& groups() const noexcept { return groups_; }
    /// The lengths of the prefixes among them, a sorted set.
    const std::string& lengths() const noexcept { return lengths_; }
    /// How many entries the change log has had, a number.
    const std::string& entries() const noexcept { return entries_; }
    /// The list of replicas, a hash.
    const std::string& replicas() const noexcept { return replicas_; }

  private:
    static std::string name(const std::string& prefix, std::string_view key);

    std::string record_prefix_, lease_prefix_, log_, floors_, groups_, lengths_, entries_, replicas_;
};

/// SHA-256 in lower-case hexadecimal.
std::string sha256_hex(std::string_view bytes);
/// SHA-1 in lower-case hexadecimal: how Redis names a script.
std::string sha1_hex(std::string_view bytes);

} // namespace meshcache::replica
