"""The load: wrk, or bench/load, which is cheaper and so shows more of what a fast server can do."""
import json
import subprocess
from dataclasses import dataclass, field

from . import machine
from .machine import BenchError
from .servers import PEERS

CONNECTIONS = 64
PATH = "/bench/object"
KEYED_PATH = "/bench/########"  # bench/load puts eight digits there

# What Firefox sends with a page's parts, besides Host.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://www.example.org/catalogue/page/17?sort=price&order=ascending",
    "Connection": "keep-alive",
    "Cookie": "session=4f1d0c7a9be24c1f8a6d53e7b2c90f11; theme=dark; consent=necessary",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Priority": "u=0, i",
}
FIELDS = {"bare": {}, "browser": BROWSER}
GENERATORS = ("wrk", "light")
PROGRAMS = {"wrk": {"wrk": "wrk", "taskset": "util-linux"}, "light": {"taskset": "util-linux"}}


def key_path(number):
    """The target of a key."""
    return KEYED_PATH.replace("########", f"{number:08}")


@dataclass
class Load:
    """What is asked, and what must come: `size` bytes of content with that status."""
    size: int
    path: str = PATH
    fields: dict = field(default_factory=dict)
    status: int = 200
    options: tuple = ()  # of bench/load
    method: str = "GET"
    content: str = ""

    def request(self, port):
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.fields.items())
        if self.content:
            head += f"Content-Length: {len(self.content)}\r\n"
        return f"{head}\r\n{self.content}"


def light_command(port, load, seconds, connections, *options):
    words = [machine.compile_tool("load"), port, load.size, connections, seconds, "--status", load.status,
             *load.options, *options]
    return list(map(str, words))


def wrk_command(port, load, seconds):
    headers = [word for name, value in load.fields.items() for word in ("-H", f"{name}: {value}")]
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(PEERS / "wrk.lua"), *headers,
            f"http://127.0.0.1:{port}{load.path}"]


def parse(name, returncode, out, err):
    if returncode != 0:
        raise BenchError(f"{name} failed: {(err + out).strip()[-500:]}")
    report = json.loads(out.strip().splitlines()[-1])
    if report["errors"] or not report["requests"]:
        raise BenchError(f"{name} met errors: {out.strip()[-500:]}")
    return report


def run(core, port, load, seconds, *options, generator="light", connections=CONNECTIONS, first=()):
    """Loads the port for that long; returns what the generator reports: requests, seconds, p50_us, p99_us, and
    more if it is bench/load. `first` stands before the command."""
    words = (wrk_command(port, load, seconds) if generator == "wrk" else
             light_command(port, load, seconds, connections, *options))
    done = subprocess.run(["taskset", "-c", str(core), *first, *words],
                          input="" if generator == "wrk" else load.request(port), capture_output=True, text=True,
                          check=False)
    return parse(generator, done.returncode, done.stdout, done.stderr)


class Background:
    """bench/load beside something else; ends with the block that it is used in. `seconds` must be longer than that."""

    def __init__(self, core, port, load, seconds, *options, connections=CONNECTIONS):
        words = light_command(port, load, seconds, connections, *options)
        self.process = subprocess.Popen(["taskset", "-c", str(core), *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process.stdin.write(load.request(port))
        self.process.stdin.close()
        self.process.stdin = None

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        early = self.process.poll() is not None
        if not early:
            self.process.terminate()
        out, err = self.process.communicate()
        if early and not failed:
            raise BenchError(f"the load beside ended too early: {(err + out).strip()[-500:]}")
