"""bench/run zipf: hits over many keys, some asked for often and most seldom."""
from . import load, proof, rounds
from .candidates import CACHES, Limit

HELP = "hits over 100,000 warm keys of 1 KiB by Zipf's law, beside the bare limit and the peers"
CANDIDATES = [Limit, *CACHES]


def add_arguments(parser):
    rounds.add_arguments(parser, CANDIDATES)
    parser.add_argument("--keys", type=int, default=100_000, metavar="N", help="number of keys [100000]")


class Zipf(rounds.Scenario):
    name = "zipf"
    upstream_options = ("--keys",)
    limit_options = ("--keys",)
    tolerated = .001  # HAProxy knows keys by 32 bits of a hash, so that one in 100,000 is taken for another

    def __init__(self, keys, candidates):
        self.keys = keys
        self.title = f"1 KiB, Zipf over {keys:,} keys"
        self.candidates = candidates

    def load(self, _candidate):
        return load.Load(self.size, load.KEYED_PATH, options=("--zipf", self.keys, "--check"))

    def prepare(self, candidate, setting):
        if not candidate.is_cache:
            return
        proof.hits(candidate, setting.upstream, {}, load.key_path(7))
        proof.keeps(candidate, setting, self)


def run(arguments):
    scenario = Zipf(arguments.keys, rounds.choose(arguments.only, CANDIDATES))
    return rounds.run(arguments, "zipf", [scenario])
