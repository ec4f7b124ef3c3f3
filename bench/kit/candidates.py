"""The servers that are measured: how each one is started, and by what its hits are known."""
import getpass
import resource
import shutil
import subprocess

from . import machine
from .resp import Redis
from .servers import Server, free_port

MEMORY = 256 << 20  # of each cache, in bytes


class Candidate:
    """One server under test. Subclasses say how it starts and by what its hits are known."""
    name = ""
    programs = {}
    is_cache = True
    is_peer = False
    optional = False  # measured unless asked for by name only where it is installed

    def __init__(self):
        self.port = 0
        self.server = None
        self.helpers = []

    def start(self, setting):
        self.port = free_port()
        self.server = Server(self.command(setting), setting.server_core, setting.directory, self.name)
        self.server.wait_for_port(self.port)

    def command(self, setting):
        raise NotImplementedError

    def is_hit(self, response):
        raise NotImplementedError

    def pids(self):
        return self.server.pids()

    def helper_pids(self):
        return [pid for helper in self.helpers for pid in helper.pids()]

    def stop(self):
        for server in [self.server, *self.helpers]:
            if server:
                server.stop()

    def version(self):
        return ""


def first_line(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


class Limit(Candidate):
    """bench/limit with the options that the scenario gives it."""
    name = "limit"
    is_cache = False

    def command(self, setting):
        return [machine.compile_tool("limit"), self.port, setting.size, *setting.limit_options]


class Relay(Candidate):
    """bench/relay: the limit of what passes through."""
    name = "limit"
    is_cache = False

    def command(self, setting):
        return [machine.compile_tool("relay"), self.port, setting.upstream.port]


class Meshcache(Candidate):
    name = "meshcache"
    memory = MEMORY
    log_level = "warn"

    def arguments(self, _setting):
        return []

    def command(self, setting):
        self.binary = setting.meshcache
        self.admin_port = free_port()
        return [setting.meshcache, "--listen", f"127.0.0.1:{self.port}", "--upstream",
                f"127.0.0.1:{setting.upstream.port}", "--admin", f"127.0.0.1:{self.admin_port}", "--threads", 1,
                "--memory", self.memory, "--log-level", self.log_level, "--access-log", "off", *self.arguments(setting)]

    def is_hit(self, response):
        return response.getheader("Cache-Status", "").startswith("meshcache; hit")

    def version(self):
        return first_line(self.binary, "version")


class MeshcacheRedis(Meshcache):
    """meshcache that shares its cache. Its Redis runs on the load's core and is not counted as the server."""
    name = "meshcache+redis"
    programs = {"redis-server": "redis-server"}
    redis_memory = "0"  # no limit

    def arguments(self, setting):
        self.redis = Redis(setting, setting.load_core, memory=self.redis_memory)
        self.helpers.append(self.redis)
        return ["--redis", f"redis://127.0.0.1:{self.redis.port}"]


class Nginx(Candidate):
    name = "nginx"
    programs = {"nginx": "nginx-light"}
    is_peer = True
    # Below this, reading a file into a buffer and writing both in one go is cheaper than sendfile.
    sendfile_from = 16 * 1024

    def command(self, setting):
        sendfile = "on" if setting.size >= self.sendfile_from else "off"
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = 150_000 if hard == resource.RLIM_INFINITY else min(150_000, hard)
        config = setting.configure("nginx.conf", PORT=self.port, SENDFILE=sendfile, USER=getpass.getuser(),
                                   LIMIT=limit, FILES=max(1024, limit - 10_000))
        return ["nginx", "-p", setting.directory, "-e", "stderr", "-c", config]

    def is_hit(self, response):
        return response.getheader("X-Cache-Status") == "HIT"

    def version(self):
        return first_line("nginx", "-v").rpartition(": ")[2]


class Haproxy(Candidate):
    name = "haproxy"
    programs = {"haproxy": "haproxy"}
    is_peer = True

    def command(self, setting):
        return ["haproxy", "-db", "-f", setting.configure("haproxy.cfg", PORT=self.port)]

    def is_hit(self, response):
        # It adds Age to what comes from its cache, and to nothing else.
        return response.getheader("Age") is not None

    def version(self):
        return first_line("haproxy", "-v").split(" - ")[0]


class Varnish(Candidate):
    name = "varnish"
    programs = {"varnishd": "varnish"}
    is_peer = True
    optional = True

    def command(self, setting):
        # It logs to shared memory, as it always does; the jail would keep it from the bench's directory.
        return ["varnishd", "-F", "-j", "none", "-n", setting.directory / "varnish", "-a", f"127.0.0.1:{self.port}",
                "-f", setting.configure("varnish.vcl"), "-s", f"malloc,{MEMORY}", "-p", "thread_pools=1",
                "-p", "thread_pool_min=200"]

    def is_hit(self, response):
        return response.getheader("X-Cache-Status") == "HIT"

    def version(self):
        return first_line("varnishd", "-V")


class TrafficServer(Candidate):
    name = "trafficserver"
    programs = {"traffic_server": "trafficserver"}
    is_peer = True
    optional = True

    def command(self, setting):
        root = setting.directory / "trafficserver"
        for folder in ("etc", "var", "log", "cache"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        shutil.copytree("/etc/trafficserver", root / "etc", dirs_exist_ok=True)
        user = getpass.getuser()
        if user == "root":  # which it refuses to serve as
            user = "trafficserver"
            setting.directory.chmod(0o711)
        for file in ("records.config", "remap.config", "storage.config", "logging.yaml"):
            setting.configure(f"trafficserver/{file}", root / "etc" / file, PORT=self.port, ROOT=root, MEMORY=MEMORY,
                              USER=user)
        for path in [root, *root.rglob("*")]:
            shutil.chown(path, user)
        return ["env", f"PROXY_CONFIG_CONFIG_DIR={root}/etc", f"PROXY_CONFIG_LOCAL_STATE_DIR={root}/var",
                f"PROXY_CONFIG_LOG_LOGFILE_DIR={root}/log", "traffic_server"]

    def is_hit(self, response):
        # As in [uScHs ...: the letter after c is H for a hit on disk, R for one in memory.
        codes = response.getheader("Via", "").rpartition("[")[2]
        return "cH" in codes or "cR" in codes

    def version(self):
        return first_line("traffic_server", "-V").split(" - build")[0]


CACHES = [Meshcache, MeshcacheRedis, Nginx, Haproxy, Varnish, TrafficServer]
