#pragma once
// The table of what the commands for operators are called, and which flags they take. Pure.
#include "operator_command.hpp"
#include "operator_options.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace meshcache::app {

/// What the flags of the commands do with their values.
enum class flag_kind : std::uint8_t { toggle, value };

struct command_flag {
    std::string_view name;
    flag_kind kind;
    std::string_view placeholder;
    std::string_view help;
    std::optional<operator_verb> only; ///< of one command; else of all
    /// Takes a value (`true` or `false` of a toggle). What is wrong with it and what would be right, or
    /// nothing.
    std::string (*take)(operator_command& c, const std::string& value) = nullptr;
};

/// In the order in which --help shows them.
std::span<const command_flag> operator_flags() noexcept;

/// The flag `--NAME`, of whatever command; null if there is none.
const command_flag* find_flag(std::string_view name) noexcept;

/// Whether the command takes the flag.
inline bool belongs(const command_flag& f, operator_verb verb) noexcept { return !f.only || *f.only == verb; }

const operator_entry& entry_of(operator_verb verb) noexcept;

} // namespace meshcache::app
