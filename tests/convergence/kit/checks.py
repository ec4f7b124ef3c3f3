"""The promises, held against a history. Each check returns what breaks it; none knows how the run was made.

All of them go by the order in which one thread saw things: an answer counts against another only if it was asked
for after the other had come whole. So what they find is a mistake, whatever the machine did in between."""
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

ROUNDING = .1  # seconds that our own clock and the replicas' may be apart, beyond what they were set to


@dataclass
class Finding:
    promise: str
    text: str
    key: str = None
    when: float = None


def answered(history):
    return [r for r in history.reads if r.end and r.status == 200 and not r.error]


def told(read):
    return (f"{read.process} answered {read.key}{' ' + read.variant if read.variant else ''} with #{read.number} "
            f"(asked {read.begin.at * 1000:.1f}, came {read.end.at * 1000:.1f} ms; {read.cache_status})")


def no_going_back(history):
    """The version of a key that a process serves never decreases."""
    out = []
    groups = defaultdict(list)
    for read in answered(history):
        if read.version is not None:
            groups[read.process, read.key, read.variant].append(read)
    for reads in groups.values():
        out += went_back_by_version(reads)
    return out


def fall(promise, read, earlier):
    return Finding(promise, f"{told(read)}, of version {read.version}, after {earlier.process} had served "
                   f"#{earlier.number} of {earlier.version} at {earlier.end.at * 1000:.1f} ms", read.key, read.end.at)


def went_back_by_version(reads):
    """Those of these that are of a lower version than one that had ended before they were begun."""
    out = []
    by_end = sorted(reads, key=lambda r: r.end.order)
    ends = [r.end.order for r in by_end]
    highest = []  # highest[i]: of the first i + 1 to end, the one with the highest version
    for read in by_end:
        highest.append(read if not highest or read.version > highest[-1].version else highest[-1])
    for read in reads:
        before = bisect_left(ends, read.begin.order)
        if before and highest[before - 1].version > read.version:
            out.append(fall("no going back", read, highest[before - 1]))
    return out


def went_back(read, reads):
    """A finding if one of `reads` that had ended before this one was begun is newer by version and by number."""
    for earlier in reads:
        if earlier.end.order < read.begin.order and earlier.version > read.version and earlier.number >= read.number:
            return fall("strong", read, earlier)
    return None


def purge_safety(history):
    """Who knows of an invalidation never answers with what it covers."""
    out = []
    by_process = defaultdict(list)
    for read in answered(history):
        by_process[read.process, read.key].append(read)
    for duty in history.duties:
        for key in duty.invalidation.keys:
            below = duty.invalidation.below.get(key)
            if below is None:
                continue
            for read in by_process[duty.process, key]:
                since = read.begin.order > duty.begin.order
                until = duty.end is None or read.end.order < duty.end.order
                # A soft purge makes stale, and what is stale may be served while it is validated behind.
                allowed = duty.invalidation.soft and read.stale
                if since and until and read.number <= below and not allowed:
                    out.append(Finding("purge safety", f"{told(read)}, although {duty.invalidation.name} through "
                                       f"{duty.invalidation.process} had made all up to #{below} invalid, and "
                                       f"{duty.why} (at {duty.begin.at * 1000:.1f} ms)", key, read.end.at))
    return out


def strong(history):
    """With strong consistency no answer is older than any answer before it, of any replica; nor is it what an
    acknowledged invalidation covers. Older is what has a lower version and was not given later by the application:
    behind a floor, a replica whose clock is slow makes newer answers of lower versions than one whose clock is fast had
    made before it, and the floor keeps these from coming back."""
    out = []
    groups = defaultdict(list)
    for read in answered(history):
        if read.version is not None:
            groups[read.key, read.variant].append(read)
    for reads in groups.values():
        out += filter(None, (went_back(read, reads) for read in reads))
    by_key = defaultdict(list)
    for read in answered(history):
        by_key[read.key].append(read)
    for invalidation in history.invalidations:
        if not invalidation.confirmed:
            continue
        for key, below in invalidation.below.items():
            for read in by_key[key]:
                allowed = invalidation.soft and read.stale
                if read.begin.order > invalidation.end.order and read.number <= below and not allowed:
                    out.append(Finding("strong", f"{told(read)}, although {invalidation.name} through "
                                       f"{invalidation.process} had made all up to #{below} invalid "
                                       f"(at {invalidation.end.at * 1000:.1f} ms)", key, read.end.at))
    return out


def freshness(history, keys):
    """Nothing is served beyond its lifetime, and Age does not make it younger than it is."""
    out = []
    given = {(f.key, f.number) for f in history.fetches}
    # When an answer had certainly come to who fetched it: to its first client it had. How long the application took
    # counts in whole seconds alone (RFC 9111, section 4.2.3), so it is not held against anybody here.
    come = {}
    for read in sorted(answered(history), key=lambda r: r.end.order):
        come.setdefault((read.key, read.number), read.end.at)
    validated = defaultdict(list)
    for when, key, number in history.validations:
        validated[key, number].append(when)
    # How far apart the clocks of any two replicas have been.
    by_replica = defaultdict(list)
    for _, replica, offset in history.offsets:
        by_replica[replica].append(offset)
    offsets = [o for some in by_replica.values() for o in some]
    apart = (max(offsets) - min(offsets)) / 1000 if offsets else 0
    for read in answered(history):
        if not read.hit:
            continue
        if (read.key, read.number) not in given:
            out.append(Finding("freshness", f"{told(read)}, which the application never gave", read.key, read.end.at))
            continue
        since = max([come[read.key, read.number], *(when.at for when in validated[read.key, read.number]
                                                    if when.order < read.end.order)])
        age = read.begin.at - since - apart - ROUNDING
        if age > keys[read.key].max_age:
            out.append(Finding("freshness", f"{told(read)}: it is {age:.2f} s old, and was good for "
                               f"{keys[read.key].max_age}", read.key, read.end.at))
        if read.age is None or read.age + 1 < age or read.age > keys[read.key].max_age:
            out.append(Finding("freshness", f"{told(read)} with Age {read.age}, when it is {age:.2f} s old",
                               read.key, read.end.at))
    return out


def no_failed_request(history):
    """Faults of Redis and of other replicas are no reason not to answer."""
    out = []
    for read in history.reads:
        if read.error and not read.excused:
            out.append(Finding("no failed request", f"GET {read.key} through {read.process}: {read.error}",
                               read.key, read.begin.at))
    for request in history.invalidations:
        if request.error and not request.excused:
            out.append(Finding("no failed request", f"{request.name} through {request.process}: {request.error}",
                               request.keys[0], request.begin.at))
    return out


def bounds(history, queue_limit):
    """Memory and queue stay within what was granted."""
    out = []
    for sample in history.samples:
        s = sample.stats
        if s["bytes"] > s["bytes_limit"]:
            out.append(Finding("bounded memory", f"{sample.process} holds {s['bytes']} of {s['bytes_limit']} bytes",
                               None, sample.begin.at))
        if s["queue_bytes"] > queue_limit:
            out.append(Finding("bounded memory", f"{sample.process}'s queue holds {s['queue_bytes']} of {queue_limit} "
                               "bytes", None, sample.begin.at))
    return out


def check_all(history, plan):
    keys = {key.name: key for key in plan.keys}
    queue_limit = (1 if "1MiB" in plan.flags else 64) << 20
    found = [*no_going_back(history), *purge_safety(history), *freshness(history, keys),
             *no_failed_request(history), *bounds(history, queue_limit)]
    if "strong" in plan.flags:
        found += strong(history)
    return sorted(found, key=lambda f: f.when if f.when is not None else 0)
