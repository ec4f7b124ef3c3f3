#!/usr/bin/env python3
"""Runs meshcache replicas, a Redis and the network between them under faults, and holds what happened against what
the README promises. What a run does is drawn from a seed; a broken promise prints it.

    run.py check --binary build/release/tests/convergence/meshcache_checked [--seeds 40] [--first 1] [--hours H]
    run.py check --binary ... --seed 17 --shrink 120
    run.py mutants [--seeds 100] build/release/tests/convergence/mutants/mutant_*
    run.py plan --seed 17
    run.py self-test
"""
import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit import checks, driver, report, self_test  # noqa: E402
from kit.plan import PARTS, make_plan  # noqa: E402
from kit.shrink import shrink  # noqa: E402

RUN_LIMIT = 180  # seconds of one run, far above what it takes
# Runs wait more than they work.
JOBS = max(2, os.cpu_count() or 1)


def say(text):
    print(text, flush=True)


def run_plan(plan, binary):
    """The report of a broken promise; None if all were kept."""
    history, found, logs = driver.carry_out(plan, binary)
    findings = checks.check_all(history, plan)
    if found is not None:
        findings.append(checks.Finding(found.promise, str(found), found.key))
    return report.tell(plan, findings, history, logs) if findings else None


def run_one(arguments):
    plan = make_plan(arguments.seed, arguments.without)
    if arguments.keep is not None:
        plan.ops = [plan.ops[n] for n in json.loads(arguments.keep)]
    text = run_plan(plan, arguments.binary)
    if text is not None:
        say(text)
    return 1 if text is not None else 0


def run_apart(seed, binary, without, keep=None):
    """One run in a process of its own: (exit code, output). 0: kept; 1: broken; else the stage itself failed."""
    command = [sys.executable, __file__, "one", "--binary", str(binary), "--seed", str(seed), "--without", *without]
    if keep is not None:
        command += ["--keep", json.dumps(keep)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT)
    except subprocess.TimeoutExpired:
        return 3, f"seed {seed}: the run did not end within {RUN_LIMIT} s"
    code = done.returncode if done.returncode == 0 or done.stdout.startswith(f"seed {seed}:") else 3
    return code, done.stdout + done.stderr


def shrink_seed(seed, binary, without, seconds):
    plan = make_plan(seed, without)
    numbered = {id(op): n for n, op in enumerate(plan.ops)}

    def breaks(shorter):
        code, output = run_apart(seed, binary, without, [numbered[id(op)] for op in shorter.ops])
        return output if code == 1 else None

    shortest, output = shrink(plan, breaks, seconds, say)
    if output is None:
        say("nothing shorter broke it again")
        return
    say(f"the shortest that broke it: {len(shortest.ops)} operations")
    for op in shortest.ops:
        say(f"  {op.at * 1000:8.1f} ms  {op}")
    say(output)


def check(arguments):
    if arguments.seed is not None:
        seeds = iter([arguments.seed])
    else:
        seeds = iter(range(arguments.first, 1 << 62 if arguments.hours else arguments.first + arguments.seeds))
    end = time.monotonic() + arguments.hours * 3600 if arguments.hours else None
    started, done, broken, failed = time.monotonic(), 0, [], 0

    def worker(_):
        nonlocal done, failed
        for seed in seeds_in_turn(seeds):
            if end is not None and time.monotonic() > end or broken and not arguments.go_on:
                return
            code, output = run_apart(seed, arguments.binary, arguments.without)
            done += 1
            if code == 1:
                broken.append(seed)
            elif code != 0:
                failed += 1
            if code != 0:
                say(output)
            elif done % 10 == 0:
                say(f"{done} runs, {len(broken)} broken, {time.monotonic() - started:.0f} s")

    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(worker, range(arguments.jobs)))
    say(f"{done} runs in {time.monotonic() - started:.0f} s: {len(broken)} broke a promise"
        + (f" (seeds {', '.join(map(str, sorted(broken)))})" if broken else "")
        + (f", {failed} could not be carried out" if failed else ""))
    if broken and arguments.shrink:
        shrink_seed(broken[0], arguments.binary, arguments.without, arguments.shrink)
    return 1 if broken or failed else 0


def seeds_in_turn(seeds):
    """Shared by threads: each seed goes to one of them."""
    while True:
        try:
            yield next(seeds)
        except StopIteration:
            return


def mutants(arguments):
    """Every binary must break a promise within so many seeds."""
    escaped = []
    for binary in arguments.binaries:
        name = Path(binary).name.removeprefix("mutant_")
        caught, runs = None, 0
        with ThreadPoolExecutor(arguments.jobs) as pool:
            for start in range(1, arguments.seeds + 1, arguments.jobs):
                batch = range(start, min(start + arguments.jobs, arguments.seeds + 1))
                for seed, (code, output) in zip(batch, pool.map(lambda s: run_apart(s, binary, arguments.without), batch)):
                    runs += 1
                    if code == 1 and caught is None:
                        caught = seed, output.splitlines()[0]
                    elif code not in (0, 1):
                        say(output)
                if caught is not None:
                    break
        if caught is None:
            escaped.append(name)
            say(f"{name}: NOT caught in {runs} runs")
        else:
            say(f"{name}: caught by {caught[1]}")
    say(f"{len(arguments.binaries) - len(escaped)} of {len(arguments.binaries)} caught"
        + (f"; escaped: {', '.join(escaped)}" if escaped else ""))
    return 1 if escaped else 0


def show_plan(arguments):
    plan = make_plan(arguments.seed, arguments.without)
    say(f"seed {plan.seed}: {plan.profile}, {plan.replicas} replicas, clocks off by {plan.offsets} ms, "
        f"{' '.join(plan.flags)}")
    for op in plan.ops:
        say(f"{op.at * 1000:8.1f} ms  {op}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("check", help="run seeds, and say which broke a promise")
    p.add_argument("--binary", required=True)
    p.add_argument("--seeds", type=int, default=40, help="how many")
    p.add_argument("--first", type=int, default=1, help="the first of them")
    p.add_argument("--seed", type=int, help="this one alone")
    p.add_argument("--hours", type=float, help="for so long, whatever the number of seeds")
    p.add_argument("--jobs", type=int, default=JOBS, help="runs at a time")
    p.add_argument("--go-on", action="store_true", help="do not stop at the first broken promise")
    p.add_argument("--shrink", type=float, default=60, help="seconds to look for a shorter history; 0 for none")
    p.set_defaults(run=check)
    p = commands.add_parser("mutants", help="see that planted mistakes are caught")
    p.add_argument("--seeds", type=int, default=100, help="within how many")
    p.add_argument("--jobs", type=int, default=JOBS, help="runs at a time")
    p.add_argument("binaries", nargs="+")
    p.set_defaults(run=mutants)
    p = commands.add_parser("one", help="one run, in this process")
    p.add_argument("--binary", required=True)
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--keep", help="JSON: the numbers of the operations to keep")
    p.set_defaults(run=run_one)
    p = commands.add_parser("plan", help="print what a seed does")
    p.add_argument("--seed", type=int, required=True)
    p.set_defaults(run=show_plan)
    p = commands.add_parser("self-test", help="see that every check finds what it is there for")
    p.set_defaults(run=lambda _: self_test.main())
    for p in commands.choices.values():
        p.add_argument("--without", nargs="*", default=[], choices=PARTS, help="what runs do without")
    arguments = parser.parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
