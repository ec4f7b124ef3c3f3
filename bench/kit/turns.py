"""How long meshcache's event loops were busy at a stretch, from its own metrics."""
import re

from . import admin

ROW = re.compile(r'^meshcache_loop_turn_seconds_bucket\{loop="(\w+)",le="([^"]+)"\} (\d+)$', re.M)
TARGET = .001  # no loop should be busy for longer


def read(candidate):
    """Turns so far: loop -> [(upper bound in seconds, turns up to that)], ascending."""
    loops = {}
    for loop, bound, count in ROW.findall(admin.ask(candidate.admin_port, "/metrics")):
        loops.setdefault(loop, []).append((float(bound), int(count)))
    return loops


class Turns:
    """The turns of several intervals together."""

    def __init__(self):
        self.counts = {}  # loop -> bound -> turns up to that bound

    def add(self, before, after):
        for loop, buckets in after.items():
            was = dict(before.get(loop, []))
            sums = self.counts.setdefault(loop, {})
            for bound, count in buckets:
                sums[bound] = sums.get(bound, 0) + count - was.get(bound, 0)

    def describe(self):
        """Of each loop that did anything: how many turns, and the bounds of the longest."""
        words = []
        for loop, sums in self.counts.items():
            bounds = sorted(sums)
            total = sums[bounds[-1]]
            if not total:
                continue
            at = next(i for i, bound in enumerate(bounds) if sums[bound] == total)
            longest = (f"above {bounds[at - 1] * 1e3:g} ms" if bounds[at] == float("inf") else
                       f"within {bounds[at] * 1e3:g} ms")
            beyond = total - sums[TARGET]
            words.append(f"{loop} {total:,}, the longest {longest}" + (f", {beyond:,} above 1 ms" if beyond else ""))
        return "; ".join(words)
