"""The processes of one run: Redis and the replicas, in a directory of their own."""
import asyncio
import ctypes
import json
import os
import re
import shutil
import signal
import struct
import time

from .network import Link
from .wire import HttpClient, RedisClient, WireError

LIBC = ctypes.CDLL(None)
NAMESPACE = "checked"
PREFIX = f"mc:{{{NAMESPACE}:0}}:"
PR_SET_PDEATHSIG = 1
START_LIMIT = 20  # seconds


class WorldError(Exception):
    """The stage itself does not stand: no promise of a replica is at stake."""


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def start_process(command, log, environment=None):
    with open(log, "ab") as out:
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=die_with_parent,
            env=dict(os.environ, **(environment or {})))


def send_signal(process, number):
    # Not by the process object: it would reap the child, and take its exit code from asyncio.
    if process.returncode is None:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            pass


async def end_process(process, number=signal.SIGKILL, limit=20):
    """Sends the signal, and waits for the end. Returns the exit code; None if it did not end in time."""
    for n in (number, signal.SIGCONT):
        send_signal(process, n)
    try:
        return await asyncio.wait_for(process.wait(), limit)
    except asyncio.TimeoutError:
        send_signal(process, signal.SIGKILL)
        await process.wait()
        return None


class Redis:
    def __init__(self, directory):
        self.directory = directory
        self.socket = str(directory / "redis.sock")
        self.dump = directory / "dump.rdb"
        self.client = RedisClient(self.socket)
        self.process = None
        self.life = 0  # grows when it loses what it held

    async def start(self):
        program = shutil.which("redis-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            raise WorldError("there is no redis-server: install the package redis-server")
        self.process = await start_process(
            [program, "--port", "0", "--unixsocket", self.socket, "--dir", str(self.directory), "--save", "",
             "--daemonize", "no"], self.directory / "redis.log")
        end = time.monotonic() + START_LIMIT
        while True:
            try:
                if await self.client.command("PING") == b"PONG":
                    return
            except WireError:
                pass
            if time.monotonic() > end or self.process.returncode is not None:
                raise WorldError("redis-server did not start: " + (self.directory / "redis.log").read_text()[-500:])
            await asyncio.sleep(.005)

    async def stop(self):
        self.client.close()
        if self.process is not None:
            await end_process(self.process)
            self.process = None

    def signal(self, number):
        send_signal(self.process, number)

    async def log_end(self):
        """The id of the change log's last entry, as a pair of numbers."""
        entries = await self.client.command("XREVRANGE", PREFIX + "log", "+", "-", "COUNT", "1")
        return stream_id(entries[0][0].decode()) if entries else (0, 0)

    async def records(self):
        """What Redis holds: (key name, variant) -> (version, number)."""
        found = {}
        for name in await self.client.command("KEYS", PREFIX.replace("{", "[{]").replace("}", "[}]") + "r:*"):
            record = await self.client.command("GET", name)
            if record is None or record[17]:
                continue  # expired just now, or a note that responses vary
            told = re.search(rb"([\w.]+/[\w/]+) variant=(\w*) #(\d+) ", record)
            found[(told[1].decode(), told[2].decode())] = (version_of_bytes(record[:16]), int(told[3]))
        return found


def version_of_bytes(raw):
    stamp, replica = struct.unpack(">QQ", raw)
    return stamp >> 16, stamp & 0xFFFF, replica


def version_of_text(text):
    """`ms.counter@replica` of the field Meshcache-Version."""
    parts = re.fullmatch(r"(\d+)\.(\d+)@([0-9a-f]+)", text)
    return (int(parts[1]), int(parts[2]), int(parts[3], 16)) if parts else None


def stream_id(text):
    ms, _, sequence = text.partition("-")
    return int(ms or 0), int(sequence or 0)


class Replica:
    """One replica through all its processes: where it listens changes with each, its link to Redis stays."""

    def __init__(self, index, binary, flags, directory, redis):
        self.index, self.binary, self.flags = index, binary, flags
        self.log = directory / f"r{index}.log"
        self.clock = directory / f"r{index}.clock"
        self.link = Link(redis.socket)
        self.lives = 0
        self.process = None
        self.name = ""  # of the process
        self.up = False
        self.paused = False
        self.offset = 0

    async def prepare(self, upstream_port, offset):
        self.upstream_port = upstream_port
        self.set_offset(offset)
        await self.link.start()

    def set_offset(self, milliseconds):
        self.offset = milliseconds
        with open(self.clock, "r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("=q", milliseconds))

    async def start(self):
        begin = self.log.stat().st_size if self.log.exists() else 0
        self.process = await start_process(
            [self.binary, "--upstream", f"127.0.0.1:{self.upstream_port}", "--listen", "127.0.0.1:0", "--admin",
             "127.0.0.1:0", "--redis", f"redis://127.0.0.1:{self.link.port}", "--namespace", NAMESPACE, "--threads",
             "2", "--memory", "64MiB", "--access-log", "off", "--log-level", "info", "--redis-backoff-max", "200ms",
             *self.flags], self.log, {"MESHCACHE_TEST_CLOCK": str(self.clock)})
        end = time.monotonic() + START_LIMIT
        while True:
            with open(self.log, "rb") as log:
                log.seek(begin)
                text = log.read().decode(errors="replace")
            admin = re.search(r"admin listening on 127\.0\.0\.1:(\d+)", text)
            listen = re.search(r"(?<!admin )listening on 127\.0\.0\.1:(\d+)", text)
            if admin and listen:
                break
            if time.monotonic() > end or self.process.returncode is not None:
                raise WorldError(f"meshcache did not start: {text[-1000:]}")
            await asyncio.sleep(.005)
        self.lives += 1
        self.name = f"r{self.index}.{self.lives}"
        self.client, self.admin = HttpClient(int(listen[1])), HttpClient(int(admin[1]))
        self.up = True

    async def stop(self, number):
        """Ends the process by that signal; returns its exit code."""
        self.up = False
        code = await end_process(self.process, number)
        self.client.close()
        self.admin.close()
        return code

    def pause(self):
        self.paused = True
        send_signal(self.process, signal.SIGSTOP)

    def resume(self):
        self.paused = False
        send_signal(self.process, signal.SIGCONT)

    async def stats(self):
        return json.loads((await self.admin.ask("GET", "/stats", [("Host", "localhost")])).body)
