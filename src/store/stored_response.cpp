// Layout of the one allocation: [control block of shared_ptr [stored_response]] key head content. The object
// is the control block's last member, so the three begin at `this + 1`; make() verifies that.
#include "charge.hpp"

#include <meshcache/store/stored_response.hpp>

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

char* append(char* at, std::string_view bytes) noexcept {
    if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
    return at + bytes.size();
}

} // namespace

stored_response::stored_response(private_tag, const response_meta& meta, std::uint64_t hash,
                                 const block_request& request, std::size_t key_size, std::size_t head_size,
                                 std::size_t content_size) noexcept
    : meta_(meta), hash_(hash), key_size_(static_cast<std::uint32_t>(key_size)),
      head_size_(static_cast<std::uint32_t>(head_size)), content_size_(content_size & 0xffff'ffff'ffff),
      block_size_(static_cast<std::uint16_t>(request.block)) {}

response_ptr stored_response::make(const response_meta& meta, std::string_view key, std::uint64_t hash,
                                   std::string_view head, std::span<const std::string_view> content) {
    std::size_t content_size = 0;
    for (const auto piece : content) content_size += piece.size();
    if (key.size() > UINT32_MAX || head.size() > UINT32_MAX) throw std::bad_alloc();

    block_request request;
    request.tail = key.size() + head.size() + content_size;
    const auto made = std::allocate_shared<stored_response>(
        tail_allocator<stored_response, block_request>(&request), private_tag{}, meta, hash, request,
        key.size(), head.size(), content_size);

    char* at = request.begin + request.block;
    if (made->tail() != at || made->block_size_ != request.block) std::abort();
    at = append(append(at, key), head);
    for (const auto piece : content) at = append(at, piece);
    return made;
}

std::size_t stored_response::charge() const noexcept {
    return malloc_charge(block_size_ + std::size_t{key_size_} + head_size_ + content_size_);
}

} // namespace meshcache::store
