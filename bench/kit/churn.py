"""bench/run churn: memory while responses of many sizes come and go, for as many as an hour or more would bring."""
import time
from contextlib import ExitStack

from . import admin, load, memory, proof, rounds
from .candidates import Meshcache, MeshcacheRedis
from .machine import BenchError, say

HELP = "resident memory against --memory while responses of many sizes come and go"
LARGEST = 16 * 1024  # contents have 16 sizes, from 1 KiB to this
STEPS = 20


class BoundedRedis(MeshcacheRedis):
    """Redis evicts as well: all that is stored would take some 28 GiB there."""
    redis_memory = "1gb"


CANDIDATES = [Meshcache, BoundedRedis]


def add_arguments(parser):
    parser.add_argument("--requests", type=int, default=4_000_000, metavar="N", help="in all [4000000]")
    parser.add_argument("--memory", type=int, default=256 << 20, metavar="BYTES", help="the bound [256 MiB]")
    parser.add_argument("--only", metavar="NAME,...", help="of " + ", ".join(c.name for c in CANDIDATES))
    rounds.add_common_arguments(parser, timed=False)


class Churn(rounds.Scenario):
    size = LARGEST
    upstream_options = ("--keys", "--vary")


def measure(candidate, setting, requests):
    """Resident memory, and what meshcache counts itself, after each part of the requests."""
    proof.misses(candidate, setting.upstream, [95])  # of the largest size
    idle = memory.anonymous(candidate.pids())
    samples = []
    part = requests // STEPS
    began = time.monotonic()
    for step in range(STEPS):
        # Half of the keys are new, the others from a million by Zipf's law: most of what is evicted is never asked
        # for again, some is.
        asked = load.Load(LARGEST, load.KEYED_PATH,
                          options=("--zipf", 1_000_000, "--sequence", step * part, "--new", 2,
                                   2_000_000 + step * part, "--vary", "--check", "--requests", part))
        load.run(setting.load_core, candidate.port, asked, 600)
        stats = admin.stats(candidate.admin_port)
        samples.append({"rss": memory.anonymous(candidate.pids()), "counted": stats["bytes"],
                        "objects": stats["objects"], "evicted": stats["evicted"]})
        say(f"  {candidate.name}, {(step + 1) * part:,} requests: {samples[-1]['rss'] / 2**20:.1f} MiB")
        candidate.server.check()
    if not samples[-1]["evicted"]:
        raise BenchError("nothing had to leave: more --requests or less --memory is needed")
    return {"idle": idle, "samples": samples, "seconds": time.monotonic() - began}


def summarise(measured, bound):
    """Against the bound; growth is that over the second half."""
    rss = [sample["rss"] for sample in measured["samples"]]
    return {"bound": bound, "idle": measured["idle"], "most": max(rss), "middle": rss[len(rss) // 2], "last": rss[-1],
            "counted": measured["samples"][-1]["counted"], "evicted": measured["samples"][-1]["evicted"],
            "to_bound": (max(rss) - measured["idle"]) / bound, "growth": rss[-1] / rss[len(rss) // 2] - 1}


def run(arguments):
    kinds = rounds.choose(arguments.only, CANDIDATES)
    rounds.install(kinds)
    output = rounds.Output(arguments, "churn", f"{arguments.requests:,} requests, half of them for new keys, contents "
                           f"of 1 to {LARGEST // 1024} KiB, --memory {arguments.memory / 2**20:.0f}MiB",
                           requests=arguments.requests)
    lines = ["| | evicted | idle | most | in the middle | at the end | growth over the second half | counted by "
             "itself | most, less idle, to the bound |", "|---|---|---|---|---|---|---|---|---|"]
    summary, samples = {}, {}
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, Churn(), arguments.meshcache)
        for kind in kinds:
            candidate = kind()
            candidate.memory = arguments.memory
            stack.callback(candidate.stop)
            candidate.start(setting)
            measured = measure(candidate, setting, arguments.requests)
            candidate.stop()
            samples[candidate.name] = measured["samples"]
            s = summary[candidate.name] = summarise(measured, arguments.memory)
            mib = [f"{s[name] / 2**20:.1f} MiB" for name in ("idle", "most", "middle", "last")]
            lines.append(f"| {candidate.name} | {s['evicted']:,} | {' | '.join(mib)} | {s['growth']:+.1%} | "
                         f"{s['counted'] / 2**20:.1f} MiB | {s['to_bound']:.2f} |")
    output.add({"name": "churn", "title": "memory under churn", "samples": samples, "summary": summary},
               "\n".join(lines))
    return 0
