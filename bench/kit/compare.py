"""bench/run compare: two results of --json, side by side."""
import json
from pathlib import Path

from .machine import BenchError

HELP = "ratios of the medians in two results of --json (files, or folders of `bench/run all`)"

# figure -> (what it is, and by which mark of the summary it holds)
FIGURES = {
    "rate": ("requests or records a second", "rate_valid"),
    "cpu_us": ("CPU µs", "cpu_valid"),
    "p50_us": ("p50 µs", "latency_valid"),
    "p99_us": ("p99 µs", "latency_valid"),
    "p999_us": ("p99.9 µs", "latency_valid"),
    "helpers_us": ("Redis' CPU µs", "cpu_valid"),
    "redis_us": ("Redis' CPU µs", None),
    "follower_us": ("a follower's CPU µs", None),
    "p50_ms": ("p50 ms", None),
    "p99_ms": ("p99 ms", None),
    "ms": ("ms", None),
    "each": ("bytes for each", None),
    "to_bound": ("resident memory to the bound", None),
    "beyond": ("bytes beyond its own", None),
    "meshcache_objects": ("hit ratio, objects", None),
    "meshcache_bytes": ("hit ratio, bytes", None),
}


def add_arguments(parser):
    parser.add_argument("old", metavar="OLD.json")
    parser.add_argument("new", metavar="NEW.json")


def read(path):
    """(name of the bench, title) -> result"""
    path = Path(path)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    results = {}
    for file in files:
        try:
            document = json.loads(file.read_text())
            for result in document["results"]:
                results[document["about"]["bench"], result["title"]] = result
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{file} is no result of --json: {error!r}") from None
    if not results:
        raise BenchError(f"no result is in {path}")
    return results


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def rows(key, old, new):
    """One line for each figure that both have. The last ratio takes the limits of both runs for equal."""
    bench, title = key
    for name, after in new["summary"].items():
        before = old["summary"].get(name)
        if before is None:
            continue
        for figure, (what, valid) in FIGURES.items():
            if not before.get(figure) or figure not in after:
                continue
            ratio = after[figure] / before[figure]
            limits = [r["summary"].get("limit", {}).get(figure) for r in (old, new)]
            by_limit = f"{ratio * limits[0] / limits[1]:.2f}" if all(limits) else ""
            holds = valid is None or (before.get(valid, True) and after.get(valid, True))
            yield (f"| {bench}: {title} | {name} | {what} | {number(before[figure])} | {number(after[figure])} | "
                   f"{ratio:.2f}{'' if holds else ' †'} | {by_limit} |")


def run(arguments):
    old, new = read(arguments.old), read(arguments.new)
    common = [key for key in new if key in old]
    if not common:
        raise BenchError("the two have no table in common")
    lines = ["| table | | figure | old | new | new / old | by the limit of each run |", "|---|---|---|---|---|---|---|"]
    for key in common:
        lines += rows(key, old[key], new[key])
    print("\n".join(lines))
    if any("†" in line for line in lines):
        print("\n† in one of them the figure does not hold.")
    for key in [*old, *new]:
        if key not in common:
            print(f"only in the {'old' if key in old else 'new'} one: {key[0]}: {key[1]}")
    return 0
