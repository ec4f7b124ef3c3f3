"""bench/run conditional: 304 to a client that has what is stored."""
from . import load, proof, rounds
from .candidates import CACHES, Limit

HELP = "304 to a conditional request for what is stored, beside the bare limit and the peers"
CANDIDATES = [Limit, *CACHES]


def add_arguments(parser):
    rounds.add_arguments(parser, CANDIDATES)


class Conditional(rounds.Scenario):
    name = "conditional"
    title = "304 to If-None-Match"
    limit_options = ("--status", "304")
    fields = {"If-None-Match": '"bench-1024"'}

    def __init__(self, candidates):
        self.candidates = candidates

    def load(self, _candidate):
        return load.Load(0, fields=self.fields, status=304)

    def prepare(self, candidate, setting):
        proof.not_modified(candidate, setting.upstream, self.fields)


def run(arguments):
    return rounds.run(arguments, "conditional", [Conditional(rounds.choose(arguments.only, CANDIDATES))])
