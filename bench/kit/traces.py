"""bench/run traces: the hit ratio of the real store on recorded traces, beside LRU and Belady's optimum."""
import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

from . import rounds
from .machine import ROOT, BenchError, say

HELP = "hit ratio of the store on recorded traces, beside LRU and Belady's optimum"


def add_arguments(parser):
    parser.add_argument("--traces", metavar="FOLDER", required=True,
                        help="of NAME.txt or NAME.txt.gz: a request a line, its key and, if known, its size in bytes")
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


def row(trace, line):
    """Half the way from LRU to Belady is .50 in the last column."""
    def both(policy):
        ratios = line[policy]
        return f"{ratios['objects']:.3f} / {ratios['bytes']:.3f}"

    ours, lru, best = (line[policy]["objects"] for policy in ("meshcache", "lru", "belady"))
    way = f"{(ours - lru) / (best - lru):.2f}" if best > lru else ""
    return (f"| {trace} | {line['percent']:g} % | {line['limit'] / 1024:,.0f} KiB | {both('lru')} | "
            f"{both('meshcache')} | {both('belady')} | {way} |")


def run(arguments):
    folder = Path(arguments.traces)
    paths = sorted([*folder.glob("*.txt"), *folder.glob("*.txt.gz")])
    if not paths:
        raise BenchError(f"no trace (*.txt, *.txt.gz) is in {folder}")
    replay = find_replay(arguments.replay)
    output = rounds.Output(arguments, "traces", f"the store with {arguments.shards} shard(s); without a size a "
                           f"response has {arguments.content} bytes of content",
                           content=arguments.content, shards=arguments.shards)
    rows = ["| trace | store | | LRU: objects / bytes | meshcache | Belady | way from LRU to Belady |",
            "|---|---|---|---|---|---|---|"]
    summary = {}
    for path in paths:
        name = path.name.partition(".")[0]
        say(f"  {name}")
        words = [replay, "--content", str(arguments.content), "--shards", str(arguments.shards),
                 *arguments.percent.split(",")]
        done = subprocess.run(words, input=read(path), capture_output=True, check=False)
        if done.returncode:
            raise BenchError(f"replay of {path.name} failed: {done.stderr.decode(errors='replace').strip()}")
        for line in map(json.loads, done.stdout.splitlines()):
            rows.append(row(name, line))
            summary[f"{name} {line['percent']:g} %"] = {
                f"{policy}_{kind}": line[policy][kind] for policy in ("lru", "meshcache", "belady")
                for kind in ("objects", "bytes")}
    output.add({"name": "traces", "title": "hit ratio", "summary": summary}, "\n".join(rows))
    return 0
