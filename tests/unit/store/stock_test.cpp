// What comes unasked (--replicate all, a warm start) must not push out what is used here.
#include "store_support.hpp"
#include "support/catch.hpp"

#include <string>

using namespace meshcache::store;
using namespace meshcache::store::test;

namespace {

constexpr std::size_t memory = 4u << 20, size = 1000;

cache one_shard() { return cache({.bytes = memory, .max_object = 64u << 10, .shards = 1, .seed = 1}); }

class stock_fixture {
  public:
    void insert(const std::string& key, insert_for why) {
        const auto v = nth(++last_);
        REQUIRE(store_.insert(make_response(store_.view(key), v, size), v, why).took());
    }
    /// So much that everything that nobody asked for twice has to leave.
    void flood(const std::string& name, insert_for why) {
        for (std::size_t i = 0; i < 4 * memory / size; ++i) insert(name + std::to_string(i), why);
    }
    bool holds(const std::string& key) const { return store_.peek(store_.view(key)) != nullptr; }
    bool use(const std::string& key) const { return store_.lookup(store_.view(key)) != nullptr; }

  private:
    cache store_ = one_shard();
    std::uint64_t last_ = 0;
};

std::string name(std::size_t i) { return "used" + std::to_string(i); }

} // namespace

TEST_CASE("what is used stays, however much comes for stock") {
    stock_fixture f;
    const std::size_t used = memory * 7 / 10 / (size + 300);
    for (std::size_t i = 0; i < used; ++i) {
        f.insert(name(i), insert_for::use);
        for (int n = 0; n < 2; ++n) REQUIRE(f.use(name(i)));
    }
    f.flood("stock", insert_for::stock);
    // One eviction passes over a bounded number of used ones, so that a few may have to leave.
    std::size_t held = 0;
    for (std::size_t i = 0; i < used; ++i) held += f.holds(name(i)) ? 1 : 0;
    CHECK(held >= used - used / 100);
    CHECK_FALSE(f.holds("stock0"));
}

TEST_CASE("while there is room, what comes for stock is there to be used, and then counts as used") {
    stock_fixture f;
    f.insert("stock", insert_for::stock);
    for (int n = 0; n < 2; ++n) CHECK(f.use("stock"));
    f.flood("x", insert_for::use);
    CHECK(f.holds("stock"));
}

TEST_CASE("what came for stock and left unused is not remembered, so that what was used is") {
    stock_fixture f;
    f.insert("once", insert_for::use);
    f.flood("x", insert_for::use);
    REQUIRE_FALSE(f.holds("once"));
    f.insert("between", insert_for::use);
    f.flood("y", insert_for::stock);
    REQUIRE_FALSE(f.holds("between"));
    f.flood("z", insert_for::stock);
    // It is remembered, and so enters the main queue.
    f.insert("between", insert_for::use);
    f.flood("v", insert_for::use);
    CHECK(f.holds("between"));
}

TEST_CASE("what comes for stock is a newcomer, although it was here lately") {
    stock_fixture f;
    f.insert("key", insert_for::use);
    f.flood("x", insert_for::stock);
    REQUIRE_FALSE(f.holds("key"));
    f.insert("key", insert_for::stock);
    f.flood("y", insert_for::use);
    CHECK_FALSE(f.holds("key"));
}
