#include "announcement.hpp"
#include "support/catch.hpp"

#include <string>

using namespace meshcache;
using namespace meshcache::replica;

namespace {

announcement sample() { return {{1'700'000'000'000, 3}, "ready", {"0.1.0", "pod-7", "pod-7:8080"}}; }

wall_time at(std::int64_t ms) { return wall_time{milliseconds{ms}}; }

} // namespace

TEST_CASE("What a replica says of itself is words, and reads back as it was", "[announcement]") {
    CHECK(encode(sample()) == "1700000000000-3 ready 0.1.0 pod-7 pod-7:8080");
    for (announcement a : {sample(), announcement{{}, "", {"", "", ""}},
                           announcement{{1, 2}, "loading", {"1 2", "a%b\nc", "unix:/run/a b/\xff"}},
                           announcement{{1, 2}, "r", {"v", "h", "%"}}}) {
        const std::string text = encode(a);
        INFO(text);
        CHECK(text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"
                                     "ABCDEF-.:/% ") == std::string::npos);
        const auto back = read_announcement(text);
        REQUIRE(back);
        CHECK(back->position == a.position);
        CHECK(back->state == a.state);
        CHECK(back->self.version == a.self.version);
        CHECK(back->self.host == a.self.host);
        CHECK(back->self.address == a.self.address);
    }
}

TEST_CASE("Words that a later version adds are skipped, and long ones are cut", "[announcement]") {
    CHECK(read_announcement(encode(sample()) + " more and more"));
    announcement a = sample();
    a.self.host.assign(10'000, 'h');
    const auto back = read_announcement(encode(a));
    REQUIRE(back);
    CHECK(back->self.host.size() == max_announced_word);
    CHECK(back->self.address == "pod-7:8080");
}

TEST_CASE("What is no announcement is none", "[announcement]") {
    for (const char* text : {"", " ", "ready", "1700000000000-3", "1700000000000-3 ready 0.1.0 pod-7",
                             "x-3 ready 0.1.0 pod-7 pod-7:8080", "-3 ready 0.1.0 a b", "1-2  a b c"}) {
        INFO(text);
        CHECK_FALSE(read_announcement(text));
    }
}

TEST_CASE("A member of the list shows for how long it was silent, and how far it is behind",
          "[announcement]") {
    const std::string id = "00000000deadbeef", value = "5000 " + encode(sample());
    const auto one = read_listed(id, value, "4200-0", at(6'000));
    REQUIRE(one);
    CHECK(one->id == id);
    CHECK(one->state == "ready");
    CHECK(one->self.address == "pod-7:8080");
    CHECK(one->log_position == "1700000000000-3");
    CHECK(one->seen == milliseconds{1'000});
    CHECK(one->lag == milliseconds{1'800});
    CHECK(read_listed(id, value, "", at(6'000))->lag == milliseconds{0});
    // The clock of Redis may go back; an entry waits all the same.
    CHECK(read_listed(id, value, "7000-0", at(6'000))->lag == milliseconds{1});
    CHECK(read_listed(id, value, "", at(4'000))->seen == milliseconds{0});
}

TEST_CASE("A list that was just begun may not name all replicas yet", "[announcement]") {
    CHECK_FALSE(is_settled("", at(100'000)));
    CHECK_FALSE(is_settled("100000", at(100'000)));
    CHECK_FALSE(is_settled("97001", at(100'000)));
    CHECK(is_settled("97000", at(100'000)));
    CHECK(is_settled("103000", at(100'000))); // the clock of Redis went back
    CHECK(is_settled("nonsense", at(100'000)));
}

TEST_CASE("What others may have written into the list is passed over", "[announcement]") {
    const std::string id = "00000000deadbeef", value = "5000 " + encode(sample());
    CHECK(read_listed(id, value, "", at(6'000)));
    for (const std::string& wrong : {std::string(), std::string("5000"), "x" + value, "-" + value,
                                     encode(sample()), "99999999999999999999 " + encode(sample())}) {
        INFO(wrong);
        CHECK_FALSE(read_listed(id, wrong, "", at(6'000)));
    }
    for (const char* wrong : {"", "deadbeef", "00000000DEADBEEF", "00000000deadbeef0", "zzzzzzzzzzzzzzzz"}) {
        INFO(wrong);
        CHECK_FALSE(read_listed(wrong, value, "", at(6'000)));
    }
}
