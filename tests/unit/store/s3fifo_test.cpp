#include "policy_nodes.hpp"
#include "s3fifo.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace {

using meshcache::store::no_slot;
using meshcache::store::s3fifo;
using meshcache::store::test::policy_nodes;

std::vector<std::uint32_t> drain(s3fifo& q, policy_nodes& nodes, std::size_t whole) {
    std::vector<std::uint32_t> order;
    for (auto id = q.evict(nodes, whole); id != no_slot; id = q.evict(nodes, whole)) order.push_back(id);
    return order;
}

TEST_CASE("what was not used leaves first in, first out") {
    policy_nodes nodes;
    s3fifo q;
    for (int i = 0; i < 5; ++i) q.push(nodes, nodes.add(1), false);
    CHECK(q.count() == 5);
    CHECK(drain(q, nodes, 5) == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
    CHECK(q.count() == 0);
    CHECK(q.charge() == 0);
}

TEST_CASE("what was used in the small queue moves to the main queue, and has to be used again there") {
    policy_nodes nodes;
    s3fifo q;
    for (int i = 0; i < 4; ++i) q.push(nodes, nodes.add(1), false);
    q.use(nodes, 0);
    q.use(nodes, 0);
    CHECK(q.evict(nodes, 4) == 1);
    CHECK(nodes[0].in_main);
    CHECK(nodes[0].uses == 0);
    CHECK(drain(q, nodes, 4).back() == 0);
}

TEST_CASE("what is larger than the mean needs more uses to move on, up to a limit") {
    struct row {
        std::size_t size; ///< beside 99 of 100, of which none was used
        unsigned enough;
    };
    const row rows[] = {{1, 1}, {100, 1}, {195, 1}, {205, 2}, {400, 2}, {420, 3}, {900, 4}, {1'000'000, 7}};
    for (const auto& r : rows) {
        for (unsigned uses = 0; uses <= s3fifo::max_uses; ++uses) {
            INFO("size " << r.size << ", uses " << uses);
            policy_nodes nodes;
            s3fifo q;
            q.push(nodes, nodes.add(r.size), false);
            for (int i = 0; i < 99; ++i) q.push(nodes, nodes.add(100), false);
            for (unsigned u = 0; u < uses; ++u) q.use(nodes, 0);
            const bool moves = uses >= r.enough;
            CHECK(q.evict(nodes, 1) == (moves ? 1u : 0u)); // the small queue has its share
            CHECK(nodes[0].in_main == moves);
        }
    }
}

TEST_CASE("once in the main queue, size makes no difference") {
    policy_nodes nodes;
    s3fifo q;
    q.push(nodes, nodes.add(1000), true);
    for (int i = 0; i < 99; ++i) q.push(nodes, nodes.add(1), true);
    q.use(nodes, 0);
    CHECK(q.evict(nodes, 2000) == 1);
}

TEST_CASE("while the small queue has less than its share the main queue gives way") {
    policy_nodes nodes;
    s3fifo q;
    for (int i = 0; i < 19; ++i) q.push(nodes, nodes.add(1), true);
    q.push(nodes, nodes.add(1), false);
    CHECK(q.evict(nodes, 20) == 0);
    q.use(nodes, 1);
    CHECK(q.evict(nodes, 20) == 2); // 1 was used, and goes round
}

TEST_CASE("each use is worth one round in the main queue, up to a limit") {
    policy_nodes nodes;
    s3fifo q;
    q.push(nodes, nodes.add(1), true);
    q.push(nodes, nodes.add(1), true);
    for (int i = 0; i < 100; ++i) q.use(nodes, 0);
    CHECK(nodes[0].uses == s3fifo::max_uses);
    for (int i = 0; i < 2; ++i) q.use(nodes, 1);
    CHECK(q.evict(nodes, 100) == 1);
    CHECK(nodes[0].uses == s3fifo::max_uses - 3);
}

TEST_CASE("an eviction ends after a bounded number of rounds") {
    policy_nodes nodes;
    s3fifo q;
    for (int i = 0; i < 10'000; ++i) {
        const auto id = nodes.add(1);
        q.push(nodes, id, true);
        for (unsigned u = 0; u < s3fifo::max_uses; ++u) q.use(nodes, id);
    }
    CHECK(q.evict(nodes, 10'000) == s3fifo::max_rounds);
}

TEST_CASE("both queues keep count of their charge through anything") {
    const std::uint32_t seed = GENERATE(31u, 32u, 33u);
    INFO("seed " << seed);
    std::mt19937 random(seed);
    policy_nodes nodes;
    s3fifo q;
    std::set<std::uint32_t> in;
    std::size_t charge = 0, wrong = 0;
    const auto any = [&] {
        return *in.lower_bound(static_cast<std::uint32_t>(random() % (*in.rbegin() + 1)));
    };
    for (int step = 0; step < 50'000; ++step) {
        const auto what = in.empty() ? 0 : random() % 6;
        if (what <= 1) {
            const auto id = nodes.add(1 + random() % 100);
            q.push(nodes, id, what == 1);
            in.insert(id);
            charge += nodes.charge(id);
        } else if (what == 2) {
            const auto id = any();
            q.unlink(nodes, id);
            in.erase(id);
            charge -= nodes.charge(id);
        } else if (what == 3) {
            const auto id = any();
            const auto before = nodes.charge(id);
            nodes[id].size = 1 + random() % 100;
            q.recharge(nodes, id, before);
            charge += nodes.charge(id) - before;
        } else if (what == 4) {
            q.use(nodes, any());
        } else {
            const auto id = q.evict(nodes, 2000);
            wrong += in.erase(id) != 1;
            charge -= nodes.charge(id);
        }
        wrong += q.charge() != charge || q.count() != in.size();
    }
    CHECK(wrong == 0);
    CHECK(drain(q, nodes, 2000).size() == in.size());
}

} // namespace
