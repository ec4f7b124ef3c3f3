"""Processes of the bench: how a server is started, pinned and stopped, the upstream, and where meshcache is."""
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


def free_port():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


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
        for pid in pids:  # a stopped process does not end
            send_signal(pid, signal.SIGCONT)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in set(pids) & set(machine.session_pids(self.process.pid)):
            send_signal(pid, signal.SIGKILL)


class Upstream(Server):
    """The application behind the caches: bench/limit, which counts what it answers."""

    def __init__(self, size, core, directory, *options):
        counter = directory / "answered"
        counter.write_bytes(bytes(8))
        self.port = free_port()
        self.size = size
        super().__init__([machine.compile_tool("limit"), self.port, size, "--counter", counter, *options], core,
                         directory, "upstream")
        with open(counter, "r+b") as file:
            self.counter = mmap.mmap(file.fileno(), 8)
        self.wait_for_port(self.port)

    def answered(self):
        return struct.unpack("=Q", self.counter[:8])[0]


class Setting:
    """What a candidate needs to know to start. `limit_options` are those of bench/limit as a candidate."""

    def __init__(self, size, server_core, load_core, directory, upstream, meshcache, limit_options=()):
        self.size = size
        self.server_core = server_core
        self.load_core = load_core
        self.directory = directory
        self.upstream = upstream
        self.meshcache = meshcache
        self.limit_options = limit_options

    def configure(self, template, target=None, **values):
        """A template from bench/peers with its @NAME@s filled in, written to the directory or to `target`."""
        text = (PEERS / template).read_text()
        for name, value in dict(values, DIR=self.directory, UPSTREAM=self.upstream.port).items():
            text = text.replace(f"@{name}@", str(value))
        target = target or self.directory / template
        target.write_text(text)
        return target


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
