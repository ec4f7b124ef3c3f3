#!/usr/bin/env python3
"""Counts the instructions that meshcache spends on a request, and holds them against the limits beside this file.

Usage: count.py BINARY [--only NAME,...]   exit code 1 if a limit is passed, 77 if counting is not possible here
       count.py BINARY --update            writes the limits anew, a little above what was counted

A count does not depend on how busy the machine is, as a time does: callgrind counts what runs in user space, and
what the event loop does by the clock is counted while nothing else happens, and taken off. It does depend on the
compiler and the C library: the limits hold for the ones that are named in their file.
"""
import argparse
import platform
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

LIMITS = Path(__file__).with_name("limits.txt")
SKIPPED = 77
SLACK = 1.06  # of a new limit above what was counted
BROWSER = (b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
           b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
           b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n"
           b"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
           b"Sec-Fetch-Site: none\r\nSec-Fetch-User: ?1\r\nPriority: u=0, i\r\n")
CONTENT = b"x" * 1024


class Answer(socketserver.StreamRequestHandler):
    """One connection of the application: answers of 1 KiB, stored but for /pass."""

    def handle(self):
        while line := self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            control = b"no-store" if line.split(b" ")[1] == b"/pass" else b"max-age=60000"
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"1\"\r\nCache-Control: " + control +
                             b"\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT)


class Application(socketserver.ThreadingTCPServer):
    daemon_threads = True


class Client:
    """One kept connection; reads every answer to its end."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def ask(self, target, fields, status, depth):
        self.socket.sendall((b"GET " + target + b" HTTP/1.1\r\nHost: bench.example\r\n" + fields + b"\r\n") * depth)
        got = b""
        for _ in range(depth):
            while b"\r\n\r\n" not in got:
                got += self.receive()
            head, _, got = got.partition(b"\r\n\r\n")
            if head.split(b" ")[1] != status:
                sys.exit(f"an unexpected answer: {head!r}")
            length = len(CONTENT) if status == b"200" else 0
            while len(got) < length:
                got += self.receive()
            got = got[length:]

    def receive(self):
        more = self.socket.recv(1 << 16)
        if not more:
            sys.exit("meshcache closed a connection")
        return more


class Scenario:
    def __init__(self, what, requests, target=b"/a", fields=b"", status=b"200", depth=1):
        self.what, self.requests, self.target, self.fields, self.status, self.depth = (
            what, requests, target, fields, status, depth)
        self.asked = 0

    def run(self, clients, requests):
        for i in range(requests // self.depth):
            self.asked += 1
            target = b"/new/%d" % self.asked if self.target == b"/new" else self.target
            clients[i % len(clients)].ask(target, self.fields, self.status, self.depth)


SCENARIOS = {
    "bare": Scenario("a hit, Host alone", 1000),
    "browser": Scenario("a hit with a browser's eleven fields", 1000, fields=BROWSER),
    "not-modified": Scenario("a 304 from the store", 1000, fields=b"If-None-Match: \"1\"\r\n", status=b"304"),
    "pipelined": Scenario("a hit, sixteen sent together", 3200, depth=16),
    "miss": Scenario("a miss that is stored", 300, target=b"/new"),
    "pass": Scenario("an answer that is not stored", 300, target=b"/pass"),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Counter:
    """meshcache under callgrind."""

    def __init__(self, binary, upstream, directory):
        self.directory, self.port, self.dumps = directory, free_port(), 0
        self.process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out", "-q", binary,
             "--listen", f"127.0.0.1:{self.port}", "--upstream", f"127.0.0.1:{upstream}",
             "--admin", f"127.0.0.1:{free_port()}", "--threads", "1", "--memory", "64MiB", "--access-log", "off",
             "--log-level", "warn"])

    def connect(self):
        until = time.monotonic() + 60
        while True:
            try:
                return Client(self.port)
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit("meshcache does not listen")
                time.sleep(.05)

    def take(self):
        """The instructions since the last time."""
        self.dumps += 1
        subprocess.run(["callgrind_control", "--dump", str(self.process.pid)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        text = Path(f"{self.directory}/out.{self.dumps}").read_text()
        return int(re.search(r"^totals: (\d+)", text, re.M).group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def count(binary, names):
    """Instructions for one request of each scenario, by name."""
    application = Application(("127.0.0.1", 0), Answer)
    threading.Thread(target=application.serve_forever, daemon=True).start()
    counted = {}
    with tempfile.TemporaryDirectory(prefix="meshcache-count-") as directory:
        counter = Counter(binary, application.server_address[1], directory)
        try:
            clients = [counter.connect() for _ in range(4)]
            for name in names:
                SCENARIOS[name].run(clients, 64)
            counter.take()
            began = time.monotonic()
            time.sleep(.5)
            by_the_clock = counter.take() / (time.monotonic() - began)
            for name in names:
                scenario, spent = SCENARIOS[name], []
                for requests in (scenario.requests, 3 * scenario.requests):
                    began = time.monotonic()
                    scenario.run(clients, requests)
                    spent.append(counter.take() - by_the_clock * (time.monotonic() - began))
                counted[name] = round((spent[1] - spent[0]) / (2 * scenario.requests))
        finally:
            counter.stop()
            application.shutdown()
    return counted


def read_limits():
    lines = (line.split("#")[0].split() for line in LIMITS.read_text().splitlines())
    return {name: int(most) for name, most in filter(None, lines)}


def write_limits(counted):
    comments = [line for line in LIMITS.read_text().splitlines() if line.startswith("#")]
    rows = [f"{name:<13} {-(-int(n * SLACK) // 10) * 10}" for name, n in counted.items()]
    LIMITS.write_text("\n".join(comments + rows) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--only", metavar="NAME,...", help="of " + ", ".join(SCENARIOS))
    parser.add_argument("--update", action="store_true", help="write the limits anew")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("skipped: it needs valgrind")
        return SKIPPED
    if platform.machine() != "x86_64":
        print("skipped: the limits are for x86-64")
        return SKIPPED
    names = arguments.only.split(",") if arguments.only else list(SCENARIOS)
    counted = count(arguments.binary, names)
    if arguments.update:
        write_limits({**read_limits(), **counted})
    limits = read_limits()
    passed = [name for name in names if counted[name] > limits[name]]
    for name in names:
        print(f"{name:<13} {counted[name]:>6} of {limits[name]:>6}  {SCENARIOS[name].what}"
              + (": MORE THAN THE LIMIT" if name in passed else ""))
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
