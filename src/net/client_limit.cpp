#include <meshcache/net/client_limit.hpp>

namespace meshcache::net {

client_block block_of(const boost::asio::ip::address& address) noexcept {
    const auto of_v4 = [](const boost::asio::ip::address_v4& v4) {
        return std::uint64_t{0xffff'ffff} << 32U | v4.to_uint();
    };
    if (address.is_v4()) return of_v4(address.to_v4());
    const auto bytes = address.to_v6().to_bytes();
    const auto number = [&](std::size_t from, std::size_t to) {
        std::uint64_t n = 0;
        for (std::size_t i = from; i < to; ++i) n = n << 8U | bytes[i];
        return n;
    };
    if (address.to_v6().is_v4_mapped())
        return of_v4(boost::asio::ip::address_v4(static_cast<std::uint32_t>(number(12, 16))));
    return number(0, 8);
}

std::optional<client_limit::place> client_limit::enter(const std::optional<client_block>& block) {
    if (most_ == 0 || !block) return place(nullptr, 0);
    const scoped_lock lock(mutex_);
    std::size_t& open = open_[*block];
    if (open >= most_) return std::nullopt;
    ++open;
    return place(this, *block);
}

std::size_t client_limit::blocks() const {
    const scoped_lock lock(mutex_);
    return open_.size();
}

void client_limit::leave(client_block block) noexcept {
    const scoped_lock lock(mutex_);
    const auto at = open_.find(block);
    if (at != open_.end() && --at->second == 0) open_.erase(at);
}

} // namespace meshcache::net
