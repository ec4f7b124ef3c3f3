#pragma once
// Attacks as rows of tables. Each row sends its bytes over a connection of its own to a real meshcache, and
// is judged by four things: what reached the upstream, what the client got, whether the connection is still
// in step afterwards, and what is stored for others. One meshcache serves all rows of a table.
#include "support/proxy.hpp"

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace meshcache::test {

/// The field lines and bodies of rows: `$T` in them becomes a target that no other row uses, `$S` the one of
/// a request that is to be smuggled in.
inline constexpr std::string_view smuggled = "GET $S HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// POST of $T with these field lines (each with CRLF) and bytes behind the head.
std::string post(std::string_view fields, std::string_view rest = {});
/// GET of $T with these field lines.
std::string get(std::string_view fields = {});
/// POST of $T with that chunked body.
std::string post_chunked(std::string_view body);

/// Has to be refused: one answer with `status`, the connection closed, and nothing of it forwarded.
struct refused_attack {
    std::string name; ///< the line of the catalogue, and the variant
    std::string bytes;
    int status = 400;
};

/// Is harmless if it is read in one way only: the upstream gets these requests, and the client their answers.
struct accepted_attack {
    std::string name;
    std::string bytes;
    std::vector<std::string> answers; ///< what came: method, target and content, with blanks between
    bool closes = false;              ///< the connection ends behind the answers
    std::string never = {};           ///< bytes that must not come to the upstream
};

/// An upstream that answers with what came, and lets its answers be stored; and the meshcache before it.
class attack_stage {
  public:
    explicit attack_stage(std::vector<std::string> flags = {});

    void check(const refused_attack& row);
    void check(const accepted_attack& row);
    template <class Row>
    void check_all(const std::vector<Row>& rows) {
        for (const Row& row : rows) check(row);
    }

    scripted_upstream& upstream() noexcept { return upstream_; }
    proxy& front() noexcept { return front_; }

  private:
    std::string with_targets(std::string_view text) const;
    void check_stored(std::string_view target);

    std::size_t row_ = 0;
    scripted_upstream upstream_;
    proxy front_;
};

/// What an upstream sends, and what may come of it. Whatever that is, nothing of it is stored, and its
/// connection is not used again.
struct answer_attack {
    enum class outcome {
        bad_gateway, ///< 502
        cut,         ///< the client is sent a part that cannot be taken for the whole
        whole,       ///< the client gets `body` and nothing more
    };
    std::string name;
    std::string bytes; ///< what the upstream sends to the first request
    outcome expected = outcome::bad_gateway;
    std::string body = {};
    std::string method = "GET";
    std::string fields = {};   ///< field lines of the request
    ending end = ending::none; ///< what the upstream does after that
};

/// An upstream that misbehaves once for each row, and is good from then on; and the meshcache before it.
class answer_stage {
  public:
    explicit answer_stage(std::vector<std::string> flags = {});

    void check(const answer_attack& row);
    void check_all(const std::vector<answer_attack>& rows) {
        for (const answer_attack& row : rows) check(row);
    }
    scripted_upstream& upstream() noexcept { return upstream_; }
    proxy& front() noexcept { return front_; }

  private:
    void play(turn& t);
    void check_client(const answer_attack& row, const std::string& target, client& c);

    std::size_t row_ = 0;
    std::mutex mutex_;
    std::map<std::string, answer_attack> to_play_; ///< by target
    scripted_upstream upstream_;
    proxy front_;
};

} // namespace meshcache::test
