#pragma once
// The one table of settings: names, help, how each is read from text and written back. Flags, environment
// variables, the TOML file, --help, check-config, the example file and the manual's table all come
// from it.
#include <meshcache/app/configuration.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace meshcache::app {

enum class setting_group : std::uint8_t { addresses, cache, redis, limits, upstream, log };
inline constexpr std::size_t setting_group_count = 6;
std::string_view title(setting_group group) noexcept;

/// What a value is, and with it the TOML type in which it is written.
enum class value_kind : std::uint8_t {
    text,     ///< a string
    count,    ///< an integer
    size,     ///< a string with a unit, or an integer of bytes
    duration, ///< a string with a unit
    toggle,   ///< a boolean
};

struct setting {
    std::string_view name; ///< the flag without its dashes, and the key in the file
    setting_group group;
    value_kind kind;
    std::string_view placeholder;  ///< stands for the value in --help
    std::string_view help;         ///< a clause without a full stop
    std::string_view default_note; ///< what to say of the default where it is not a plain value
    std::string_view example;      ///< a value for the example file where the default cannot serve
    /// Reads `text` into its place. Returns an empty string, or what is wrong and what would be right.
    std::function<std::string(configuration&, std::string_view text)> assign;
    /// The effective value as `assign` reads it, secrets replaced by `***`; nothing when it is not set.
    std::function<std::optional<std::string>(const configuration&)> show;

    std::string flag() const;     ///< `--max-object`
    std::string variable() const; ///< `MESHCACHE_MAX_OBJECT`
    /// What --help and the manual say: the note if there is one, else the default's text.
    std::string default_text() const;
    /// `text`, which `assign` accepts, as a TOML value.
    std::string as_toml(std::string_view text) const;
};

/// All settings, group by group, in the order in which they are shown. Built once, never changed.
std::span<const setting> settings();

/// The position in settings() of the setting called `name`.
std::optional<std::size_t> find_setting(std::string_view name);

/// `text` as a TOML basic string, quotes included.
std::string toml_string(std::string_view text);

} // namespace meshcache::app
