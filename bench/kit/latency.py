"""bench/run latency: how long hits take at a fixed rate, in peace and while something else goes on."""
import re
import signal
import statistics
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime

from . import admin, load, pace, proof, rounds, servers, turns
from .candidates import CACHES
from .machine import BenchError, say

HELP = ("latency of hits at half of the best peer's peak rate: in peace, while new keys are fetched and written "
        "behind, while keys are purged by tag or compared with Redis, while Redis hangs")
HOT_KEYS = 1000  # from 0 on, with tag t00
TAGGED = 1_000_000  # the first key with tag t01
RECONCILIATION = re.compile(r"^(\S+)Z \w+ redis \S+ (?:the change log has a gap after .*|reconciled)$", re.M)
PEAK_SECONDS = 2


def add_arguments(parser):
    rounds.add_arguments(parser, CACHES)
    parser.add_argument("--rate", type=int, metavar="N", help="requests a second [half of the best peer's peak]")
    parser.add_argument("--purged", type=int, default=100_000, metavar="N", help="keys purged by one tag, or reconciled [100000]")
    parser.add_argument("--while", dest="situations", metavar="NAME,...",
                        help="of " + ", ".join(SITUATIONS) + " [all]")


class Hot(rounds.Scenario):
    upstream_options = ("--keys", "--tags")


def hits():
    return load.Load(Hot.size, load.KEYED_PATH, options=("--zipf", HOT_KEYS, "--check"))


def sequence(first, *more):
    return load.Load(Hot.size, load.KEYED_PATH, options=("--sequence", first, "--check", *more))


def warm(candidate, setting):
    proof.hits(candidate, setting.upstream, {}, load.key_path(7))
    for _ in range(2):
        load.run(setting.load_core, candidate.port, sequence(0, "--requests", HOT_KEYS), 60)


class Bench:
    """What the situations need: the setting, and keys that were never asked for. What they find out beside the
    latency is in `noted`."""

    def __init__(self, setting, arguments):
        self.setting = setting
        self.noted = {}
        self.turns = {}
        self.seconds = arguments.seconds
        self.purged = arguments.purged
        self.new_key = 10_000_000

    def new_keys(self, rate, *more):
        """For a load that asks at most so often a second."""
        first = self.new_key
        self.new_key += rate * (self.seconds + 5)
        if self.new_key > 99_999_999:
            raise BenchError("eight digits are used up: fewer --rounds or --seconds are needed")
        return sequence(first, *more)

    def note(self, candidate, text, value):
        self.noted.setdefault((candidate.name, text), []).append(value)

    @contextmanager
    def watch_turns(self, candidate):
        """Notes how long its event loops were busy at a stretch meanwhile; main's turns are those for reading this,
        too."""
        before = turns.read(candidate)
        yield
        self.turns.setdefault(candidate.name, turns.Turns()).add(before, turns.read(candidate))

    def take_notes(self):
        """Lines of Markdown with the medians of what was noted, and the longest turns of event loops."""
        lines = [f"{name}: {text.format(statistics.median(values))} (median of {len(values)})."
                 for (name, text), values in self.noted.items()]
        lines += [f"{name}: turns of its event loops meanwhile, CPU time: {seen.describe()}."
                  for name, seen in self.turns.items()]
        self.noted, self.turns = {}, {}
        return ["", *lines] if lines else []


@contextmanager
def peace(_bench, _candidate):
    yield []


@contextmanager
def misses(bench, candidate):
    """New keys, one after the other on 16 connections, as fast as they come."""
    if candidate.helpers:
        before = admin.metric(candidate.admin_port, "meshcache_redis_puts_total")
    with load.Background(bench.setting.load_core, candidate.port, bench.new_keys(100_000),
                         bench.seconds + 5, connections=16) as background:
        yield [background.process.pid]
    if candidate.helpers:
        written = admin.metric(candidate.admin_port, "meshcache_redis_puts_total") - before
        say(f"  {candidate.name}: {written / bench.seconds:,.0f} records a second written behind")
        if not written:
            raise BenchError(f"{candidate.name} wrote nothing to Redis while it stored new keys")


def keep_tagged(bench, candidate):
    """All the tagged keys are stored."""
    upstream = bench.setting.upstream
    for _ in range(2):
        answered = upstream.answered()
        load.run(bench.setting.load_core, candidate.port, sequence(TAGGED, "--requests", bench.purged), 600)
    if upstream.answered() - answered > bench.purged / 1000:
        raise BenchError(f"{candidate.name} does not keep {bench.purged} keys")
    if candidate.helpers:
        wait_until_ready(candidate)


@contextmanager
def later(bench, action):
    """Does it a third of the way through, and is over when it is."""
    failure = []

    def run_action():
        time.sleep(bench.seconds / 3)
        try:
            action()
        except (BenchError, OSError) as error:
            failure.append(error)

    thread = threading.Thread(target=run_action)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failure:
        raise failure[0]


@contextmanager
def purge(bench, candidate):
    """One purge of a tag that many stored responses have. They are all stored before, and none is afterwards."""
    upstream = bench.setting.upstream
    keep_tagged(bench, candidate)

    def purge_tag():
        began = time.monotonic()
        admin.ask(candidate.admin_port, "/purge?tag=t01", "POST")
        bench.note(candidate, "the purge was answered after {:.1f} ms", (time.monotonic() - began) * 1e3)

    with bench.watch_turns(candidate), later(bench, purge_tag):
        yield []
    for key, expected in ((0, True), (TAGGED, False), (TAGGED + bench.purged - 1, False)):
        with proof.Prover(candidate, upstream, load.key_path(key)) as prover:
            if prover.ask({}) != expected:
                prover.fail(f"key {key} is {'not ' if expected else ''}a hit after the purge of tag t01")


@contextmanager
def reconcile(bench, candidate):
    """The change log is gone, so that everything that is stored has to be compared with Redis."""
    keep_tagged(bench, candidate)
    # What has no end cannot lose it: the log has an entry, and the replica has read it.
    load.run(bench.setting.load_core, candidate.port, bench.new_keys(1, "--requests", 1), 60)
    wait_until_ready(candidate)

    def lose_the_log():
        # Its log tells when, and costs it nothing: to ask it would be work on the core that is measured.
        before = len(candidate.server.log.read_text())
        candidate.redis.command("DEL", "mc:{default:0}:log")
        limit = time.monotonic() + 60
        while len(times := RECONCILIATION.findall(candidate.server.log.read_text()[before:])) < 2:
            if time.monotonic() > limit:
                raise BenchError(f"{candidate.name} did not reconcile within a minute")
            time.sleep(.05)
        began, ended = map(datetime.fromisoformat, times[:2])
        bench.note(candidate, "reconciliation took {:.2f} s", (ended - began).total_seconds())

    with bench.watch_turns(candidate), later(bench, lose_the_log):
        yield []
    wait_until_ready(candidate)


@contextmanager
def hang(bench, candidate):
    """Redis stands still, and a hundred new keys a second would be looked up there."""
    for pid in candidate.redis.pids():
        servers.send_signal(pid, signal.SIGSTOP)
    try:
        with load.Background(bench.setting.load_core, candidate.port, bench.new_keys(200), bench.seconds + 5,
                             "--rate", 100) as background:
            yield [background.process.pid]
    finally:
        for pid in candidate.redis.pids():
            servers.send_signal(pid, signal.SIGCONT)
    wait_until_ready(candidate)


def wait_until_ready(candidate, limit=60):
    end = time.monotonic() + limit
    while True:
        stats = admin.stats(candidate.admin_port)
        if stats["redis_state"] == "ready" and stats["queue_bytes"] == 0:
            return
        if time.monotonic() > end:
            raise BenchError(f"{candidate.name} has not found its Redis again: {stats}")
        time.sleep(.1)


# name -> (title, what goes on, which candidates can do it)
SITUATIONS = {
    "peace": ("hits alone", peace, lambda c: True),
    "misses": ("while new keys are fetched and stored (with Redis: and written behind) at full rate", misses,
               lambda c: True),
    "purge": ("while {purged:,} stored responses are purged by one tag", purge,
              lambda c: c.name.startswith("meshcache")),
    "reconcile": ("while {purged:,} stored responses are compared with Redis, whose change log was lost", reconcile,
                  lambda c: bool(c.helpers)),
    "hang": ("while Redis hangs, with 100 new keys a second", hang, lambda c: bool(c.helpers)),
}


def peak_rate(candidates, setting):
    """The rate of the fastest of the peers, or of all where there is no peer."""
    peers = [c for c in candidates if c.is_peer] or candidates
    best = 0
    for candidate in peers:
        report = load.run(setting.load_core, candidate.port, hits(), PEAK_SECONDS)
        say(f"  peak of {candidate.name}: {report['requests'] / report['seconds']:,.0f}/s")
        best = max(best, report["requests"] / report["seconds"])
    return best


def choose_situations(names):
    chosen = names.split(",") if names else list(SITUATIONS)
    unknown = [name for name in chosen if name not in SITUATIONS]
    if unknown:
        raise BenchError(f"no such situation: {', '.join(unknown)}; there are {', '.join(SITUATIONS)}")
    return chosen


def run(arguments):
    situations = choose_situations(arguments.situations)
    kinds = rounds.choose(arguments.only, CACHES)
    rounds.install(kinds)
    patience = time.monotonic() + arguments.wait_quiet
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, Hot(), arguments.meshcache)
        candidates = [kind() for kind in kinds]
        for candidate in candidates:
            stack.callback(candidate.stop)
            candidate.log_level = "info"  # reconcile() reads it
            candidate.start(setting)
            warm(candidate, setting)
        rate = arguments.rate or round(peak_rate(candidates, setting) / 2)
        output = rounds.Output(arguments, "latency",
                               f"hits at {rate:,} requests a second at even distances over {load.CONNECTIONS} "
                               f"connections, medians of {arguments.rounds} alternating rounds of "
                               f"{arguments.seconds} s",
                               rate=rate, rounds=arguments.rounds, seconds=arguments.seconds,
                               realtime=bool(pace.realtime()))
        bench = Bench(setting, arguments)
        peers = [candidate.name for candidate in candidates if candidate.is_peer]
        reference = None
        for name in situations:
            title, going_on, able = SITUATIONS[name]
            taking_part = [candidate for candidate in candidates if able(candidate)]
            if not taking_part:
                say(f"  {name}: no candidate for it")
                continue

            def measurement(candidate, number, name=name, going_on=going_on):
                result = rounds.in_peace(patience, lambda: pace.measure(
                    candidate, setting, hits(), arguments.seconds, rate, during=going_on(bench, candidate)))
                say(f"  {name}, round {number + 1}/{arguments.rounds}: {candidate.name:<16}"
                    f"p99 {result['p99_us']:>6,} us, p99.9 {result['p999_us']:>6,} us")
                return result

            results = rounds.take_turns(taking_part, arguments.rounds, measurement)
            summary = {candidate: pace.summarise(values) for candidate, values in results.items()}
            if name == "peace":
                reference = pace.best(summary, peers)
            full = title.format(purged=arguments.purged)
            output.add({"name": name, "title": full, "peers": peers, "rounds": results, "summary": summary},
                       "\n".join([pace.table(full, summary, peers, None if pace.best(summary, peers) else reference),
                                  *bench.take_notes()]))
    return 0
