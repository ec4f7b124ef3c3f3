#include <meshcache/base/error.hpp>

#include <string>
#include <string_view>

namespace meshcache {

std::string_view describe(errc e) noexcept {
    switch (e) {
    case errc::ok: return "ok";
    case errc::upstream_resolve_failed: return "upstream-resolve-failed";
    case errc::upstream_refused: return "upstream-refused";
    case errc::upstream_connect_timeout: return "upstream-connect-timeout";
    case errc::upstream_reset: return "upstream-reset";
    case errc::upstream_silent: return "upstream-silent";
    case errc::upstream_truncated: return "upstream-truncated";
    case errc::upstream_malformed: return "upstream-malformed";
    case errc::upstream_stalled: return "upstream-stalled";
    case errc::upstream_error: return "upstream-error";
    case errc::upstream_busy: return "upstream-busy";
    case errc::client_gone: return "client-gone";
    case errc::client_timeout: return "client-timeout";
    case errc::client_malformed: return "client-malformed";
    case errc::record_truncated: return "record-truncated";
    case errc::record_checksum: return "record-checksum";
    case errc::record_codec: return "record-codec-unknown";
    case errc::record_key_mismatch: return "record-key-mismatch";
    case errc::redis_unavailable: return "redis-unavailable";
    case errc::redis_timeout: return "redis-timeout";
    case errc::redis_error: return "redis-error";
    case errc::shutting_down: return "shutting-down";
    }
    return {};
}

namespace {

class category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "meshcache"; }

    std::string message(int code) const override {
        const auto words = describe(static_cast<errc>(code));
        if (!words.empty()) return std::string(words);
        return "unknown error " + std::to_string(code);
    }
};

} // namespace

const boost::system::error_category& meshcache_category() noexcept {
    static const category instance;
    return instance;
}

} // namespace meshcache
