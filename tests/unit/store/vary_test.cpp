#include "store_support.hpp"
#include "support/catch.hpp"

#include <meshcache/store/vary.hpp>

namespace {

using namespace meshcache::store;
using meshcache::store::test::nth;

response_meta meta_of(const version& v) {
    response_meta meta;
    meta.version = v;
    meta.status = 200;
    return meta;
}

TEST_CASE("a vary note names the selecting fields and begins an epoch") {
    const auto note = make_vary_note(meta_of(nth(5)), "key", 9, "accept,accept-language", nullptr);
    CHECK(is_vary_note(*note));
    CHECK(note->key() == "key");
    CHECK(note->hash() == 9);
    CHECK(vary_names(*note) == "accept,accept-language");
    CHECK(note->meta().version == nth(5));
    CHECK(vary_epoch(*note) == nth(5));
    CHECK(!is_vary_note(*test::make_response({"key", 9}, nth(1))));
}

TEST_CASE("a later note of the same fields keeps the epoch, others begin a new one") {
    const auto first = make_vary_note(meta_of(nth(5)), "key", 9, "accept", nullptr);
    const auto second = make_vary_note(meta_of(nth(8)), "key", 9, "accept", first.get());
    CHECK(second->meta().version == nth(8));
    CHECK(vary_epoch(*second) == nth(5));
    const auto third = make_vary_note(meta_of(nth(9)), "key", 9, "accept", second.get());
    CHECK(vary_epoch(*third) == nth(5));
    CHECK(vary_epoch(*make_vary_note(meta_of(nth(9)), "key", 9, "cookie", third.get())) == nth(9));
    const auto response = test::make_response({"key", 9}, nth(1));
    CHECK(vary_epoch(*make_vary_note(meta_of(nth(9)), "key", 9, "accept", response.get())) == nth(9));
    CHECK(vary_epoch(*make_vary_note(meta_of(nth(3)), "key", 9, "accept", first.get())) == nth(3));
}

TEST_CASE("a note without a readable epoch begins with its own version") {
    response_meta meta = meta_of(nth(4));
    meta.kind = response_meta::kind_t::vary;
    const std::string_view content[] = {"short"};
    CHECK(vary_epoch(*stored_response::make(meta, "key", 9, "accept", content)) == nth(4));
}

} // namespace
