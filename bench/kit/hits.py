"""bench/run hits: what an answer from the cache costs, beside the bare limit and the peers."""
import json
import os
import resource
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from . import load, machine, servers
from .machine import BenchError, say

HELP = "hits on one core: requests a second, CPU per request, latency, beside the bare limit and the peers"

# A rate says something about the server only if its core had nothing to spare.
BUSY = .90
# More than this part of a core taken by others spoils a round.
FOREIGN = .05
# CPU time comes in ticks of 10 ms: below this a figure is mostly rounding.
LEAST_CPU = .25


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds [5]")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement [5]")
    parser.add_argument("--size", type=int, action="append", metavar="BYTES",
                        help="content of an answer; may be repeated [1024, and 65536 with bare requests]")
    parser.add_argument("--fields", choices=["bare", "browser", "both"],
                        help="field lines of a request: Host alone, or a browser's eleven besides [both]")
    parser.add_argument("--only", metavar="NAME,...", help="of " + ", ".join(c.name for c in servers.ALL))
    parser.add_argument("--generator", choices=load.GENERATORS, default="wrk",
                        help="wrk, or light: bench/load, which costs less than the servers do [wrk]")
    parser.add_argument("--meshcache", metavar="PATH", help="the binary [build/release/meshcache]")
    parser.add_argument("--wait-quiet", type=int, default=0, metavar="SECONDS",
                        help="measure only while nothing else runs on the machine, and what was disturbed again; "
                             "give that up after so long [0]")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")


def scenarios(arguments):
    """(size, name of the fields) of each table."""
    if arguments.size is None and arguments.fields is None:
        return [(1024, "bare"), (1024, "browser"), (65536, "bare")]
    kinds = [arguments.fields] if arguments.fields in ("bare", "browser") else ["bare", "browser"]
    return [(size, kind) for size in arguments.size or [1024] for kind in kinds]


def choose(only):
    if not only:
        return servers.ALL
    by_name = {c.name: c for c in servers.ALL}
    unknown = [name for name in only.split(",") if name not in by_name]
    if unknown:
        raise BenchError(f"no such candidate: {', '.join(unknown)}; there are {', '.join(by_name)}")
    return [by_name[name] for name in only.split(",")]


def measure(candidate, setting, generator, fields, seconds):
    """One candidate, one round."""
    both = (setting.server_core, setting.load_core)
    pids = candidate.pids()
    answered = setting.upstream.answered()
    busy = [machine.busy_seconds(core) for core in both]
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    self_before = time.process_time()
    user, system = machine.cpu_seconds(pids)
    began = time.monotonic()

    report = load.run(generator, setting.load_core, candidate.port, setting.size, fields, seconds)

    took = time.monotonic() - began
    user, system = (after - before for after, before in zip(machine.cpu_seconds(pids), (user, system)))
    busy = [machine.busy_seconds(core) - before for core, before in zip(both, busy)]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    generator_cpu = after.ru_utime + after.ru_stime - ours.ru_utime - ours.ru_stime
    foreign = sum(busy) - user - system - generator_cpu - (time.process_time() - self_before)
    candidate.server.check()
    if candidate.is_cache and setting.upstream.answered() != answered:
        raise BenchError(f"{candidate.name} asked the upstream while its hits were measured")
    return {
        "rate": report["requests"] / report["seconds"],
        "cpu_s": user + system,
        "cpu_us": (user + system) / report["requests"] * 1e6,
        "user_us": user / report["requests"] * 1e6,
        "p50_us": report["p50_us"],
        "p99_us": report["p99_us"],
        # Begun when the generator was started, so a little below the truth.
        "server_busy": (user + system) / report["seconds"],
        "generator_busy": generator_cpu / report["seconds"],
        "foreign": max(0., foreign / took),
    }


def measure_in_peace(candidate, setting, generator, fields, seconds, patience):
    """measure() at a moment in which the machine does nothing else, and again if others came in between; until
    `patience` has run out."""
    while True:
        remaining = patience - time.monotonic()
        if remaining > 0:
            machine.wait_until_quiet(remaining)
        result = measure(candidate, setting, generator, fields, seconds)
        if result["foreign"] <= FOREIGN or time.monotonic() >= patience:
            return result


def summarise(rounds):
    """Medians, and the spread: (largest - smallest) / median."""
    summary = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    for name in ("rate", "cpu_us"):
        values = [r[name] for r in rounds]
        summary[f"{name}_spread"] = (max(values) - min(values)) / summary[name] if summary[name] else 0.
    summary["foreign"] = max(r["foreign"] for r in rounds)
    summary["rate_valid"] = summary["server_busy"] >= BUSY
    summary["cpu_valid"] = min(r["cpu_s"] for r in rounds) >= LEAST_CPU
    return summary


def run_scenario(arguments, size, kind, kinds, patience):
    fields = load.FIELDS[kind]
    server_core, load_core = machine.cores()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="meshcache-bench-", dir=machine.tmpfs_dir())))
        upstream = servers.Upstream(size, load_core, directory)
        stack.callback(upstream.stop)
        setting = servers.Setting(size, server_core, load_core, directory, upstream,
                                  servers.find_meshcache(arguments.meshcache))
        candidates = [kind_of() for kind_of in kinds]
        for candidate in candidates:
            stack.callback(candidate.stop)
            candidate.start(setting)
            servers.verify(candidate, upstream, fields, size)
        for candidate in candidates:  # warm up: buffers, caches, the CPU's clock
            load.run(arguments.generator, load_core, candidate.port, size, fields, 1)
        rounds = {candidate.name: [] for candidate in candidates}
        for number in range(arguments.rounds):
            # Alternating, and each round begins with another one.
            first = number % len(candidates)
            for candidate in candidates[first:] + candidates[:first]:
                result = measure_in_peace(candidate, setting, arguments.generator, fields, arguments.seconds, patience)
                rounds[candidate.name].append(result)
                say(f"  {size} B, {kind}, round {number + 1}/{arguments.rounds}: {candidate.name:<16}"
                    f"{result['rate']:>9,.0f}/s {result['cpu_us']:6.2f} us")
        return {
            "size": size,
            "fields": kind,
            "versions": {candidate.name: candidate.version() for candidate in candidates},
            "rounds": rounds,
            "summary": {name: summarise(values) for name, values in rounds.items()},
        }


def table(result):
    """The summary as Markdown."""
    summary = result["summary"]
    limit = summary.get("limit")
    fields = "a bare request" if result["fields"] == "bare" else "a browser's eleven fields"
    title = f"{result['size']} bytes, {fields}"
    lines = [f"### {title}", "",
             "| | req/s | spread | to the limit | CPU µs per request (user) | spread | limit's CPU / its | "
             "p50 / p99 µs | server busy |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name, s in summary.items():
        mark = "" if s["rate_valid"] else " †"
        disturbed = " ‡" if s["foreign"] > FOREIGN else ""
        to_limit = f"{s['rate'] / limit['rate']:.2f}{mark}" if limit else ""
        cpu, cpu_spread, cpu_ratio = "–", "–", "–"
        if s["cpu_valid"]:
            cpu, cpu_spread = f"{s['cpu_us']:.2f} ({s['user_us']:.2f})", f"{s['cpu_us_spread']:.0%}"
            if limit and limit["cpu_valid"]:
                cpu_ratio = f"{limit['cpu_us'] / s['cpu_us']:.2f}"
        lines.append(f"| {name}{disturbed} | {s['rate']:,.0f}{mark} | {s['rate_spread']:.0%} | {to_limit} | {cpu} | "
                     f"{cpu_spread} | {cpu_ratio} | {s['p50_us']:.0f} / {s['p99_us']:.0f} | {s['server_busy']:.0%} |")
    if not all(s["rate_valid"] for s in summary.values()):
        lines += ["", f"† the server took less than {BUSY:.0%} of its core: the load was at its own limit (or others "
                      "took the core), so the rate says nothing about the server. Its CPU per request holds."]
    if not all(s["cpu_valid"] for s in summary.values()):
        lines += ["", f"–: in one round or more the server had less than {LEAST_CPU} s of CPU time, too little to tell."]
    if any(s["foreign"] > FOREIGN for s in summary.values()):
        lines += ["", f"‡ disturbed: in one round or more, other processes took over {FOREIGN:.0%} of a core. "
                      "What it shows is rough at best; measure again on a quiet machine."]
    return "\n".join(lines)


def run(arguments):
    kinds = choose(arguments.only)
    programs = dict(load.PROGRAMS[arguments.generator])
    for kind in kinds:
        programs.update(kind.programs)
    machine.install_missing(programs)
    about = dict(machine.describe(), date=time.strftime("%Y-%m-%d"), generator=arguments.generator,
                 connections=load.CONNECTIONS, rounds=arguments.rounds, seconds=arguments.seconds,
                 loadavg=os.getloadavg()[0])
    say(f"load average {about['loadavg']:.2f} before the first round")
    patience = time.monotonic() + arguments.wait_quiet
    results = []
    print(f"{about['date']}, {about['system']}, {about['cores']} cores, {about['cpu']}, Linux {about['kernel']}; "
          f"{about['generator']}, {about['connections']} connections, medians of {about['rounds']} alternating rounds "
          f"of {about['seconds']} s\n", flush=True)
    for size, kind in scenarios(arguments):
        results.append(run_scenario(arguments, size, kind, kinds, patience))
        print(table(results[-1]) + "\n", flush=True)
        if arguments.json:  # after each one, so that a run that is cut leaves what it has
            Path(arguments.json).write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")
    return 0
