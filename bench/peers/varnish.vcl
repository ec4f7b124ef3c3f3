# Varnish as a cache before one upstream, with its built-in rules, except that a cookie keeps no request from
# the cache: the others store what the application allows whatever the cookie.
vcl 4.1;

backend application {
    .host = "127.0.0.1";
    .port = "@UPSTREAM@";
}

sub vcl_recv {
    unset req.http.Cookie;
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache-Status = "HIT";
    }
}
