# Varnish as a cache before one upstream, with its built-in rules.
vcl 4.1;

backend application {
    .host = "127.0.0.1";
    .port = "@UPSTREAM@";
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache-Status = "HIT";
    }
}
