"""Alternating rounds of several candidates under one load, and the table of them."""
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from . import load, machine, servers
from .machine import BenchError, say

# A rate says something about the server only if its core had nothing to spare.
BUSY = .90
# More than this part of a core taken by others spoils a round.
FOREIGN = .05
# CPU time comes in ticks of 10 ms: below this a figure is mostly rounding.
LEAST_CPU = .25


class Scenario:
    """One table. Subclasses say what is asked and what a candidate must prove before."""
    name = ""  # in the progress and in the JSON
    title = ""
    candidates = []  # their classes
    size = 1024  # bytes of the upstream's content
    upstream_options = ()  # of bench/limit
    limit_options = ()  # of bench/limit as a candidate
    generator = "light"
    asks_upstream = 0.  # with this part of the requests
    tolerated = 0.  # and with this part more

    def load(self, candidate):
        """The load.Load of the next measurement."""
        raise NotImplementedError

    def prepare(self, candidate, setting):
        """Proves that the candidate does what is to be measured, and warms it."""
        raise NotImplementedError

    def after(self, candidate, report):
        """After each run of the load, the warm-up included."""

    def check(self, candidate, setting, report):
        """After each measurement; raises BenchError, or returns figures to add to it."""
        return {}

    def footer(self, result):
        """Lines of Markdown below the table."""
        return []


class Keyed(Scenario):
    """For measurements of many keys that have a table of their own: the contents tell their keys."""
    upstream_options = ("--keys",)


def add_arguments(parser, candidates):
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds [5]")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement [5]")
    parser.add_argument("--only", metavar="NAME,...", help="of " + ", ".join(c.name for c in candidates))
    add_common_arguments(parser)


def add_common_arguments(parser, timed=True):
    parser.add_argument("--meshcache", metavar="PATH", help="the binary [build/release/meshcache]")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    if not timed:
        return
    parser.add_argument("--wait-quiet", type=int, default=0, metavar="SECONDS",
                        help="measure only while nothing else runs on the machine, and what was disturbed again; "
                             "give that up after so long [0]")


def choose(only, candidates):
    """Those of --only, or all but the optional ones that are not installed."""
    if not only:
        machine.find_sbin()
        return [c for c in candidates if not c.optional or all(map(shutil.which, c.programs))]
    by_name = {c.name: c for c in candidates}
    unknown = [name for name in only.split(",") if name not in by_name]
    if unknown:
        raise BenchError(f"no such candidate: {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in only.split(",")]


def install(candidates, generator="light"):
    programs = dict(load.PROGRAMS[generator])
    for candidate in candidates:
        programs.update(candidate.programs)
    machine.install_missing(programs)
    machine.allow_many_files()


class Cost:
    """CPU time that candidates, helpers, the load and others take between start and stop()."""

    def __init__(self, candidate, setting, more=()):
        self.cores = (setting.server_core, setting.load_core)
        self.candidate = candidate
        self.pids = candidate.pids()
        self.helpers = [*candidate.helper_pids(), *more]
        self.upstream = setting.upstream.pids()
        self.before = self.now()
        self.began = time.monotonic()

    def now(self):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        user, system = machine.cpu_seconds(self.pids)
        return {"user": user, "system": system, "helpers": sum(machine.cpu_seconds(self.helpers)),
                "upstream": sum(machine.cpu_seconds(self.upstream)), "self": time.process_time(),
                "generator": children.ru_utime + children.ru_stime,
                "busy": sum(machine.busy_seconds(core) for core in self.cores)}

    def stop(self):
        took = time.monotonic() - self.began
        after = self.now()
        spent = {name: after[name] - self.before[name] for name in after}
        ours = sum(spent[name] for name in spent if name != "busy")
        self.candidate.server.check()
        return dict(spent, server=spent["user"] + spent["system"], foreign=max(0., (spent["busy"] - ours) / took))


def check_upstream(candidate, scenario, requests, asked_upstream):
    """Raises BenchError unless the upstream was asked as often as the scenario says. It may be asked a little more
    often: a cache may ask twice where two asked at once."""
    share = scenario.asks_upstream
    least, most = int(share * requests) - (share < 1), (share * 1.01 + scenario.tolerated) * requests
    if not least <= asked_upstream <= most:
        raise BenchError(f"{candidate.name} asked the upstream {asked_upstream} times for {requests} requests, "
                         f"of which {share:.0%} should reach it")


def measure(candidate, setting, scenario, seconds):
    """One candidate, one round."""
    answered = setting.upstream.answered()
    cost = Cost(candidate, setting)
    asked = scenario.load(candidate)
    report = load.run(setting.load_core, candidate.port, asked, seconds, generator=scenario.generator)
    spent = cost.stop()
    scenario.after(candidate, report)
    requests = report["requests"]
    asked_upstream = setting.upstream.answered() - answered
    if candidate.is_cache or scenario.asks_upstream:
        check_upstream(candidate, scenario, requests, asked_upstream)
    result = {
        "rate": requests / report["seconds"],
        "cpu_s": spent["server"],
        "cpu_us": spent["server"] / requests * 1e6,
        "user_us": spent["user"] / requests * 1e6,
        "p50_us": report["p50_us"],
        "p99_us": report["p99_us"],
        # Begun when the generator was started, so a little below the truth.
        "server_busy": spent["server"] / report["seconds"],
        "generator_busy": spent["generator"] / report["seconds"],
        "asked_upstream": asked_upstream / requests,
        "load_busy": (spent["generator"] + spent["upstream"] + spent["helpers"]) / report["seconds"],
        "foreign": spent["foreign"],
    }
    if candidate.helpers:
        result["helpers_us"] = spent["helpers"] / requests * 1e6
    return dict(result, **scenario.check(candidate, setting, report))


def wait_for_peace(patience):
    """Until the machine does nothing else, or `patience` has run out."""
    remaining = patience - time.monotonic()
    if remaining > 0:
        machine.wait_until_quiet(remaining)


def in_peace(patience, measurement):
    """The measurement at a moment in which the machine does nothing else, and again if others came in between;
    until `patience` has run out."""
    while True:
        wait_for_peace(patience)
        result = measurement()
        if result["foreign"] <= FOREIGN or time.monotonic() >= patience:
            return result


def spread(values):
    """(largest - smallest) / median"""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.


def medians(rounds, spreads):
    """Medians of all figures, the spreads of some, and the most that others took."""
    summary = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    for name in spreads:
        summary[f"{name}_spread"] = spread([r[name] for r in rounds])
    summary["foreign"] = max(r["foreign"] for r in rounds)
    return summary


def summarise(rounds):
    """Medians, spreads, and which of them hold."""
    summary = medians(rounds, ("rate", "cpu_us"))
    summary["rate_valid"] = summary["server_busy"] >= BUSY
    summary["cpu_valid"] = min(r["cpu_s"] for r in rounds) >= LEAST_CPU
    return summary


def take_turns(candidates, rounds, measurement):
    """measurement(candidate, number of the round) for all of them, alternating; each round begins with another
    one. Results by name."""
    results = {candidate.name: [] for candidate in candidates}
    for number in range(rounds):
        first = number % len(candidates)
        for candidate in candidates[first:] + candidates[:first]:
            results[candidate.name].append(measurement(candidate, number))
    return results


def open_setting(stack, scenario, meshcache):
    """The directory and the upstream of a scenario, closed with the stack. `meshcache`: as in --meshcache."""
    binary = servers.find_meshcache(meshcache)
    server_core, load_core = machine.cores()
    directory = Path(stack.enter_context(
        tempfile.TemporaryDirectory(prefix="meshcache-bench-", dir=machine.tmpfs_dir())))
    upstream = servers.Upstream(scenario.size, load_core, directory, *scenario.upstream_options)
    stack.callback(upstream.stop)
    return servers.Setting(scenario.size, server_core, load_core, directory, upstream, binary, scenario.limit_options)


def run_scenario(arguments, scenario, patience):
    with ExitStack() as stack:
        setting = open_setting(stack, scenario, arguments.meshcache)
        candidates = [kind() for kind in scenario.candidates]
        for candidate in candidates:
            stack.callback(candidate.stop)
            candidate.start(setting)
            scenario.prepare(candidate, setting)
        for candidate in candidates:  # warm up: buffers, caches, the CPU's clock
            report = load.run(setting.load_core, candidate.port, scenario.load(candidate), 1,
                              generator=scenario.generator)
            scenario.after(candidate, report)

        def measurement(candidate, number):
            result = in_peace(patience, lambda: measure(candidate, setting, scenario, arguments.seconds))
            say(f"  {scenario.name}, round {number + 1}/{arguments.rounds}: {candidate.name:<16}"
                f"{result['rate']:>9,.0f}/s {result['cpu_us']:6.2f} us")
            return result

        rounds = take_turns(candidates, arguments.rounds, measurement)
        return {
            "name": scenario.name,
            "title": scenario.title,
            "peers": [candidate.name for candidate in candidates if candidate.is_peer],
            "versions": {candidate.name: candidate.version() for candidate in candidates},
            "rounds": rounds,
            "summary": {name: summarise(values) for name, values in rounds.items()},
        }


def peer_summaries(result):
    return [result["summary"][name] for name in result["peers"] if name in result["summary"]]


def best_peer_rate(result):
    """The highest rate of a peer, and whether that is all it can do; (None, False) without peers."""
    best = max(peer_summaries(result), key=lambda s: s["rate"], default=None)
    return (best["rate"], best["rate_valid"]) if best else (None, False)


def best_peer_cpu(result):
    """The least CPU per request of the peers whose figure is valid, or None."""
    return min((s["cpu_us"] for s in peer_summaries(result) if s["cpu_valid"]), default=None)


def table(result):
    """The summary as Markdown."""
    summary = result["summary"]
    limit = summary.get("limit")
    peer_rate, peer_rate_valid = best_peer_rate(result)
    peer_cpu = best_peer_cpu(result)
    helped = any("helpers_us" in s for s in summary.values())
    columns = ["", "req/s", "spread", "to the limit", "to the best peer", "CPU µs per request (user)", "spread",
               "limit's CPU / its", "best peer's CPU / its", *(["Redis' CPU µs"] if helped else []), "p50 / p99 µs",
               "server busy"]
    lines = [f"### {result['title']}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]

    def ratio(a, b, valid=True):
        return f"{a / b:.2f}{'' if valid else ' †'}" if b else ""

    for name, s in summary.items():
        mark = "" if s["rate_valid"] else " †"
        cpu = [f"{s['cpu_us']:.2f} ({s['user_us']:.2f})", f"{s['cpu_us_spread']:.0%}",
               ratio(limit["cpu_us"], s["cpu_us"]) if limit and limit["cpu_valid"] else "",
               ratio(peer_cpu, s["cpu_us"]) if peer_cpu and s is not limit else ""]
        if not s["cpu_valid"]:
            cpu = ["–"] * len(cpu)
        row = [name + (" ‡" if s["foreign"] > FOREIGN else ""), f"{s['rate']:,.0f}{mark}", f"{s['rate_spread']:.0%}",
               ratio(s["rate"], limit and limit["rate"], s["rate_valid"] and limit and limit["rate_valid"]),
               "" if s is limit else ratio(s["rate"], peer_rate, s["rate_valid"] and peer_rate_valid), *cpu,
               *([f"{s['helpers_us']:.2f}" if "helpers_us" in s else ""] if helped else []),
               f"{s['p50_us']:.0f} / {s['p99_us']:.0f}", f"{s['server_busy']:.0%}"]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines + notes(summary.values()))


def notes(summaries):
    """What the marks mean, for those that are there."""
    lines = []
    if not all(s.get("rate_valid", True) for s in summaries):
        lines += ["", f"† the server took less than {BUSY:.0%} of its core: the load was at its own limit (or others "
                      "took the core), so the rate says nothing about the server. Its CPU per request holds."]
    if not all(s.get("cpu_valid", True) for s in summaries):
        lines += ["", f"–: in one round or more the server had less than {LEAST_CPU} s of CPU time, too little to "
                      "tell."]
    if any(s["foreign"] > FOREIGN for s in summaries):
        lines += ["", f"‡ disturbed: in one round or more, other processes took over {FOREIGN:.0%} of a core. "
                      "What it shows is rough at best; measure again on a quiet machine."]
    return lines


class Output:
    """Where the tables and the JSON go. Written after each table, so that a run that is cut leaves what it has."""

    def __init__(self, arguments, bench, how, **about):
        self.json = arguments.json
        self.results = []
        self.about = dict(machine.describe(), bench=bench, date=time.strftime("%Y-%m-%d"), loadavg=os.getloadavg()[0],
                          **about)
        say(f"load average {self.about['loadavg']:.2f} before the first round")
        print(f"{self.about['date']}, {self.about['system']}, {self.about['cores']} cores, {self.about['cpu']}, "
              f"Linux {self.about['kernel']}; {how}\n", flush=True)

    def add(self, result, text):
        self.results.append(result)
        print(text + "\n", flush=True)
        if self.json:
            Path(self.json).write_text(json.dumps({"about": self.about, "results": self.results}, indent=1) + "\n")


def run(arguments, bench, scenarios, generator="light"):
    """All tables of a bench. `scenarios` share their candidates."""
    install(scenarios[0].candidates, generator)
    patience = time.monotonic() + arguments.wait_quiet
    output = Output(arguments, bench, f"{generator}, {load.CONNECTIONS} connections, medians of {arguments.rounds} "
                                      f"alternating rounds of {arguments.seconds} s", generator=generator,
                    connections=load.CONNECTIONS, rounds=arguments.rounds, seconds=arguments.seconds)
    for scenario in scenarios:
        result = run_scenario(arguments, scenario, patience)
        output.add(result, "\n".join([table(result), *scenario.footer(result)]))
    return 0
