#pragma once
// A stored response: immutable, shared by pointer between threads, one allocation for its description, key,
// head and content. An update (a 304, say) builds a new one.
#include <meshcache/http/freshness.hpp>
#include <meshcache/store/selector.hpp>
#include <meshcache/store/version.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace meshcache::store {

/// Up to which purge the shard that holds a response has held it against them. It belongs to that shard, and
/// is used under its mutex alone; a copy of a response is held by nobody yet, and has none.
class purge_mark {
  public:
    constexpr purge_mark() noexcept = default;
    constexpr purge_mark(const purge_mark&) noexcept {}
    constexpr purge_mark& operator=(const purge_mark&) noexcept { return *this; }

    std::uint32_t get() const noexcept { return generation_; }
    void set(std::uint32_t generation) const noexcept { generation_ = generation; }

  private:
    mutable std::uint32_t generation_ = 0;
};

/// What is known of how a response that was fetched here stands with the other replicas.
enum class reach : std::uint8_t {
    shared,  ///< they have it or are to get it, as far as is known
    refused, ///< they would not have it: a newer one, or a floor, was in its way
    lost,    ///< it did not get to them
    alone,   ///< it is of no use to them, and they have nothing older in its place
};

/// Not of the response itself, and so it may change while others read that. A copy begins with what was known
/// when it was made. Any thread.
class reach_mark {
  public:
    constexpr reach_mark() noexcept = default;
    reach_mark(const reach_mark& other) noexcept : value_(other.get()) {}
    reach_mark& operator=(const reach_mark& other) noexcept {
        set(other.get());
        return *this;
    }

    reach get() const noexcept { return value_.load(std::memory_order_acquire); }
    void set(reach r) const noexcept { value_.store(r, std::memory_order_release); }

  private:
    mutable std::atomic<reach> value_{reach::shared};
};

/// What a stored response is beside its bytes.
struct response_meta {
    store::version version; ///< taken when the request was sent upstream
    http::lifetime life;
    std::uint16_t status = 0;
    /// A response, or the note at a primary key that its responses vary: then the head holds the names of
    /// the selecting fields (as http::parse_vary gives them) and the variants stand at variant keys.
    enum class kind_t : std::uint8_t { response, vary } kind = kind_t::response;
    reach_mark reached{};
    purge_mark held_against{};
};

class stored_response;
using response_ptr = std::shared_ptr<const stored_response>;

/// Thread-safe because immutable. Views live as long as the object.
class stored_response {
    struct private_tag {};
    struct block_request;

  public:
    /// Copies everything into one allocation. `hash` is that of `key` by the store's seed. `head` is
    /// status line and field lines, each with CRLF, without the empty line; it has Content-Length, Date and
    /// Via, and no Age, Cache-Status of ours, or hop-by-hop field. `content` is the body in pieces. Of the
    /// head's tags the first http::max_tags count.
    static response_ptr make(const response_meta& meta, std::string_view key, std::uint64_t hash,
                             std::string_view head, std::span<const std::string_view> content);

    const response_meta& meta() const noexcept { return meta_; }
    std::string_view key() const noexcept { return {tail(), key_size_}; }
    std::uint64_t hash() const noexcept { return hash_; }
    std::string_view head() const noexcept { return {tail() + key_size_, head_size_}; }
    std::string_view content() const noexcept { return {tail() + key_size_ + head_size_, content_size_}; }
    /// selector_hash() of each of the response's tags.
    std::span<const std::uint64_t> tags() const noexcept {
        return {reinterpret_cast<const std::uint64_t*>(this + 1), tag_count_};
    }
    /// Bytes of memory that this object holds: the real allocation, with shared_ptr's control block and
    /// malloc's header and rounding.
    std::size_t charge() const noexcept;

    /// For make() alone.
    stored_response(private_tag, const response_meta& meta, std::uint64_t hash, const block_request& request,
                    std::size_t key_size, std::size_t head_size, std::size_t content_size,
                    std::size_t tag_count) noexcept;
    stored_response(const stored_response&) = delete;
    stored_response& operator=(const stored_response&) = delete;

  private:
    const char* tail() const noexcept {
        return reinterpret_cast<const char*>(this + 1) + tag_count_ * sizeof(std::uint64_t);
    }

    response_meta meta_;
    std::uint64_t hash_;
    std::uint32_t key_size_ : 22;
    std::uint32_t tag_count_ : 10;
    std::uint32_t head_size_;
    std::uint64_t content_size_ : 48;
    std::uint64_t block_size_ : 16; // of the control block with this object in it
    // the tags' hashes, key, head and content follow the object in the same allocation
};

/// `r` as a soft purge at `since` leaves it: stale from its arrival on, and its stale windows run from
/// `since` if that is sooner than they would. `r` itself when that changes nothing.
response_ptr made_stale(response_ptr r, wall_time since);

/// Whether a selector of a group covers `r`.
bool covers(const selector& s, const stored_response& r);

} // namespace meshcache::store
