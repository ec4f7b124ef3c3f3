"""bench/run post: what a POST with content costs, which is passed on and makes what is stored for its URI invalid."""
from . import load, proof, rounds
from .candidates import CACHES, Relay

HELP = "POST with 1 KiB of content, answered by as much, beside a bare relay and the peers"
CANDIDATES = [Relay, *CACHES]


def add_arguments(parser):
    rounds.add_arguments(parser, CANDIDATES)
    parser.add_argument("--size", type=int, default=1024, metavar="BYTES",
                        help="content of a request, and of an answer [1024]")


class Post(rounds.Scenario):
    name = "post"
    asks_upstream = 1.

    def __init__(self, size, candidates):
        self.size = size
        self.title = f"POST, {size} bytes each way"
        self.candidates = candidates
        self.upstream_options = ("--cache-control", "no-store", "--content", size)

    def load(self, _candidate):
        return load.Load(self.size, method="POST", content="x" * self.size)

    def prepare(self, candidate, setting):
        proof.passes(candidate, setting.upstream, {}, "POST", b"x" * self.size)


def run(arguments):
    return rounds.run(arguments, "post", [Post(arguments.size, rounds.choose(arguments.only, CANDIDATES))])
