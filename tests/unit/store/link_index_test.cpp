#include "link_index.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace {

using meshcache::store::link_index;
using meshcache::store::no_slot;

struct plain_nodes {
    std::vector<std::uint32_t> hashes, chains;
    std::uint32_t address(std::uint32_t id) const { return hashes[id]; }
    std::uint32_t& chain(std::uint32_t id) { return chains[id]; }
    std::uint32_t add(std::uint32_t hash) {
        hashes.push_back(hash);
        chains.push_back(no_slot);
        return static_cast<std::uint32_t>(hashes.size() - 1);
    }
};

std::uint32_t find(const link_index& index, plain_nodes& nodes, std::uint32_t id) {
    return index.find(nodes, nodes.hashes[id], [&](std::uint32_t at) { return at == id; });
}

TEST_CASE("an index finds what is in it, and nothing else, while it grows") {
    const std::uint32_t seed = GENERATE(1u, 2u, 3u);
    const std::size_t load = GENERATE(1u, 2u);
    INFO("seed " << seed << ", load " << load);
    std::mt19937 random(seed);
    plain_nodes nodes;
    link_index index(20'000, load);
    std::set<std::uint32_t> in;
    std::size_t bytes = index.bytes();
    for (int step = 0; step < 30'000; ++step) {
        if (in.empty() || random() % 3 != 0) {
            const auto id = nodes.add(random() % 2 ? random() : random() % 64); // some collide
            const auto grows = index.growth(1);
            index.insert(nodes, id);
            in.insert(id);
            CHECK_FALSE(index.bytes() > bytes + grows);
            bytes = index.bytes();
        } else {
            const auto id = *in.lower_bound(static_cast<std::uint32_t>(random() % (*in.rbegin() + 1)));
            index.remove(nodes, id);
            in.erase(id);
        }
    }
    CHECK(index.size() == in.size());
    std::size_t wrong = 0;
    for (std::uint32_t id = 0; id < nodes.hashes.size(); ++id)
        wrong += (find(index, nodes, id) == id) != in.contains(id);
    CHECK(wrong == 0);
}

TEST_CASE("the growth of an index is known beforehand, for any number of inserts") {
    for (const std::size_t n : {1u, 2u, 511u, 512u, 513u, 5000u}) {
        plain_nodes nodes;
        link_index index(8000);
        for (int rounds = 0; rounds < 3; ++rounds) {
            const auto most = index.bytes() + index.growth(n);
            for (std::size_t i = 0; i < n; ++i)
                index.insert(nodes, nodes.add(static_cast<std::uint32_t>(nodes.hashes.size() * 2654435761u)));
            CHECK(index.bytes() <= most);
        }
    }
}

TEST_CASE("an index at its bound goes on with longer chains") {
    plain_nodes nodes;
    link_index index(10);
    for (std::uint32_t i = 0; i < 5000; ++i) index.insert(nodes, nodes.add(i * 7919));
    CHECK(index.growth(1) == 0);
    std::size_t found = 0;
    for (std::uint32_t i = 0; i < 5000; ++i) found += find(index, nodes, i) == i;
    CHECK(found == 5000);
}

} // namespace
