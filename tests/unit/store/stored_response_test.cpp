#include "store_support.hpp"
#include "support/catch.hpp"

#include <meshcache/store/stored_response.hpp>
#include <meshcache/store/vary.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace meshcache::store;
using meshcache::store::test::heap_bytes;

TEST_CASE("a stored response holds what it was made of") {
    response_meta meta;
    meta.version = {77, 3};
    meta.status = 203;
    meta.life.must_revalidate = true;
    meta.kind = response_meta::kind_t::vary;
    const std::string_view content[] = {"one", "", "two", "three"};
    const auto r = stored_response::make(meta, "the key", 0x1234, "HTTP/1.1 203 Fine\r\nA: b\r\n", content);
    CHECK(r->key() == "the key");
    CHECK(r->hash() == 0x1234);
    CHECK(r->head() == "HTTP/1.1 203 Fine\r\nA: b\r\n");
    CHECK(r->content() == "onetwothree");
    CHECK(r->meta().version == version{77, 3});
    CHECK(r->meta().status == 203);
    CHECK(r->meta().life.must_revalidate);
    CHECK(r->meta().kind == response_meta::kind_t::vary);
}

TEST_CASE("how a response stands with others is known of it, and of what was made of it") {
    const auto r = stored_response::make({}, "key", 1, "HTTP/1.1 200 OK\r\n", {});
    CHECK(r->meta().reached.get() == reach::shared);
    r->meta().reached.set(reach::lost);
    const auto copy = stored_response::make(r->meta(), "key", 1, "HTTP/1.1 200 OK\r\n", {});
    CHECK(copy->meta().reached.get() == reach::lost);
    copy->meta().reached.set(reach::shared);
    CHECK(r->meta().reached.get() == reach::lost);
    // A note is not the response that it was made for.
    CHECK(make_vary_note(r->meta(), "key", 1, "accept", nullptr)->meta().reached.get() == reach::shared);
}

TEST_CASE("a stored response may be empty everywhere") {
    const auto r = stored_response::make({}, "", 0, "", {});
    CHECK(r->key().empty());
    CHECK(r->head().empty());
    CHECK(r->content().empty());
    CHECK(r->charge() >= sizeof(stored_response));
}

TEST_CASE("a stored response is aligned and keeps bytes of every value") {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    for (std::size_t n = 0; n < 40; ++n) {
        const std::string_view content[] = {bytes, std::string_view(bytes).substr(0, n)};
        const auto r = stored_response::make({}, std::string(n, 'k'), n, bytes, content);
        CHECK(reinterpret_cast<std::uintptr_t>(r.get()) % alignof(stored_response) == 0);
        CHECK(r->head() == bytes);
        CHECK(r->content() == bytes + bytes.substr(0, n));
    }
}

TEST_CASE("a stored response is one allocation, and its charge is what that takes of the heap") {
    if (!heap_bytes()) {
        WARN("skipped: a sanitizer has replaced malloc");
        return;
    }
    // Sizes that malloc's caches of small chunks do not hold, so that each is seen by its count.
    for (const std::size_t size : {2000u, 2001u, 2008u, 2015u, 2016u, 4096u, 60'000u, 200'000u, 1'000'000u}) {
        const std::string body(size, 'x');
        const std::string_view content[] = {body};
        const auto before = *heap_bytes();
        const auto r = stored_response::make({}, "key", 1, "head", content);
        const auto taken = *heap_bytes() - before;
        INFO("content of " << size << " bytes took " << taken << ", charged " << r->charge());
        // malloc may leave 16 bytes more in a chunk that it uses again, since they are no chunk by themselves
        CHECK(taken <= r->charge() + 16);
        CHECK(r->charge() < taken + (size < 100'000 ? 1u : 4096u));
        // control block and description, malloc's header and rounding: nothing else
        CHECK(r->charge() - size - 7 < (size < 100'000 ? 120u + 8 + 16 : 120u + 2 * 4096));
    }
}

TEST_CASE("a stored response outlives everything else that knew it") {
    std::weak_ptr<const stored_response> watch;
    {
        auto r = stored_response::make({}, "k", 1, "h", {});
        watch = r;
        const auto other = r;
        r.reset();
        CHECK(other->key() == "k");
    }
    CHECK(watch.expired());
}

} // namespace
