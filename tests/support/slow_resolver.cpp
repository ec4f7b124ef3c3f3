// Preloaded into meshcache: the first question for upstream.test is answered with 127.0.0.1, those that
// follow never are. All other names are left alone.
#include <atomic>
#include <cstring>
#include <dlfcn.h>
#include <netdb.h>
#include <unistd.h>

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
    static const auto real = reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    static std::atomic<int> questions{0};
    if (node == nullptr || std::strcmp(node, "upstream.test") != 0) return real(node, service, hints, result);
    if (questions++ == 0) return real("127.0.0.1", service, hints, result);
    static constexpr char says[] = "the resolver does not answer\n";
    if (::write(STDERR_FILENO, says, sizeof says - 1) < 0) return EAI_SYSTEM;
    for (;;) ::pause();
}
