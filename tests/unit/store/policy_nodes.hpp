#pragma once
// Nodes for s3fifo without a store around them: a size and a key.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace meshcache::store::test {

struct policy_nodes {
    struct node {
        std::uint32_t prev = 0;
        std::uint32_t next = 0;
        unsigned uses = 0;
        bool in_main = false;
        std::size_t size = 1;
        std::uint64_t key = 0;
    };

    node& operator[](std::uint32_t id) { return all[id]; }
    std::size_t charge(std::uint32_t id) const { return all[id].size; }

    std::uint32_t add(std::size_t size, std::uint64_t key = 0) {
        node n;
        n.size = size;
        n.key = key;
        all.push_back(n);
        return static_cast<std::uint32_t>(all.size() - 1);
    }

    std::vector<node> all;
};

} // namespace meshcache::store::test
