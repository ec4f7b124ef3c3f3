#include "characters.hpp"
#include "structured_fields.hpp"

#include <algorithm>
#include <cstddef>

namespace meshcache::http::structured {
namespace {

namespace ch = characters;

constexpr bool is_lower_alpha(char c) noexcept { return c >= 'a' && c <= 'z'; }

/// Keys of a dictionary, which are compared with each other.
constexpr std::size_t most_members = 256;

/// A reader over one field line. The functions are those of RFC 8941, section 4.2; each returns false
/// where the RFC fails parsing.
class reader {
  public:
    explicit reader(std::string_view s) noexcept : rest_(s) {}

    bool read_dictionary(dictionary& out) {
        skip_spaces();
        if (rest_.empty()) return false;
        for (;;) {
            member m;
            if (!read_member(m)) return false;
            const auto known = std::find_if(out.begin(), out.end(),
                                            [&m](const member& other) { return other.key == m.key; });
            if (known == out.end() && out.size() == most_members) return false;
            if (known == out.end())
                out.push_back(m);
            else
                *known = m;
            skip_blanks();
            if (rest_.empty()) return true;
            if (!take(',')) return false;
            skip_blanks();
            if (rest_.empty()) return false; // a trailing comma
        }
    }

  private:
    char front() const noexcept { return rest_.empty() ? '\0' : rest_.front(); }
    bool take(char c) noexcept {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void skip_spaces() noexcept {
        while (take(' ')) {
        }
    }
    void skip_blanks() noexcept {
        while (!rest_.empty() && ch::is(rest_.front(), ch::blank)) rest_.remove_prefix(1);
    }
    /// What of `before` has been read since.
    std::string_view since(std::string_view before) const noexcept {
        return before.substr(0, before.size() - rest_.size());
    }

    bool read_member(member& m) {
        if (!read_key(m.key)) return false;
        if (!take('=')) {
            m.type = kind::boolean;
            m.truth = true;
            return read_parameters();
        }
        return front() == '(' ? read_inner_list(m) : read_item(m);
    }

    bool read_key(std::string_view& key) noexcept {
        const std::string_view start = rest_;
        if (!is_lower_alpha(front()) && front() != '*') return false;
        while (!rest_.empty()) {
            const char c = rest_.front();
            if (!is_lower_alpha(c) && !ch::is(c, ch::digit) && c != '_' && c != '-' && c != '.' && c != '*')
                break;
            rest_.remove_prefix(1);
        }
        key = since(start);
        return true;
    }

    bool read_inner_list(member& m) {
        m.type = kind::inner_list;
        take('(');
        for (;;) {
            skip_spaces();
            if (take(')')) return read_parameters();
            member ignored;
            if (!read_item(ignored)) return false;
            if (front() != ' ' && front() != ')') return false;
        }
    }

    bool read_item(member& m) { return read_bare_item(m) && read_parameters(); }

    bool read_parameters() noexcept {
        while (take(';')) {
            skip_spaces();
            std::string_view key;
            if (!read_key(key)) return false;
            if (take('=')) {
                member ignored;
                if (!read_bare_item(ignored)) return false;
            }
        }
        return true;
    }

    bool read_bare_item(member& m) noexcept {
        const char c = front();
        if (c == '-' || ch::is(c, ch::digit)) return read_number(m);
        if (c == '"') return read_string(m);
        if (c == '*' || ch::is_alpha(static_cast<unsigned char>(c))) return read_token(m);
        if (c == ':') return read_bytes(m);
        if (c == '?') return read_boolean(m);
        return false;
    }

    /// Section 4.2.4: at most 15 digits; a decimal has at most 12 before and 3 behind its point.
    bool read_number(member& m) noexcept {
        const bool negative = take('-');
        std::int64_t value = 0;
        std::size_t whole = 0;
        for (; ch::is(front(), ch::digit); rest_.remove_prefix(1)) {
            if (++whole > 15) return false;
            value = value * 10 + (front() - '0');
        }
        if (whole == 0) return false;
        m.type = kind::integer;
        m.number = negative ? -value : value;
        if (!take('.')) return true;
        m.type = kind::decimal;
        std::size_t fraction = 0;
        for (; ch::is(front(), ch::digit); rest_.remove_prefix(1)) ++fraction;
        return whole <= 12 && fraction >= 1 && fraction <= 3;
    }

    bool read_string(member& m) noexcept {
        m.type = kind::string;
        take('"');
        const std::string_view start = rest_;
        while (!rest_.empty()) {
            const char c = rest_.front();
            if (c == '"') {
                m.text = since(start);
                rest_.remove_prefix(1);
                return true;
            }
            if (c < 0x20 || c > 0x7e) return false;
            rest_.remove_prefix(1);
            if (c == '\\' && !take('"') && !take('\\')) return false;
        }
        return false;
    }

    bool read_token(member& m) noexcept {
        m.type = kind::token;
        const std::string_view start = rest_;
        while (!rest_.empty() &&
               (ch::is(rest_.front(), ch::tchar) || rest_.front() == ':' || rest_.front() == '/'))
            rest_.remove_prefix(1);
        m.text = since(start);
        return true;
    }

    bool read_bytes(member& m) noexcept {
        m.type = kind::bytes;
        take(':');
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == ':') return true;
            const bool base64 = ch::is_alpha(static_cast<unsigned char>(c)) || ch::is(c, ch::digit) ||
                                c == '+' || c == '/' || c == '=';
            if (!base64) return false;
        }
        return false;
    }

    bool read_boolean(member& m) noexcept {
        m.type = kind::boolean;
        take('?');
        m.truth = front() == '1';
        return take('0') || take('1');
    }

    std::string_view rest_;
};

} // namespace

bool parse_dictionary(std::string_view line, dictionary& out) { return reader(line).read_dictionary(out); }

} // namespace meshcache::http::structured
