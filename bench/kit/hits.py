"""bench/run hits: what an answer from the cache costs, beside the bare limit and the peers."""
from . import load, proof, rounds
from .candidates import CACHES, Limit

HELP = "hits on one core: requests a second, CPU per request, latency, beside the bare limit and the peers"
CANDIDATES = [Limit, *CACHES]


def add_arguments(parser):
    rounds.add_arguments(parser, CANDIDATES)
    parser.add_argument("--size", type=int, action="append", metavar="BYTES",
                        help="content of an answer; may be repeated [1024, and 65536 with bare requests]")
    parser.add_argument("--fields", choices=["bare", "browser", "both"],
                        help="field lines of a request: Host alone, or a browser's eleven besides [both]")
    parser.add_argument("--generator", choices=load.GENERATORS, default="wrk",
                        help="wrk, or light: bench/load, which costs less than the servers do [wrk]")


class Hits(rounds.Scenario):
    def __init__(self, size, kind, candidates, generator):
        self.name = f"{size} B, {kind}"
        self.title = f"{size} bytes, {'a bare request' if kind == 'bare' else 'a browser’s eleven fields'}"
        self.size = size
        self.fields = load.FIELDS[kind]
        self.candidates = candidates
        self.generator = generator

    def load(self, _candidate):
        return load.Load(self.size, fields=self.fields)

    def prepare(self, candidate, setting):
        proof.hits(candidate, setting.upstream, self.fields)


def tables(arguments):
    """(size, name of the fields) of each table."""
    if arguments.size is None and arguments.fields is None:
        return [(1024, "bare"), (1024, "browser"), (65536, "bare")]
    kinds = [arguments.fields] if arguments.fields in ("bare", "browser") else ["bare", "browser"]
    return [(size, kind) for size in arguments.size or [1024] for kind in kinds]


def run(arguments):
    candidates = rounds.choose(arguments.only, CANDIDATES)
    scenarios = [Hits(size, kind, candidates, arguments.generator) for size, kind in tables(arguments)]
    return rounds.run(arguments, "hits", scenarios, arguments.generator)
