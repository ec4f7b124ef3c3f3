"""The proof, before anything is measured, that a candidate does what the scenario is about."""
import http.client
import time

from .load import KEYED_PATH, PATH, Load, key_path
from .load import run as run_load
from .machine import BenchError


def get(connection, fields, path=PATH, method="GET", posted=None):
    connection.request(method, path, posted, fields)
    response = connection.getresponse()
    return response, response.read()


class Prover:
    """One kept connection to a candidate. Everything raises BenchError where the candidate does otherwise."""

    def __init__(self, candidate, upstream, path=PATH, method="GET", posted=None):
        self.candidate = candidate
        self.upstream = upstream
        self.request = (path, method, posted)
        self.expected = content(upstream, *self.request)
        self.connection = http.client.HTTPConnection("127.0.0.1", candidate.port, timeout=5)
        self.connection.connect()
        self.socket = self.connection.sock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def fail(self, why):
        raise BenchError(f"{self.candidate.name}: {why}")

    def ask(self, fields, status=200, expected=None):
        """Asks once; whether the answer is marked as a hit."""
        response, got = get(self.connection, fields, *self.request)
        expected = self.expected if expected is None else expected
        if response.status != status or got != expected:
            self.fail(f"answers {response.status} with {len(got)} bytes that are not the upstream's")
        if self.connection.sock is not self.socket:
            self.fail("does not keep the connection")
        return not self.candidate.is_cache or self.candidate.is_hit(response)

    def ask_until_hit(self, fields):
        end = time.monotonic() + 5
        while not self.ask(fields):
            if time.monotonic() > end:
                self.fail("does not answer from its cache: no mark of a hit")
            time.sleep(.02)


def content(upstream, path, method="GET", posted=None):
    """What the upstream itself answers."""
    direct = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)
    _, got = get(direct, {}, path, method, posted)
    direct.close()
    if len(got) != upstream.size:
        raise BenchError(f"the upstream answers {len(got)} bytes instead of {upstream.size}")
    return got


def hits(candidate, upstream, fields, path=PATH):
    """Kept-alive connections are answered from the cache, and with what the upstream says. Warm afterwards."""
    with Prover(candidate, upstream, path) as prover:
        prover.ask_until_hit(fields)
        before = upstream.answered()
        for _ in range(20):
            if not prover.ask(fields):
                prover.fail("does not answer each request from its cache")
        if upstream.answered() != before:
            prover.fail("asks the upstream although it marks hits")


def not_modified(candidate, upstream, fields):
    """A conditional request is answered by 304 without content, from the cache."""
    with Prover(candidate, upstream) as prover:
        if candidate.is_cache:
            prover.ask_until_hit({})
        before = upstream.answered()
        for _ in range(20):
            prover.ask(fields, 304, b"")
        if upstream.answered() != before:
            prover.fail("asks the upstream instead of answering from its cache")


def passes(candidate, upstream, fields, method="GET", posted=None):
    """Each request reaches the upstream, and its answer the client."""
    with Prover(candidate, upstream, PATH, method, posted) as prover:
        for _ in range(20):
            before = upstream.answered()
            if prover.ask(fields) and candidate.is_cache:
                prover.fail("marks a hit although the answer must not be stored")
            if upstream.answered() != before + 1:
                prover.fail("does not ask the upstream once for each request")


def misses(candidate, upstream, keys):
    """The answer of a new key comes from the upstream, and is stored: asked again, it is a hit."""
    for key in keys:
        with Prover(candidate, upstream, key_path(key)) as prover:
            before = upstream.answered()
            if prover.ask({}) and candidate.is_cache:
                prover.fail("marks a hit although the key is new")
            if upstream.answered() != before + 1:
                prover.fail("does not ask the upstream once for a new key")
            if candidate.is_cache:
                prover.ask_until_hit({})


def keeps(candidate, setting, scenario):
    """All of the scenario's keys are asked for, and then all are hits, but for the part that it tolerates. What is
    stored behind the answer may need a second time."""
    each = Load(scenario.size, KEYED_PATH, options=("--sequence", 0, "--requests", scenario.keys, "--check"))
    for _ in range(3):
        before = setting.upstream.answered()
        run_load(setting.load_core, candidate.port, each, 600)
        missed = setting.upstream.answered() - before
        if missed <= scenario.tolerated * scenario.keys:
            return
    raise BenchError(f"{candidate.name} does not keep {scenario.keys} keys: the third time, {missed} were misses")
