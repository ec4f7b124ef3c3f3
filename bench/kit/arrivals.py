"""bench/run arrivals: many connections, each of which asks now and then."""
import time
from contextlib import ExitStack

from . import load, pace, proof, rounds
from .candidates import CACHES, Limit
from .machine import say

HELP = "1,000 connections, each with a request now and then: latency and CPU per request"
CANDIDATES = [Limit, *CACHES]


def add_arguments(parser):
    rounds.add_arguments(parser, CANDIDATES)
    parser.add_argument("--connections", type=int, default=1000, metavar="N", help="kept-alive connections [1000]")
    parser.add_argument("--rate", type=int, default=5000, metavar="N", help="requests a second over all of them [5000]")


def run(arguments):
    kinds = rounds.choose(arguments.only, CANDIDATES)
    rounds.install(kinds)
    patience = time.monotonic() + arguments.wait_quiet
    pause = arguments.connections / arguments.rate
    title = f"{arguments.connections:,} connections, each asks every {pause * 1000:.0f} ms"
    output = rounds.Output(arguments, "arrivals",
                           f"{arguments.rate:,} hits of 1 KiB a second at even distances, medians of "
                           f"{arguments.rounds} alternating rounds of {arguments.seconds} s",
                           connections=arguments.connections, rate=arguments.rate, rounds=arguments.rounds,
                           seconds=arguments.seconds, realtime=bool(pace.realtime()))
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, rounds.Scenario(), arguments.meshcache)
        candidates = [kind() for kind in kinds]
        for candidate in candidates:
            stack.callback(candidate.stop)
            candidate.start(setting)
            proof.hits(candidate, setting.upstream, {})

        def measurement(candidate, number):
            result = rounds.in_peace(patience, lambda: pace.measure(
                candidate, setting, load.Load(setting.size), arguments.seconds, arguments.rate,
                connections=arguments.connections))
            say(f"  round {number + 1}/{arguments.rounds}: {candidate.name:<16}p99 {result['p99_us']:>6,} us, "
                f"{result['cpu_us']:6.2f} us of CPU")
            return result

        results = rounds.take_turns(candidates, arguments.rounds, measurement)
        summary = {name: pace.summarise(values) for name, values in results.items()}
        peers = [candidate.name for candidate in candidates if candidate.is_peer]
        output.add({"name": "arrivals", "title": title, "peers": peers, "rounds": results, "summary": summary},
                   pace.table(title, summary, peers))
    return 0
