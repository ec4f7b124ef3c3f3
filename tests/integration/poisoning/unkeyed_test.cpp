// Inputs that are not in the key although the application reflects them (catalogue D16): stripped, or keyed,
// or not stored.
#include "support/catch.hpp"
#include "support/poisoning.hpp"

#include <string>
#include <vector>

using namespace meshcache::test;

namespace {

/// Names by which frameworks, gateways and CDNs learn of another host, scheme, target or method.
const std::vector<std::string> uri_names = {
    "X-Forwarded-Prefix",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-Path",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Host",
    "X-Original-Host",
    "X-HTTP-Host-Override",
    "X-Host-Override",
    "X-Backend-Host",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Path",
    "X-Original-Method",
    "X-Original-Scheme",
    "X-Rewrite-URL",
    "X-Rewrite-URI",
    "X-Override-URL",
    "X-Request-URI",
    "X-HTTP-DestinationURL",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-HTTP-Path-Override",
    "X-Scheme",
    "X-URL-Scheme",
    "X-HTTP-Scheme",
    "X-Script-Name",
    "X-Envoy-Original-Path",
    "X-Envoy-Original-Host",
    "X-Proxy-URL",
    "Front-End-Https",
    "Base-Url",
    "Request-Uri",
    "Proxy-Host",
    "URL-Scheme",
    "Forwarded-Host",
    "Forwarded-Proto",
};

/// The same for the client's address.
const std::vector<std::string> address_names = {
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-ProxyUser-Ip",
    "X-Forwarded",
    "True-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "Client-IP",
    "Cluster-Client-IP",
    "Proxy-Client-IP",
    "WL-Proxy-Client-IP",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Appengine-User-IP",
    "X-Original-Forwarded-For",
    "X-Envoy-External-Address",
    "Forwarded-For",
};

/// Names that meshcache sets itself, from what is in the key or for everybody.
const std::vector<std::string> own_names = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port",
                                            "X-Forwarded-Proto", "Forwarded"};

std::string upper(std::string text) {
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

std::string underscored(std::string text) {
    for (char& c : text)
        if (c == '-') c = '_';
    return text;
}

/// The forms in which one field may come.
std::vector<std::string> forms(const std::string& name) {
    std::vector<std::string> lines = {
        name + ": evil.example\r\n",
        upper(name) + ":evil.example\r\n",
        name + ": first\r\n" + name + ": evil.example\r\n",
        name + ": evil.example\r\nConnection: " + name + "\r\n",
    };
    if (name.find('-') != std::string::npos) {
        lines.push_back(underscored(name) + ": evil.example\r\n");
        lines.push_back(name + ": x\r\n" + upper(underscored(name)) + ": evil.example\r\n");
        std::string half = name;
        half[half.rfind('-')] = '_';
        lines.push_back(half + ": evil.example\r\n");
    }
    return lines;
}

bool mentions(const request& seen, const std::string& word) {
    return seen.top.raw.find(word) != std::string::npos;
}

/// Everything that came, own fields included, so that nothing is overlooked.
answer echo_all(const request& asked) {
    answer a;
    a.body = asked.top.raw;
    return a;
}

} // namespace

TEST_CASE(
    "a field that claims another host, scheme, target, method or address never reaches the application") {
    poisoning_stage stage(echo_all);
    for (const auto* names : {&uri_names, &address_names, &own_names}) {
        for (const std::string& name : *names) {
            for (const std::string& lines : forms(name)) {
                stage.next();
                INFO(lines);
                const response attack = stage.get(lines);
                CHECK(attack.status == 200);
                CHECK(attack.body.find("evil") == std::string::npos);
                CHECK_FALSE(mentions(stage.last(), "evil"));
                const response victim = stage.get();
                CHECK(victim.body == attack.body);
                CHECK(victim.cached().hit());
                CHECK(stage.fetched() == 1);
            }
        }
    }
}

TEST_CASE("and the other way round: what was stored for a victim answers the attacker") {
    poisoning_stage stage(echo_all);
    for (const auto* names : {&uri_names, &address_names, &own_names}) {
        for (const std::string& name : *names) {
            stage.next();
            INFO(name);
            const response victim = stage.get();
            const response attack = stage.get(name + ": evil.example\r\n");
            CHECK(attack.cached().hit());
            CHECK(attack.body == victim.body);
        }
    }
}

TEST_CASE("claims about the URI by a trusted client are forwarded, and are in the key") {
    poisoning_stage stage(echo_all, {"--trust-forwarded"});
    std::vector<std::string> rows;
    for (const std::string& name : uri_names) {
        const std::string lower = lowered(name);
        // These claim another method or target than the one that the key has, and nobody may.
        if (lower == "x-original-url" || lower == "x-rewrite-url" || lower == "x-http-method" ||
            lower.find("method-override") != std::string::npos)
            continue;
        rows.push_back(name + ": evil.example\r\n");
    }
    for (const char* name : {"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"})
        rows.push_back(std::string(name) + ": evil.example\r\n");
    for (const char* value : {"host=evil.example", "for=192.0.2.1;host=evil.example",
                              "for=1.1.1.1, for=2.2.2.2;host=evil.example", "FOR=x; Host=\"evil.example\"",
                              "for=\"x;host=evil.example", "for=\"x,y;host=evil.example\""})
        rows.push_back("Forwarded: " + std::string(value) + "\r\n");
    for (const std::string& lines : rows) {
        stage.next();
        INFO(lines);
        CHECK(stage.get(lines).body.find("evil") != std::string::npos);
        const response victim = stage.get();
        CHECK(victim.body.find("evil") == std::string::npos);
        CHECK(stage.fetched() == 2);
        CHECK(stage.get(lines).cached().hit());
        CHECK(stage.get().cached().hit());
    }
}

TEST_CASE("the address that a trusted client names is forwarded, and does not divide the cache") {
    poisoning_stage stage(echo_uri, {"--trust-forwarded"});
    std::vector<std::string> lines = {"X-Forwarded-For: 192.0.2.1\r\n", "Forwarded: for=192.0.2.1\r\n",
                                      "Forwarded: for=\"[2001:db8::1]:80\";by=10.0.0.1\r\n"};
    for (const std::string& name : address_names) lines.push_back(name + ": 192.0.2.1\r\n");
    for (const std::string& one : lines) {
        stage.next();
        INFO(one);
        CHECK(stage.get(one).cached().stored());
        CHECK(mentions(stage.last(), one.substr(0, one.find(':'))));
        if (!one.starts_with("Forwarded:")) CHECK(stage.get().cached().hit());
        std::string other = one;
        other.replace(other.find(one.find("2001") != std::string::npos ? "2001" : "192."), 4, "203.");
        CHECK(stage.get(other).cached().hit());
    }
}

TEST_CASE("overrides of the method or the target are removed even from a trusted client's request") {
    poisoning_stage stage(echo_all, {"--trust-forwarded"});
    for (const char* name : {"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method", "X-HTTP-Method-Override",
                             "X-Method-Override", "X_Original_URL", "X_HTTP_Method_Override"}) {
        stage.next();
        INFO(name);
        CHECK(stage.get(std::string(name) + ": evil\r\n").body.find("evil") == std::string::npos);
        CHECK(stage.get().cached().hit());
    }
}

TEST_CASE("look-alikes of a trusted client's claims are removed") {
    poisoning_stage stage(echo_all, {"--trust-forwarded"});
    for (const char* name :
         {"X_Forwarded_Host", "X-Forwarded_For", "x_real_ip", "X_HOST", "X_Forwarded_Proto"}) {
        stage.next();
        INFO(name);
        CHECK(stage.get(std::string(name) + ": evil\r\n").body.find("evil") == std::string::npos);
        CHECK(stage.get().cached().hit());
    }
}

TEST_CASE("what cannot be removed is in the key where Vary names it, in either order") {
    const std::vector<std::string> names = {"User-Agent", "Accept-Language", "Cookie",   "Accept",
                                            "Origin",     "Referer",         "X-Tenant", "X-Theme",
                                            "DNT",        "Authorization"};
    for (const std::string& name : names) {
        poisoning_stage stage([&](const request& asked) {
            answer a = echo_fields(asked);
            a.fields += "Vary: " + name + "\r\nCache-Control: public\r\n";
            return a;
        });
        std::vector<std::string> attacks = {name + ": evil\r\n", name + ":\r\n", upper(name) + ": evil\r\n",
                                            name + ": evil\r\n" + name + ": evil2\r\n"};
        // A gateway may take the one with underscores for the one that is in the key.
        if (name.find('-') != std::string::npos) {
            attacks.push_back(underscored(name) + ": evil\r\n");
            attacks.push_back(upper(underscored(name)) + ": evil\r\n");
        }
        for (const bool attacker_first : {true, false}) {
            for (const std::string& lines : attacks) {
                stage.next();
                INFO(lines << (attacker_first ? " first" : " second"));
                if (!attacker_first) CHECK(stage.get().body.empty());
                CHECK_FALSE(stage.get(lines).cached().hit());
                const response victim = stage.get();
                CHECK(victim.body.empty());
                CHECK(victim.cached().hit() == !attacker_first);
                CHECK(stage.fetched() == 2);
            }
        }
        if (name.find('-') == std::string::npos) continue;
        // Both together are a third variant: which one the application believes is not known.
        stage.next();
        const std::string both = name + ": good\r\n" + underscored(name) + ": evil\r\n";
        CHECK(stage.get(both).body.find("evil") != std::string::npos);
        CHECK(stage.get(name + ": good\r\n").body.find("evil") == std::string::npos);
        CHECK(stage.get(both).cached().hit());
    }
}

// An application that depends on such a field and neither names it in Vary nor forbids storing is wrong for
// every shared cache; removing the field or dividing the cache by it would cost everybody else their hits.
// README, "Security", says so.
TEST_CASE("without Vary these fields pass, and do not divide the cache") {
    poisoning_stage stage(echo_fields);
    for (const char* line :
         {"User-Agent: a\r\n", "Accept-Language: de\r\n", "Cookie: a=b\r\n", "X-Tenant: t\r\n"}) {
        stage.next();
        INFO(line);
        const response first = stage.get(line);
        CHECK(first.body != "");
        CHECK(first.cached().stored());
        const response second = stage.get();
        CHECK(second.cached().hit());
        CHECK(second.body == first.body);
    }
}

TEST_CASE("a response to a request with Cookie is stored only if it says how long it is fresh") {
    const std::string modified = "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n";
    struct row {
        std::string fields;
        bool stored;
    };
    const row rows[] = {
        {modified, false},
        {modified + "Cache-Control: public\r\n", false},
        {modified + "Cache-Control: max-age=60\r\n", true},
        {modified + "Cache-Control: s-maxage=60\r\n", true},
        {modified + "Expires: Thu, 01 Jan 2099 00:00:00 GMT\r\n", true},
        {modified + "CDN-Cache-Control: max-age=60\r\n", true},
    };
    std::string fields;
    poisoning_stage stage([&](const request& asked) {
        answer a = echo_fields(asked);
        a.fields = fields;
        return a;
    });
    for (const row& r : rows) {
        fields = r.fields;
        stage.next();
        INFO(fields);
        const response first = stage.get("Cookie: session=1\r\n");
        CHECK(first.cached().stored() == r.stored);
        if (!r.stored) CHECK(first.cached().detail() == "cookie");
        CHECK(stage.get().cached().hit() == r.stored);
        // Once it was asked for without, it answers everybody.
        CHECK(stage.get("Cookie: session=2\r\n").cached().hit());
    }
}
