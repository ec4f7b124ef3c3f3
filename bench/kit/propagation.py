"""bench/run propagation: from a change at one replica to its being visible at another."""
import http.server
import random
import socket
import threading
import time
from contextlib import ExitStack

from . import machine, replicas, rounds
from .machine import BenchError, say

HELP = "two replicas: from a change at one to its being visible at the other"
GIVE_UP = 5  # seconds


def add_arguments(parser):
    parser.add_argument("--changes", type=int, default=1000, metavar="N", help="of each kind [1000]")
    rounds.add_common_arguments(parser)


class Application:
    """Answers with a number that grows with each answer."""

    def __init__(self):
        self.number = 0
        lock = threading.Lock()
        application = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # head and content in one write

            def do_GET(self):
                with lock:
                    application.number += 1
                    content = b"%016d" % application.number
                self.send_response(200)
                self.send_header("Cache-Control", "max-age=3600")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Client:
    """One kept connection, as little in the way as Python allows."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method="GET", fields=b""):
        """(status, what of the head is behind Cache-Status, number in the content)"""
        content = b"Content-Length: 0\r\n" if method == "POST" else b""
        self.socket.sendall(b"%s /counter HTTP/1.1\r\nHost: %s\r\n%s%s\r\n" %
                            (method.encode(), replicas.HOST.encode(), fields, content))
        got = b""
        while b"\r\n\r\n" not in got or (got.startswith(b"HTTP/1.1 200") and
                                         len(got.partition(b"\r\n\r\n")[2]) < 16):
            more = self.socket.recv(4096)
            if not more:
                raise BenchError("a replica closed the connection")
            got += more
        head, _, content = got.partition(b"\r\n\r\n")
        mark = head.partition(b"Cache-Status: ")[2].partition(b"\r\n")[0]
        return int(head[9:12]), mark, int(content or 0)

    def get(self):
        """The number that is answered now."""
        status, _, number = self.ask()
        if status != 200:
            raise BenchError(f"a replica answers {status}")
        return number


def wait_for_change(client, old, began):
    """Milliseconds from `began` to the sending of the first request that was not answered with `old`, and its
    number."""
    while True:
        sent = time.monotonic()
        number = client.get()
        if number != old:
            return (sent - began) * 1e3, number
        if sent > began + GIVE_UP:
            raise BenchError(f"after {GIVE_UP} s the other replica still answers what was changed")


def stored(writer, reader, application):
    """One replica fetches a new answer, which the other one has to show. None where that one asked the
    application itself."""
    old = reader.get()
    status, mark, new = writer.ask(fields=b"Cache-Control: no-cache\r\n")
    began = time.monotonic()
    if status != 200 or b"stored" not in mark or new <= old:
        raise BenchError(f"the first replica does not store what it fetched: {status}, {mark.decode()}")
    took, seen = wait_for_change(reader, old, began)
    return took if seen == new and application.number == new else None


def invalidated(writer, reader, _application):
    """A POST at one replica makes invalid what the other one holds."""
    old = reader.get()
    status, _, _ = writer.ask("POST")
    began = time.monotonic()
    if status != 204:
        raise BenchError(f"the first replica answers POST with {status}")
    took, seen = wait_for_change(reader, old, began)
    if seen < old:
        raise BenchError(f"the second replica went back from {old} to {seen}")
    return took


KINDS = {"stored": ("a new response is stored", stored), "invalidated": ("a POST makes it invalid", invalidated)}


def measure(change, count, writer, reader, application, rng):
    """Sorted milliseconds, and how many changes told nothing."""
    times, void = [], 0
    for _ in range(count):
        time.sleep(rng.random() * .005)  # so as not to march in step with anything
        took = change(writer, reader, application)
        if took is None:
            void += 1
        else:
            times.append(took)
    if not times:
        raise BenchError("the second replica always asked the application itself")
    return sorted(times), void


def at(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def run(arguments):
    machine.install_missing({"redis-server": "redis-server", "taskset": "util-linux"})
    output = rounds.Output(arguments, "propagation", f"two replicas, one Redis, {arguments.changes} changes of each "
                                                     "kind, one after the other", changes=arguments.changes)
    rng = random.Random(1)
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, rounds.Scenario(), arguments.meshcache)
        application = Application()
        stack.callback(application.stop)
        group = replicas.Group(stack, setting, 2, application.port)
        writer, reader = (Client(replica.port) for replica in group.replicas)
        summary = {}
        for name, (title, change) in KINDS.items():
            say(f"  {title}")
            if arguments.wait_quiet:
                machine.wait_until_quiet(arguments.wait_quiet)
            times, void = measure(change, arguments.changes, writer, reader, application, rng)
            summary[name] = {"p50_ms": at(times, .5), "p99_ms": at(times, .99), "max_ms": times[-1], "void": void}
    rows = [f"| {KINDS[name][0]} | {s['p50_ms']:.2f} | {s['p99_ms']:.2f} | {s['max_ms']:.2f} | {s['void']} |"
            for name, s in summary.items()]
    output.add({"name": "propagation", "title": "from a change at one replica to its being visible at another",
                "summary": summary},
               "\n".join(["| change | p50 ms | p99 ms | longest ms | void |", "|---|---|---|---|---|", *rows, "",
                          "void: the other replica asked the application itself before it saw the change."]))
    return 0
