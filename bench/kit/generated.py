"""Traces that need no recording: as a recorded one, a list of requests, each a key, or a key and the size of its
content. The same from the same seed, everywhere."""
import bisect
import itertools
import random

KEYS = 20_000  # asked for by Zipf's law: key k with a weight of 1/(k + 1)
REQUESTS = 200_000
SCANS = 10  # at even distances in these requests
SCANNED = 10_000  # keys of each scan, which nobody asks for again
SCAN_SHARE = 4 / 5  # of the requests while a scan goes on
LOOP_KEYS = 10_000
LOOPS = 10
CHANGED = 1 / 50  # of the requests find that their key has another size than before
SMALLEST, DOUBLINGS = 512, 7  # sizes: 512 bytes to 64 KiB, as many between 512 and 1,024 as between 32 and 64 KiB


def zipf(seed, keys=KEYS, requests=REQUESTS):
    """Keys from 0 on."""
    chance = random.Random(seed)
    sums = list(itertools.accumulate(1 / (key + 1) for key in range(keys)))
    return [bisect.bisect(sums, chance.random() * sums[-1], hi=keys - 1) for _ in range(requests)]


def scanned(seed, asked, scans=SCANS, length=SCANNED, share=SCAN_SHARE):
    """The requests `asked`, in their order, and so many scans among them; the keys of the scans are new ones."""
    chance = random.Random(seed)
    new = itertools.count(max(asked) + 1)
    trace, taken = [], 0
    for scan in range(scans):
        begins = (scan + 1) * len(asked) // (scans + 1)
        trace += asked[taken:begins]
        taken = begins
        left = length
        while left:
            if chance.random() < share or taken == len(asked):
                trace.append(next(new))
                left -= 1
            else:
                trace.append(asked[taken])
                taken += 1
    return trace + asked[taken:]


def loop(keys=LOOP_KEYS, times=LOOPS):
    """All keys in turn, again and again."""
    return list(range(keys)) * times


def resized(seed, asked, changed=CHANGED):
    """The requests `asked` with sizes, some of which have changed since the key was asked for."""
    chance = random.Random(seed)

    def size():
        doubled = SMALLEST << int(chance.random() * DOUBLINGS)
        return doubled + int(chance.random() * doubled)

    sizes, trace = {}, []
    for key in asked:
        if key not in sizes or chance.random() < changed:
            sizes[key] = size()
        trace.append((key, sizes[key]))
    return trace


def text(trace):
    """As bench/replay reads it."""
    return "".join(f"{r[0]} {r[1]}\n" if isinstance(r, tuple) else f"{r}\n" for r in trace).encode()
