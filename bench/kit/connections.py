"""bench/run connections: the memory that meshcache takes for each connection, idle or with a body on its way."""
import asyncio
import json
import multiprocessing
import resource
import signal
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from . import machine, servers
from .machine import BenchError, say

HELP = "memory of meshcache for each connection: idle, and with slow clients that download and upload"

STREAM = 256 << 20  # more than any client takes meanwhile
SHARED = 1 << 20  # --max-object: one fill, recorded whole
PIECE = 1024  # what a slow client reads or writes at a time
PAUSE = .1  # and after how long again
SMALL_BUFFER = 4096  # of a slow client's socket, so that the kernel does not read for it

SCENARIOS = {
    "idle": "kept alive after one answer",
    "relay": "each reads an answer of its own that is not stored, slowly",
    "shared": "all read one answer slowly while it is being fetched",
    "stored": "all read one stored answer slowly",
    "upload": "each sends content slowly",
    "stalled": "each sends as much as is taken, to an application that takes nothing",
}


def add_arguments(parser):
    parser.add_argument("--connections", type=int, default=1000, metavar="N", help="connections at a time [1000]")
    parser.add_argument("--seconds", type=int, default=5, help="how long the slow clients go on [5]")
    parser.add_argument("--only", metavar="NAME,...", help="of " + ", ".join(SCENARIOS))
    parser.add_argument("--meshcache", metavar="PATH", help="the binary [build/release/meshcache]")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")


async def answer(reader, writer):
    """One connection of the application."""
    writer.transport.set_write_buffer_limits(high=16384)
    piece = b"x" * 8192
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1]
            if target.startswith(b"/upload"):
                while await reader.read(65536):
                    pass
                return
            if target.startswith(b"/stalled"):
                await asyncio.sleep(3600)
            if target.startswith(b"/relay"):
                writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % STREAM)
                for _ in range(STREAM // len(piece)):
                    writer.write(piece)
                    await writer.drain()
            elif target.startswith(b"/shared"):
                # Slower than its readers, so that it is under way all the time.
                writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: %d\r\n\r\n" % SHARED)
                for _ in range(SHARED // len(piece)):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(.1)
            else:
                size = SHARED if target.startswith(b"/stored") else 100
                writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: %d\r\n\r\n" % size)
                writer.write(b"x" * size)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def serve(listening):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    async def run():
        server = await asyncio.start_server(answer, sock=listening, backlog=4096)
        await server.serve_forever()

    asyncio.run(run())


class Application:
    """The upstream, in a process of its own."""

    def __init__(self):
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = listening.getsockname()[1]
        self.process = multiprocessing.get_context("fork").Process(target=serve, args=(listening,), daemon=True)
        self.process.start()
        listening.close()

    def stop(self):
        self.process.terminate()
        self.process.join()


def rss(pid):
    """Resident memory of a process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"no VmRSS of process {pid}")


def connect(port, small):
    s = socket.socket()
    if small:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    s.settimeout(60)
    s.connect(("127.0.0.1", port))
    return s


def read_head(s, status=b"200"):
    """Reads until the head is there; what of the body came with it is dropped."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = s.recv(512)
        if not more:
            raise BenchError("meshcache closed a connection")
        got += more
    if got.split(b" ", 2)[1] != status:
        raise BenchError(f"unexpected answer: {got[:200]!r}")
    return got


def ask(s, method, target, fields=b""):
    s.sendall(b"%s %s HTTP/1.1\r\nHost: bench.example\r\n%s\r\n" % (method, target, fields))


def go_slowly(sockets, seconds, pid, step):
    """Lets every client take a small step now and then; returns the most memory that was seen."""
    for s in sockets:
        s.setblocking(False)
    most = rss(pid)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        for s in sockets:
            step(s)
        most = max(most, rss(pid))
        time.sleep(max(0., PAUSE - (time.monotonic() - began)))
    return most


def read_step(s):
    try:
        if not s.recv(PIECE):
            raise BenchError("an answer ended early")
    except BlockingIOError:
        pass


def write_step(s):
    try:
        s.send(b"x" * PIECE)
    except BlockingIOError:
        pass


def fill_step(s):
    try:
        while True:
            s.send(b"x" * 65536)
    except BlockingIOError:
        pass


STEPS = {"upload": write_step, "stalled": fill_step}


def load(name, port, count, seconds, pid):
    """Opens the connections of a scenario; returns the memory of `pid` with all of them open."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(port, name != "idle")) for _ in range(count)]
        for i, s in enumerate(sockets):
            if name in STEPS:
                ask(s, b"POST", b"/%s/%d" % (name.encode(), i), b"Content-Length: %d\r\n" % STREAM)
            elif name == "relay":
                ask(s, b"GET", b"/relay/%d" % i)
            else:
                ask(s, b"GET", b"/" + name.encode())
        if name not in STEPS:
            for s in sockets:
                read_head(s)
        if name == "idle":
            # What serving them all at once took is given back by then.
            time.sleep(seconds)
            return rss(pid)
        return go_slowly(sockets, seconds, pid, STEPS.get(name, read_step))


def measure(name, count, seconds, binary, directory):
    """One scenario, with a fresh meshcache."""
    core, _ = machine.cores()
    with ExitStack() as stack:
        application = Application()
        stack.callback(application.stop)
        port = servers.free_port()
        server = servers.Server([binary, "--listen", f"127.0.0.1:{port}", "--upstream", f"127.0.0.1:{application.port}",
                                 "--admin", f"127.0.0.1:{servers.free_port()}", "--threads", 1, "--memory", "64MiB",
                                 "--upstream-connections", 2 * count + 10, "--max-connections", 2 * count + 10,
                                 "--upstream-connect-timeout", "1m", "--log-level", "warn", "--access-log", "off"], core, directory, f"meshcache-{name}")
        stack.callback(server.stop)
        server.wait_for_port(port)
        pid = server.process.pid  # taskset becomes it
        # Warm: what is allocated once is not a connection's.
        with connect(port, False) as s:
            for _ in range(3):
                ask(s, b"GET", b"/" + (b"stored" if name == "stored" else b"warm"))
                length = SHARED if name == "stored" else 100
                body = read_head(s).partition(b"\r\n\r\n")[2]
                while len(body) < length:
                    body += s.recv(65536)
        before = rss(pid)
        most = load(name, port, count, seconds, pid)
        server.check()
        return {"connections": count, "before": before, "most": most, "each": (most - before) / count}


def run(arguments):
    names = arguments.only.split(",") if arguments.only else list(SCENARIOS)
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise BenchError(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    machine.install_missing({"taskset": "util-linux"})
    needed = 2 * arguments.connections + 200
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(f"{needed} descriptors are needed, and `ulimit -Hn` allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))
    binary = servers.find_meshcache(arguments.meshcache)
    about = dict(machine.describe(), bench="connections", date=time.strftime("%Y-%m-%d"),
                 connections=arguments.connections)
    print(f"{about['date']}, {about['system']}, Linux {about['kernel']}; {arguments.connections} connections at a time\n\n"
          "| clients | RSS before | with them | KiB for each |\n|---|---|---|---|", flush=True)
    summary = {}
    with tempfile.TemporaryDirectory(prefix="meshcache-bench-") as directory:
        for name in names:
            say(f"  {name}")
            r = summary[name] = measure(name, arguments.connections, arguments.seconds, binary, Path(directory))
            print(f"| {name}: {SCENARIOS[name]} | {r['before'] / 2**20:.1f} MiB | {r['most'] / 2**20:.1f} MiB | "
                  f"{r['each'] / 1024:.1f} |", flush=True)
    if arguments.json:
        result = {"name": "connections", "title": "memory of a connection", "summary": summary}
        Path(arguments.json).write_text(json.dumps({"about": about, "results": [result]}, indent=1) + "\n")
    return 0
