"""bench/run scaling: one event loop against two, over many keys and on one hot key."""
import os
import statistics
import time
from contextlib import ExitStack

from . import admin, load, machine, proof, rounds
from .candidates import Meshcache
from .machine import BenchError, say

HELP = "hits with one event loop and with two, over many keys and on one: what sharing the store costs"


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds [5]")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement [5]")
    parser.add_argument("--keys", type=int, default=10_000, metavar="N", help="many keys [10000]")
    rounds.add_common_arguments(parser)


class Threads(Meshcache):
    """meshcache with so many event loops, on as many cores."""

    def __init__(self, threads, core):
        super().__init__()
        self.threads = threads
        self.core = core
        self.name = f"{threads} thread{'s' * (threads > 1)}"

    def command(self, setting):
        words = super().command(setting)
        words[words.index("--threads") + 1] = self.threads
        return words

    def start(self, setting):
        setting.server_core = self.core
        super().start(setting)


def keep(candidate, setting, keys):
    """All keys are asked for, and then all are hits."""
    proof.hits(candidate, setting.upstream, {}, load.key_path(0))
    each = load.Load(setting.size, load.KEYED_PATH, options=("--sequence", 0, "--requests", keys, "--check"))
    for _ in range(2):
        before = setting.upstream.answered()
        load.run(setting.load_core, candidate.port, each, 600)
    if setting.upstream.answered() > before:
        raise BenchError(f"{candidate.name} does not keep {keys} keys")


def measure(candidate, setting, keys, seconds, cores):
    """Every core bears load, so that each event loop has enough of it; what the load takes of a core, the server
    cannot have. Counted is what the server answered, and what it spent on that, between two moments of full load."""
    asked = load.Load(setting.size, load.KEYED_PATH, options=("--zipf", keys, "--check"))
    pids = candidate.pids()

    def now():
        return (time.monotonic(), sum(machine.cpu_seconds(pids)),
                admin.metric(candidate.admin_port, 'meshcache_requests_total{cache="hit"}'))

    with ExitStack() as stack:
        for core in cores:
            stack.enter_context(load.Background(core, candidate.port, asked, seconds + 60))
        time.sleep(.5)
        before = now()
        time.sleep(seconds)
        after = now()
    candidate.server.check()
    took, cpu, hits = (b - a for a, b in zip(before, after))
    return {"rate": hits / took, "cpu_us": cpu / hits * 1e6, "busy": cpu / took}


def run(arguments):
    rounds.install([Meshcache])
    cores = sorted(os.sched_getaffinity(0))[-2:]
    machine.cores()  # says it where there are not two
    patience = time.monotonic() + arguments.wait_quiet
    output = rounds.Output(arguments, "scaling", f"hits of 1 KiB, load on both cores, medians of {arguments.rounds} "
                           f"alternating rounds of {arguments.seconds} s", rounds=arguments.rounds,
                           seconds=arguments.seconds)
    summary = {}
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, rounds.Keyed(), arguments.meshcache)
        candidates = [Threads(1, cores[0]), Threads(2, ",".join(map(str, cores)))]
        for candidate in candidates:
            stack.callback(candidate.stop)
            candidate.start(setting)
            keep(candidate, setting, arguments.keys)
        for title, keys in ((f"Zipf over {arguments.keys:,} keys", arguments.keys), ("one key", 1)):
            def measurement(candidate, number, title=title, keys=keys):
                rounds.wait_for_peace(patience)
                result = measure(candidate, setting, keys, arguments.seconds, cores)
                say(f"  {title}, round {number + 1}/{arguments.rounds}: {candidate.name} {result['rate']:,.0f}/s, "
                    f"{result['cpu_us']:.2f} us")
                return result

            for name, values in rounds.take_turns(candidates, arguments.rounds, measurement).items():
                summary[f"{title}, {name}"] = {what: statistics.median(v[what] for v in values)
                                               for what in values[0]} | {
                    "cpu_us_spread": rounds.spread([v["cpu_us"] for v in values])}
    lines = ["| | req/s | CPU µs per request | spread | cores it had | CPU against one thread's |",
             "|---|---|---|---|---|---|"]
    for name, s in summary.items():
        alone = summary[name.rpartition(",")[0] + ", 1 thread"]
        lines.append(f"| {name} | {s['rate']:,.0f} | {s['cpu_us']:.2f} | {s['cpu_us_spread']:.0%} | {s['busy']:.2f} | "
                     f"{s['cpu_us'] / alone['cpu_us']:.2f} |")
    output.add({"name": "scaling", "title": "one thread and two", "summary": summary}, "\n".join(lines))
    return 0
