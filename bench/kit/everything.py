"""bench/run all: one after the other, with the tables and the JSON of each in a folder."""
import shlex
import subprocess
import sys
from pathlib import Path

from .machine import ROOT, say

HELP = "all benches, one after the other, their tables and JSON in a folder; compare and plot take it as a whole"

# In this order; with what each one takes of our own arguments.
TIMED = ("rounds", "seconds", "wait-quiet", "meshcache")
BENCHES = {
    "hits": TIMED,
    "conditional": TIMED,
    "zipf": TIMED,
    "pass": TIMED,
    "post": TIMED,
    "misses": TIMED,
    "mix": TIMED,
    "latency": TIMED,
    "arrivals": TIMED,
    "redis": ("rounds", "wait-quiet", "meshcache"),
    "propagation": ("wait-quiet", "meshcache"),
    "following": ("seconds", "wait-quiet", "meshcache"),
    "scaling": TIMED,
    "cold": ("wait-quiet", "meshcache"),
    "memory": ("meshcache",),
    "churn": ("meshcache",),
    "connections": ("meshcache",),
    "traces": ("traces",),
}
ALWAYS = {"hits": ["--generator", "light"]}


def add_arguments(parser):
    parser.add_argument("--folder", default="build/bench/results", metavar="FOLDER", help="[build/bench/results]")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds [5]")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement [5]")
    parser.add_argument("--meshcache", metavar="PATH", help="the binary [build/release/meshcache]")
    parser.add_argument("--wait-quiet", type=int, default=0, metavar="SECONDS", help="of each bench [0]")
    parser.add_argument("--traces", metavar="FOLDER", help="of recorded traces, beside those that `traces` "
                                                              "generates")
    parser.add_argument("--except", dest="left_out", default="", metavar="NAME,...", help="of " + ", ".join(BENCHES))


def command(name, arguments, folder):
    words = [sys.executable, str(ROOT / "bench" / "run"), name, *ALWAYS.get(name, []), "--json",
             str(folder / f"{name}.json")]
    for option in BENCHES[name]:
        value = getattr(arguments, option.replace("-", "_"))
        if value:
            words += [f"--{option}", str(value)]
    return words


def run(arguments):
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    left_out = set(arguments.left_out.split(","))
    failed = []
    for name in BENCHES:
        if name in left_out:
            continue
        words = command(name, arguments, folder)
        say(f"== {shlex.join(words[1:])}")
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
            try:
                text, _ = child.communicate()
            except BaseException:
                child.terminate()  # so that it stops its servers
                child.wait()
                raise
        (folder / f"{name}.md").write_text(text)
        print(f"## {name}\n\n{text}", flush=True)
        if child.returncode:
            failed.append(name)
    if failed:
        say(f"bench/run all: these failed: {', '.join(failed)}")
    return 1 if failed else 0
