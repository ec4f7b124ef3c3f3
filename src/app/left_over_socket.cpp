#include "left_over_socket.hpp"

#include <meshcache/base/error.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <sys/stat.h>
#include <unistd.h>

namespace meshcache::app {

void remove_left_over(const endpoint& at) {
    namespace asio = boost::asio;
    if (!at.is_unix() || at.unix_path.front() == '@') return;
    struct stat file {};
    if (::lstat(at.unix_path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return;
    asio::io_context io;
    asio::local::stream_protocol::socket probe(io);
    error_code ec;
    probe.connect(asio::local::stream_protocol::endpoint(at.unix_path), ec);
    if (ec == asio::error::connection_refused) ::unlink(at.unix_path.c_str());
}

} // namespace meshcache::app
