#pragma once
// Default, file, environment, flag: one upon the other, each value with its origin, and the checks that
// need more than one value at a time. Pure.
#include "cgroup.hpp"
#include "options_table.hpp"

#include <meshcache/app/configuration.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::app {

/// Where a value comes from.
struct value_origin {
    enum class source : std::uint8_t { by_default, file, variable, flag };
    source from = source::by_default;
    std::uint32_t line = 0; ///< in the file
    std::string note;       ///< how a default was found, where it was not simply the default
};

/// Settings under construction, and then the effective ones.
class layered {
  public:
    layered();

    const configuration& values() const noexcept { return values_; }
    const value_origin& origin(std::size_t setting) const noexcept { return origins_[setting]; }
    /// Every complaint so far, a line each.
    const std::vector<std::string>& errors() const noexcept { return errors_; }

    /// The file's name, before its values are applied.
    void set_file(std::string path) { values_.config_file = std::move(path); }
    /// Applies `text`; a later call for the same setting replaces the value. Complaints go to errors().
    void apply(std::size_t setting, std::string_view text, value_origin origin);
    void complain(std::string line) { errors_.push_back(std::move(line)); }
    /// Fills in the defaults that depend on the machine or on other settings, and checks how the values
    /// go together. Called once, after the last apply().
    void complete(const machine_grant& grant);

    /// How a complaint names the place of a value: `--threads`, `MESHCACHE_THREADS`, `file:3: threads`.
    std::string place(std::size_t setting, const value_origin& origin) const;
    /// The same for a reader of the effective configuration: `flag --threads`, `env ...`, `file:3`,
    /// `default`.
    std::string label(std::size_t setting) const;

  private:
    std::string place(std::string_view name) const;
    bool is_default(std::string_view name) const;
    void fill_defaults(const machine_grant& grant);
    void check_addresses();
    void check_redis();
    void check_sizes();

    configuration values_;
    std::vector<value_origin> origins_;
    std::vector<std::string> errors_;
};

} // namespace meshcache::app
