"""bench/run mix: hits with some new keys among them, as a cache sees it."""
from . import load, proof, rounds
from .candidates import CACHES

HELP = "95 % hits over 10,000 keys by Zipf's law, 5 % new keys: with Redis, without, and the peers"
NEW_KEYS = 10_000_000  # where they begin


def add_arguments(parser):
    rounds.add_arguments(parser, CACHES)
    parser.add_argument("--keys", type=int, default=10_000, metavar="N", help="number of warm keys [10000]")
    parser.add_argument("--every", type=int, default=20, metavar="N",
                        help="one request in so many is for a new key [20]")


class Mix(rounds.Scenario):
    name = "mix"
    upstream_options = ("--keys",)

    def __init__(self, keys, every, candidates):
        self.keys = keys
        self.every = every
        self.asks_upstream = 1 / every
        self.tolerated = .002  # what is seldom asked for may have made way for a new key
        self.title = f"{1 - 1 / every:.0%} hits over {keys:,} keys of 1 KiB, the others new"
        self.candidates = candidates
        self.next_new = {}

    def load(self, candidate):
        first = self.next_new.get(candidate.name, NEW_KEYS)
        return load.Load(self.size, load.KEYED_PATH,
                         options=("--zipf", self.keys, "--new", self.every, first, "--check"))

    def after(self, candidate, report):
        self.next_new[candidate.name] = self.next_new.get(candidate.name, NEW_KEYS) + report["new_keys"]

    def prepare(self, candidate, setting):
        proof.misses(candidate, setting.upstream, [NEW_KEYS - 1])
        proof.keeps(candidate, setting, self)

    def footer(self, result):
        """With Redis against without, in one line."""
        without, with_redis = (result["summary"].get(name) for name in ("meshcache", "meshcache+redis"))
        if not without or not with_redis:
            return []
        return [f"\nmeshcache+redis against meshcache: {with_redis['rate'] / without['rate']:.2f} of the rate, "
                f"{with_redis['cpu_us'] / without['cpu_us']:.2f} of the CPU per request, "
                f"{with_redis['p50_us'] / max(1, without['p50_us']):.2f} of p50, "
                f"{with_redis['p99_us'] / max(1, without['p99_us']):.2f} of p99."]


def run(arguments):
    scenario = Mix(arguments.keys, arguments.every, rounds.choose(arguments.only, CACHES))
    return rounds.run(arguments, "mix", [scenario])
