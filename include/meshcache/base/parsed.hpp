#pragma once
// What the parsers of configuration values return: the value, or a sentence for the operator.
#include <optional>
#include <string>
#include <utility>

namespace meshcache {

/// A value, or what was wrong with the text and what would be right. The sentence starts with the
/// offending text and has no full stop; callers put the place (flag, variable, file:line) in front.
template <class T>
struct parsed {
    std::optional<T> value;
    std::string error; ///< empty when there is a value

    parsed(T v) : value(std::move(v)) {}

    static parsed failure(std::string sentence) {
        parsed out;
        out.error = std::move(sentence);
        return out;
    }

    explicit operator bool() const noexcept { return value.has_value(); }
    const T& operator*() const& { return *value; }
    T&& operator*() && { return *std::move(value); }
    const T* operator->() const { return &*value; }

  private:
    parsed() = default;
};

} // namespace meshcache
