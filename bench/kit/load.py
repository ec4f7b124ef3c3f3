"""The load: wrk, or bench/load, which is cheaper and so shows more of what a fast server can do."""
import json
import subprocess

from . import machine
from .machine import BenchError
from .servers import PATH, PEERS

CONNECTIONS = 64

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


def command(generator, port, size, fields, seconds):
    """(command, what to send to its stdin)"""
    if generator == "wrk":
        headers = [word for name, value in fields.items() for word in ("-H", f"{name}: {value}")]
        return (["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(PEERS / "wrk.lua"), *headers,
                 f"http://127.0.0.1:{port}{PATH}"], "")
    head = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return [str(machine.compile_tool("load")), str(port), str(size), str(CONNECTIONS), str(seconds)], head


def run(generator, core, port, size, fields, seconds):
    """Loads the port for that long; returns what the generator reports: requests, seconds, p50_us, p99_us."""
    words, text = command(generator, port, size, fields, seconds)
    done = subprocess.run(["taskset", "-c", str(core), *words], input=text, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise BenchError(f"{generator} failed: {(done.stderr + done.stdout).strip()[-500:]}")
    report = json.loads(done.stdout.strip().splitlines()[-1])
    if report["errors"] or not report["requests"]:
        raise BenchError(f"{generator} met errors: {done.stdout.strip()[-500:]}")
    return report
