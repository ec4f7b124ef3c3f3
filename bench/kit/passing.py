"""bench/run pass: what an answer costs that must not be stored."""
from . import load, proof, rounds
from .candidates import CACHES, Relay

HELP = "1 KiB that must not be stored, passed on from the application, beside a bare relay and the peers"
CANDIDATES = [Relay, *CACHES]


def add_arguments(parser):
    rounds.add_arguments(parser, CANDIDATES)
    parser.add_argument("--size", type=int, default=1024, metavar="BYTES", help="content of an answer [1024]")


class Pass(rounds.Scenario):
    name = "pass"
    upstream_options = ("--cache-control", "no-store")
    asks_upstream = 1.

    def __init__(self, size, candidates):
        self.size = size
        self.title = f"{size} bytes, no-store"
        self.candidates = candidates

    def load(self, _candidate):
        return load.Load(self.size)

    def prepare(self, candidate, setting):
        proof.passes(candidate, setting.upstream, {})


def run(arguments):
    return rounds.run(arguments, "pass", [Pass(arguments.size, rounds.choose(arguments.only, CANDIDATES))])
