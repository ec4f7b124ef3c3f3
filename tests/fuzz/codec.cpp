// The bytes are a record, or, after a first byte that is odd, a record whose codec version and checksum are
// put right first, so that what lies behind them is reached. What is decoded lies within bounds
// (AddressSanitizer looks after that), and is encoded again to the very same bytes, those that are reserved
// aside.
#include "fuzz.hpp"
#include "replica/codec.hpp"

#include <algorithm>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace meshcache;
using fuzz::must;

namespace {

void seal(std::string& record) {
    record[16] = static_cast<char>(replica::codec_version);
    std::fill(record.begin() + 21, record.begin() + 24, '\0');
    const XXH64_hash_t sum =
        XXH3_64bits_withSeed(record.data() + 32, record.size() - 32, XXH3_64bits(record.data(), 24));
    for (std::size_t i = 0; i < 8; ++i) record[24 + i] = static_cast<char>(sum >> (56 - 8 * i) & 0xff);
}

/// The key inside of the record, as far as there is one.
std::string_view own_key(std::string_view record) {
    std::size_t size = 0;
    for (std::size_t i = 72; i < 76; ++i) size = size << 8 | static_cast<unsigned char>(record[i]);
    return record.substr(replica::record_header_size, size);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes = fuzz::text(data, size);
    static_cast<void>(replica::record_version(bytes));
    must(!replica::decode(bytes.substr(0, std::min(size, replica::record_header_size - 1)), {"k", 1}),
         "less than a header is no record");
    if (size < replica::record_header_size + 1) return 0;

    std::string record(bytes.substr(1));
    if (bytes[0] & 1) seal(record);
    const std::string key(own_key(record));
    const auto response = replica::decode(record, {key, 1});
    if (!response) return 0;
    must((*response)->key() == key, "the key is the one that was asked for");
    must(replica::record_version(record) == (*response)->meta().version, "the version is at the front");
    const std::string again = replica::encode(**response);
    if (bytes[0] & 1) must(again == record, "what is decoded is encoded to the same bytes");
    must(!replica::decode(record, {key + "x", 1}), "another key is refused");
    return 0;
}
