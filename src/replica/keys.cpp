#include "keys.hpp"

#include <array>
#include <cstdlib>
#include <openssl/evp.h>

namespace meshcache::replica {
namespace {

std::string digest_hex(std::string_view bytes, const EVP_MD* algorithm) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    // It fails only when OpenSSL has no memory or was built without the algorithm.
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, algorithm, nullptr) != 1) std::abort();
    static constexpr char hex[] = "0123456789abcdef";
    std::string out;
    out.reserve(2 * size);
    for (unsigned int i = 0; i < size; ++i) {
        out += hex[digest[i] >> 4];
        out += hex[digest[i] & 15];
    }
    return out;
}

} // namespace

key_names::key_names(std::string_view name_space, unsigned partition) {
    const std::string prefix = "mc:{" + std::string(name_space) + ":" + std::to_string(partition) + "}:";
    record_prefix_ = prefix + "r:";
    lease_prefix_ = prefix + "l:";
    log_ = prefix + "log";
    floors_ = prefix + "floors";
    groups_ = prefix + "groups";
    lengths_ = prefix + "lengths";
    entries_ = prefix + "entries";
    replicas_ = prefix + "replicas";
}

std::string key_names::record(std::string_view key) const { return name(record_prefix_, key); }
std::string key_names::lease(std::string_view key) const { return name(lease_prefix_, key); }

std::string key_names::name(const std::string& prefix, std::string_view key) {
    std::string name;
    name.reserve(prefix.size() + (key.size() <= max_clear_key ? key.size() : 64));
    name += prefix;
    if (key.size() <= max_clear_key)
        name += key;
    else
        name += sha256_hex(key);
    return name;
}

std::string sha256_hex(std::string_view bytes) { return digest_hex(bytes, EVP_sha256()); }
std::string sha1_hex(std::string_view bytes) { return digest_hex(bytes, EVP_sha1()); }

} // namespace meshcache::replica
