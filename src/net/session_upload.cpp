// The part of a session that passes a request's content on to the upstream.
#include "chunk_gather.hpp"
#include "upload.hpp"

#include <meshcache/http/trailers.hpp>

#include <boost/asio/error.hpp>

namespace meshcache::net {

task<void> session::upload_body(upload& up) {
    const struct tell {
        upload& up;
        ~tell() { up.ended.set(); }
    } at_end{up};
    body_source source(io_, in_, framing_, loop_.cfg.body_timeout);
    const bool chunked = framing_.kind == http::body_kind::chunked;
    std::vector<std::string_view> pieces;
    std::vector<asio::const_buffer> gather;
    chunk_line size_line;
    const auto filter = http::trailer_filter::of_request(head_.fields);
    std::string trailers;
    error_code ec;
    while (!source.done()) {
        ec = co_await source.next(pieces);
        if (ec) {
            up.client_error = ec == asio::error::eof || ec.category() != meshcache_category()
                                  ? error_code(errc::client_gone)
                                  : ec;
            break;
        }
        gather.clear();
        if (source.done()) filter.append(source.trailers(), trailers);
        (void)append_content(gather, pieces, chunked, source.done(), size_line, trailers);
        ec = co_await up.upstream.io.write(gather, loop_.cfg.upstream_idle_timeout);
        // The upstream does not want more; its answer, if there is one, is being read. Or the answer is over,
        // and stop_upload() found this write done already.
        if (ec || up.stopped) break;
    }
    source.release_pieces();
    up.complete = !ec && source.done();
    if (up.client_error) {
        // Whoever waits for the upstream's answer waits in vain.
        up.upstream.io.abort();
    } else if (!up.answered) {
        up.upstream.io.read_deadline().arm(loop_.cfg.upstream_response_timeout);
    }
}

task<void> session::stop_upload(upload& up) {
    if (!up.ended.is_set()) {
        // The answer is over while the request is not: nothing more will be read from the client.
        up.stopped = true;
        up.upstream.io.abort();
        io_.cancel_read();
        (void)co_await up.ended.wait();
        if (up.client_error == errc::client_gone) up.client_error = {};
    }
}

} // namespace meshcache::net
