"""The servers that are measured, their upstream, and the proof that each one answers from its cache."""
import getpass
import http.client
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from . import machine
from .machine import BenchError, ROOT

PEERS = ROOT / "bench" / "peers"
PATH = "/bench/object"


def free_port():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A process of ours, pinned to a core, in a session of its own; stopped by its pid."""

    def __init__(self, command, core, directory, name):
        self.name = name
        self.log = directory / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT, cwd=directory,
                                            start_new_session=True)

    def pids(self):
        return machine.session_pids(self.process.pid)

    def check(self):
        if self.process.poll() is not None:
            said = self.log.read_text(errors="replace").strip()[-2000:]
            raise BenchError(f"{self.name} ended with {self.process.returncode}:\n{said}")

    def wait_for_port(self, port, limit=10):
        end = time.monotonic() + limit
        while True:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise BenchError(f"{self.name} does not listen on port {port}") from None
                time.sleep(.02)

    def stop(self):
        pids = self.pids()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in set(pids) & set(machine.session_pids(self.process.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Upstream(Server):
    """The application behind the caches: bench/limit, which counts what it answers."""

    def __init__(self, size, core, directory):
        counter = directory / "answered"
        counter.write_bytes(bytes(8))
        self.port = free_port()
        super().__init__([machine.compile_tool("limit"), self.port, size, counter], core, directory, "upstream")
        with open(counter, "r+b") as file:
            self.counter = mmap.mmap(file.fileno(), 8)
        self.wait_for_port(self.port)

    def answered(self):
        return struct.unpack("=Q", self.counter[:8])[0]


class Setting:
    """What a candidate needs to know to start."""

    def __init__(self, size, server_core, load_core, directory, upstream, meshcache):
        self.size = size
        self.server_core = server_core
        self.load_core = load_core
        self.directory = directory
        self.upstream = upstream
        self.meshcache = meshcache

    def configure(self, template, **values):
        """A template from bench/peers with its @NAME@s filled in, written to the directory."""
        text = (PEERS / template).read_text()
        for name, value in dict(values, DIR=self.directory, UPSTREAM=self.upstream.port).items():
            text = text.replace(f"@{name}@", str(value))
        target = self.directory / template
        target.write_text(text)
        return target


class Candidate:
    """One server under test. Subclasses say how it starts and by what its hits are known."""
    name = ""
    programs = {}
    is_cache = True

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
    name = "limit"
    is_cache = False

    def command(self, setting):
        return [machine.compile_tool("limit"), self.port, setting.size]


class Meshcache(Candidate):
    name = "meshcache"

    def arguments(self, _setting):
        return []

    def command(self, setting):
        self.binary = setting.meshcache
        return [setting.meshcache, "--listen", f"127.0.0.1:{self.port}", "--upstream",
                f"127.0.0.1:{setting.upstream.port}", "--admin", f"127.0.0.1:{free_port()}", "--threads", 1,
                "--memory", "256MiB", "--log-level", "warn", *self.arguments(setting)]

    def is_hit(self, response):
        return response.getheader("Cache-Status", "").startswith("meshcache; hit")

    def version(self):
        return first_line(self.binary, "version")


class MeshcacheRedis(Meshcache):
    """meshcache that shares its cache. Its Redis runs on the load's core, idles while hits are served, and is not
    counted."""
    name = "meshcache+redis"
    programs = {"redis-server": "redis-server"}

    def arguments(self, setting):
        port = free_port()
        redis = Server(["redis-server", setting.configure("redis.conf", PORT=port)], setting.load_core,
                       setting.directory, "redis")
        self.helpers.append(redis)
        redis.wait_for_port(port)
        return ["--redis", f"redis://127.0.0.1:{port}"]


class Nginx(Candidate):
    name = "nginx"
    programs = {"nginx": "nginx-light"}
    # Below this, reading a file into a buffer and writing both in one go is cheaper than sendfile.
    sendfile_from = 16 * 1024

    def command(self, setting):
        sendfile = "on" if setting.size >= self.sendfile_from else "off"
        config = setting.configure("nginx.conf", PORT=self.port, SENDFILE=sendfile, USER=getpass.getuser())
        return ["nginx", "-p", setting.directory, "-e", "stderr", "-c", config]

    def is_hit(self, response):
        return response.getheader("X-Cache-Status") == "HIT"

    def version(self):
        return first_line("nginx", "-v").rpartition(": ")[2]


class Haproxy(Candidate):
    name = "haproxy"
    programs = {"haproxy": "haproxy"}

    def command(self, setting):
        return ["haproxy", "-db", "-f", setting.configure("haproxy.cfg", PORT=self.port)]

    def is_hit(self, response):
        # It adds Age to what comes from its cache, and to nothing else.
        return response.getheader("Age") is not None

    def version(self):
        return first_line("haproxy", "-v").split(" - ")[0]


ALL = [Limit, Meshcache, MeshcacheRedis, Nginx, Haproxy]


def get(connection, fields):
    connection.request("GET", PATH, headers=fields)
    response = connection.getresponse()
    return response, response.read()


def verify(candidate, upstream, fields, size):
    """Raises BenchError unless the candidate answers kept-alive connections from its cache, and with what the
    upstream says. It is warm afterwards."""
    direct = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)
    _, expected = get(direct, {})
    direct.close()
    if len(expected) != size:
        raise BenchError(f"the upstream answers {len(expected)} bytes instead of {size}")

    def fail(why):
        raise BenchError(f"{candidate.name}: {why}")

    connection = http.client.HTTPConnection("127.0.0.1", candidate.port, timeout=5)
    connection.connect()
    socket_used = connection.sock
    end = time.monotonic() + 5
    while True:
        response, content = get(connection, fields)
        if response.status != 200 or content != expected:
            fail(f"answers {response.status} with {len(content)} bytes that are not the upstream's")
        if connection.sock is not socket_used:
            fail("does not keep the connection")
        if not candidate.is_cache or candidate.is_hit(response):
            break
        if time.monotonic() > end:
            fail("does not answer from its cache: no mark of a hit")
        time.sleep(.02)
    before = upstream.answered()
    for _ in range(20):
        response, content = get(connection, fields)
        if response.status != 200 or content != expected or (candidate.is_cache and not candidate.is_hit(response)):
            fail("does not answer each request from its cache")
    if connection.sock is not socket_used:
        fail("does not keep the connection")
    connection.close()
    if upstream.answered() != before:
        fail("asks the upstream although it marks hits")


def find_meshcache(path):
    if path:
        found = Path(path)
    else:
        found = ROOT / "build" / "release" / "meshcache"
        if not found.exists() and shutil.which("cmake"):
            machine.say("building meshcache (preset release)")
            quiet = dict(cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["cmake", "--preset", "release"], **quiet)
            subprocess.run(["cmake", "--build", "--preset", "release", "--target", "meshcache"], **quiet)
    if not os.access(found, os.X_OK):
        raise BenchError(f"{found} is not there; build it (cmake --preset release && cmake --build --preset release) "
                         "or name one with --meshcache")
    return found.resolve()
