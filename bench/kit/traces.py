"""bench/run traces: the hit ratio of the real store, beside LRU, SIEVE and Belady's optimum; on generated traces, and
on recorded ones where there are some."""
import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

from . import generated, rounds
from .machine import ROOT, BenchError, say

HELP = "hit ratio of the store on traces with scans, loops and changing sizes, and on recorded ones, beside LRU, SIEVE, Belady"
POLICIES = {"lru": "LRU", "sieve": "SIEVE", "meshcache": "meshcache", "belady": "Belady"}
LOOP_PERCENT = (95, 50)  # a loop over slightly more keys than fit, and over twice as many


def add_arguments(parser):
    parser.add_argument("--traces", metavar="FOLDER",
                        help="of recorded traces, NAME.txt or NAME.txt.gz: a request a line, its key and, if known, its "
                             "size in bytes; without it, only what is generated")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what is generated [1]")
    parser.add_argument("--percent", default="1,5,10", metavar="N,...",
                        help="sizes, in percent of what all distinct responses take [1,5,10]")
    parser.add_argument("--content", type=int, default=1024, metavar="BYTES",
                        help="of a request without a size [1024]")
    parser.add_argument("--shards", type=int, default=1, metavar="N", help="of the store [1]")
    parser.add_argument("--replay", metavar="PATH", help="the binary [build/release/bench/replay]")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")


def find_replay(path):
    if path:
        found = Path(path)
    else:
        found = ROOT / "build" / "release" / "bench" / "replay"
        if not found.exists() and shutil.which("cmake"):
            say("building replay (preset release)")
            quiet = dict(cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["cmake", "--preset", "release"], **quiet)
            subprocess.run(["cmake", "--build", "--preset", "release", "--target", "replay"], **quiet)
    if not os.access(found, os.X_OK):
        raise BenchError(f"{found} is not there; build it (cmake --build --preset release --target replay)")
    return found.resolve()


def read(path):
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return file.read()
    return path.read_bytes()


class Replay:
    """bench/replay with what is the same for all traces."""

    def __init__(self, arguments):
        self.words = [find_replay(arguments.replay), "--content", str(arguments.content), "--shards",
                      str(arguments.shards)]

    def run(self, name, trace, percents=(), bounds=()):
        """`trace`: bytes. What it reports: for each size, given in percent or in bytes, what each policy came to."""
        say(f"  {name}")
        words = [*self.words, *map(str, percents), *(word for bound in bounds for word in ("--bound", str(bound)))]
        done = subprocess.run(words, input=trace, capture_output=True, check=False)
        if done.returncode:
            raise BenchError(f"replay of {name} failed: {done.stderr.decode(errors='replace').strip()}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def size(line):
    return f"{line['percent']:g} % | {line['limit'] / 1024:,.0f} KiB"


def row(trace, line):
    """Half the way from LRU to Belady is .50 in the last column."""
    ratios = [f"{line[policy]['objects']:.3f} / {line[policy]['bytes']:.3f}" for policy in POLICIES]
    ours, lru, best = (line[policy]["objects"] for policy in ("meshcache", "lru", "belady"))
    way = f"{(ours - lru) / (best - lru):.2f}" if best > lru else ""
    return f"| {trace} | {size(line)} | {' | '.join(ratios)} | {way} |"


def hit_ratios(replay, traces):
    """The table of all traces. `traces`: (name, trace, percents)."""
    rows = [f"| trace | store | | {POLICIES['lru']}: objects / bytes | {' | '.join([*POLICIES.values()][1:])} | "
            "way from LRU to Belady |", "|---|---|---|---|---|---|---|---|"]
    summary = {}
    for name, trace, percents in traces:
        for line in replay.run(name, trace, percents):
            rows.append(row(name, line))
            summary[f"{name} {line['percent']:g} %"] = {
                f"{policy}_{kind}": line[policy][kind] for policy in POLICIES for kind in ("objects", "bytes")}
    return {"name": "traces", "title": "hit ratio", "summary": summary}, "\n".join(rows)


def scan_row(alone, scanned, requests):
    """Hit ratios of the `requests` that are not the scans', and what the scans took from them. No request of a scan
    is a hit, so that all hits are the others'."""
    figures, cells = {}, []
    for policy in POLICIES:
        before, after = alone[policy]["hits"] / requests, scanned[policy]["hits"] / requests
        figures |= {f"{policy}_alone": before, f"{policy}_scanned": after, f"{policy}_lost": before - after}
        cells.append(f"{before:.3f} → {after:.3f} ({round(after - before, 3) + 0.:+.3f})")
    return f"| {size(alone)} | {' | '.join(cells)} |", figures


def scans(replay, seed, percents):
    """The table of what scans take from keys that are asked for again and again, in a store of the same size."""
    asked = generated.zipf(seed)
    alone = replay.run("zipf", generated.text(asked), percents)
    trace = generated.scanned(seed, asked)
    rows = [f"| store, in percent of the frequent keys | | {' | '.join(POLICIES.values())} |",
            "|---|---|---|---|---|---|"]
    summary = {}
    bounds = [line["limit"] for line in alone]
    for before, after in zip(alone, replay.run("zipf and scans", generated.text(trace), bounds=bounds)):
        text, summary[f"{before['percent']:g} %"] = scan_row(before, after, len(asked))
        rows.append(text)
    return {"name": "scans", "title": "what scans take from the frequent keys", "summary": summary}, "\n".join(rows)


def recorded(folder):
    """(name, path) of all traces there."""
    paths = sorted([*folder.glob("*.txt"), *folder.glob("*.txt.gz")])
    if not paths:
        raise BenchError(f"no trace (*.txt, *.txt.gz) is in {folder}")
    return [(path.name.partition(".")[0], path) for path in paths]


def run(arguments):
    percents = [float(percent) for percent in arguments.percent.split(",")]
    paths = recorded(Path(arguments.traces)) if arguments.traces else []
    replay = Replay(arguments)
    output = rounds.Output(arguments, "traces", f"the store with {arguments.shards} shard(s); without a size a "
                           f"response has {arguments.content} bytes of content; seed {arguments.seed}",
                           content=arguments.content, shards=arguments.shards, seed=arguments.seed)
    resized = generated.resized(arguments.seed, generated.zipf(arguments.seed))
    traces = [("loop", generated.text(generated.loop()), LOOP_PERCENT),
              ("changing sizes", generated.text(resized), percents)]
    output.add(*hit_ratios(replay, [*traces, *((name, read(path), percents) for name, path in paths)]))
    output.add(*scans(replay, arguments.seed, percents))
    return 0
