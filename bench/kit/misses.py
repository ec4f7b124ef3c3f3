"""bench/run misses: new keys, fetched, stored, and with Redis written behind the answer."""
import http.client

from . import admin, load, proof, rounds
from .candidates import CACHES, Relay
from .machine import BenchError

HELP = "1 KiB of new keys: fetched and stored (with Redis written behind), beside a bare relay and the peers"
CANDIDATES = [Relay, *CACHES]


def add_arguments(parser):
    rounds.add_arguments(parser, CANDIDATES)


def puts(candidate):
    """How many records its Redis has taken; 0 without one."""
    return admin.metric(candidate.admin_port, "meshcache_redis_puts_total") if candidate.helpers else 0


class Misses(rounds.Scenario):
    name = "misses"
    title = "1 KiB, every key new"
    upstream_options = ("--keys",)
    asks_upstream = 1.

    def __init__(self, candidates):
        self.candidates = candidates
        self.next_key = {}
        self.puts = {}

    def load(self, candidate):
        first = self.next_key[candidate.name]
        self.puts[candidate.name] = puts(candidate)
        return load.Load(self.size, load.KEYED_PATH, options=("--sequence", first, "--check"))

    def prepare(self, candidate, setting):
        proof.misses(candidate, setting.upstream, range(3))
        self.next_key[candidate.name] = 100

    def after(self, candidate, report):
        self.next_key[candidate.name] = report["next_key"]

    def check(self, candidate, setting, report):
        """What was asked for last is stored; with Redis, how much of it Redis took."""
        last = report["next_key"] - 1
        if candidate.is_cache:
            connection = http.client.HTTPConnection("127.0.0.1", candidate.port, timeout=5)
            response, _ = proof.get(connection, {}, load.key_path(last))
            connection.close()
            if not candidate.is_hit(response):
                raise BenchError(f"{candidate.name} has not stored key {last}")
        if not candidate.helpers:
            return {}
        return {"written": (puts(candidate) - self.puts[candidate.name]) / report["requests"],
                "dropped": admin.metric(candidate.admin_port, 'meshcache_redis_puts_dropped_total{reason="queue-full"}')}

    def footer(self, result):
        return [f"\n{name}: Redis took {s['written']:.0%} of what was stored while it was measured; "
                f"{s['dropped']:,.0f} were dropped in all because the queue was full."
                for name, s in result["summary"].items() if "written" in s]


def run(arguments):
    return rounds.run(arguments, "misses", [Misses(rounds.choose(arguments.only, CANDIDATES))])
