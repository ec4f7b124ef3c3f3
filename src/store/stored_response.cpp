// Layout of the one allocation: [control block of shared_ptr [stored_response]] tags key head content. The
// object is the control block's last member, so the four begin at `this + 1`; make() verifies that.
#include "charge.hpp"

#include <meshcache/http/cache_key.hpp>
#include <meshcache/http/surrogate.hpp>
#include <meshcache/store/stored_response.hpp>

#include <boost/container/small_vector.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace meshcache::store {

/// What make() asks of the allocator, and what the allocator found out. Lives on make()'s stack.
struct stored_response::block_request {
    std::size_t tail = 0;  ///< bytes wanted behind the control block
    std::size_t block = 0; ///< bytes of the control block, object included
    char* begin = nullptr;
};

namespace {

/// Allocates T with room behind it. The pointer to the request is used by allocate() alone; the copy that
/// the control block keeps for deallocate() is stale by then.
template <class T, class Request>
struct tail_allocator {
    using value_type = T;
    template <class U>
    struct rebind {
        using other = tail_allocator<U, Request>;
    };

    Request* request;

    explicit tail_allocator(Request* r) noexcept : request(r) {}
    template <class U>
    tail_allocator(const tail_allocator<U, Request>& other) noexcept : request(other.request) {}

    T* allocate(std::size_t n) {
        request->block = n * sizeof(T);
        void* p = ::operator new(request->block + request->tail);
        request->begin = static_cast<char*>(p);
        return static_cast<T*>(p);
    }
    void deallocate(T* p, std::size_t) noexcept { ::operator delete(p); }

    friend bool operator==(const tail_allocator&, const tail_allocator&) noexcept { return true; }
};

/// key_size_ has 22 bits.
constexpr std::size_t largest_key = (std::size_t{1} << 22) - 1;

char* append(char* at, std::string_view bytes) noexcept {
    if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
    return at + bytes.size();
}

} // namespace

stored_response::stored_response(private_tag, const response_meta& meta, std::uint64_t hash,
                                 const block_request& request, std::size_t key_size, std::size_t head_size,
                                 std::size_t content_size, std::size_t tag_count) noexcept
    : meta_(meta), hash_(hash), key_size_(key_size & 0x3f'ffff), tag_count_(tag_count & 0x3ff),
      head_size_(static_cast<std::uint32_t>(head_size)), content_size_(content_size & 0xffff'ffff'ffff),
      block_size_(static_cast<std::uint16_t>(request.block)) {}

response_ptr stored_response::make(const response_meta& meta, std::string_view key, std::uint64_t hash,
                                   std::string_view head, std::span<const std::string_view> content) {
    std::size_t content_size = 0;
    for (const auto piece : content) content_size += piece.size();
    if (key.size() > largest_key || head.size() > UINT32_MAX) throw std::bad_alloc();

    boost::container::small_vector<std::uint64_t, 16> tags;
    if (meta.kind == response_meta::kind_t::response) {
        std::string_view tag;
        for (http::tag_cursor c(head); tags.size() < http::max_tags && c.next(tag);)
            tags.push_back(selector_hash(selector_kind::tag, {}, tag));
    }

    block_request request;
    request.tail = tags.size() * sizeof(std::uint64_t) + key.size() + head.size() + content_size;
    const auto made = std::allocate_shared<stored_response>(
        tail_allocator<stored_response, block_request>(&request), private_tag{}, meta, hash, request,
        key.size(), head.size(), content_size, tags.size());

    char* at = request.begin + request.block;
    if (reinterpret_cast<const char*>(made.get() + 1) != at || made->block_size_ != request.block)
        std::abort();
    at = append(at, {reinterpret_cast<const char*>(tags.data()), tags.size() * sizeof(std::uint64_t)});
    at = append(append(at, key), head);
    for (const auto piece : content) at = append(at, piece);
    return made;
}

std::size_t stored_response::charge() const noexcept {
    return malloc_charge(block_size_ + tag_count_ * sizeof(std::uint64_t) + std::size_t{key_size_} +
                         head_size_ + content_size_);
}

response_ptr made_stale(response_ptr r, wall_time since) {
    const http::lifetime& was = r->meta().life;
    response_meta meta = r->meta();
    http::lifetime& life = meta.life;
    life.stale_until = std::min(was.stale_until, since + (was.stale_until - was.fresh_until));
    life.error_until = std::min(was.error_until, since + (was.error_until - was.fresh_until));
    life.fresh_until = std::min({was.fresh_until, was.response_time, since});
    if (life.fresh_until == was.fresh_until && life.stale_until == was.stale_until &&
        life.error_until == was.error_until)
        return r;
    const std::string_view content = r->content();
    return stored_response::make(meta, r->key(), r->hash(), r->head(), std::span(&content, 1));
}

bool covers(const selector& s, const stored_response& r) {
    if (s.kind == selector_kind::everything) return true;
    if (s.kind == selector_kind::tag) {
        const auto hash = selector_hash(s.kind, {}, s.text);
        return std::find(r.tags().begin(), r.tags().end(), hash) != r.tags().end();
    }
    const auto parts = http::split_key(r.key());
    if (!parts) return false;
    switch (s.kind) {
    case selector_kind::url:
        return parts->uri_key == s.text;
    case selector_kind::prefix:
        return parts->host == s.host && parts->path_query.starts_with(s.text);
    case selector_kind::anywhere:
        return parts->path_query.starts_with(s.text);
    default:
        return false;
    }
}

} // namespace meshcache::store
