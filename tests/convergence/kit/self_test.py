"""Each check on a small history that keeps its promise, and on one that breaks it: a check that finds nothing is
worth nothing."""
import dataclasses

from . import checks, shrink
from .history import Duty, Fetch, History, Invalidation, Moment, Read, Sample
from .plan import Key, Op, Plan, make_plan

KEY = Key("one.example", "/k", max_age=10)
KEYS = {KEY.name: KEY}


def moment(order):
    return Moment(order, order / 10)


def read(begin, end, number, version, process="r0.1", **more):
    return Read(0, process, KEY.name, "", (), moment(begin), moment(end), 200, number,
                version and (version, 0, 1), 0, **more)


def history(**parts):
    made = History()
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def invalidated(below, **more):
    one = Invalidation("POST", 0, "r0.1", (KEY.name,), moment(1), {KEY.name: below}, moment(5), **more)
    return one


def duty(one, begin, end=None, process="r0.1"):
    return Duty(one, process, "it acknowledged", moment(begin), end and moment(end))


def samples(**more):
    stats = {"bytes": 1, "bytes_limit": 2, "queue_bytes": 3}
    return [Sample("r0.1", moment(1), dict(stats, **more))]


def age_of(number, begin, age, hit=True):
    """Number 1 was given and came at moment 10, so at one second."""
    one = read(begin, begin + 1, number, 1, hit=hit)
    return history(reads=[read(9, 10, 1, 1), dataclasses.replace(one, age=age)], fetches=[Fetch(0, KEY.name, 1, moment(10))])


def cases():
    """(what it is, findings, how many there should be)"""
    going = checks.no_going_back
    yield "rising versions", going(history(reads=[read(1, 2, 1, 10), read(3, 4, 2, 20)])), 0
    yield "a falling version", going(history(reads=[read(1, 2, 2, 20), read(3, 4, 1, 10)])), 1
    yield "two at one time", going(history(reads=[read(1, 4, 2, 20), read(3, 5, 1, 10)])), 0
    yield "a fall behind a long request", going(history(reads=[read(1, 9, 1, 10), read(2, 3, 2, 20),
                                                                read(4, 5, 1, 15)])), 1
    yield "another process", going(history(reads=[read(1, 2, 2, 20), read(3, 4, 1, 10, "r0.2")])), 0
    yield "what was not stored", going(history(reads=[read(1, 2, 2, None), read(3, 4, 1, 10)])), 0

    safe, one = checks.purge_safety, invalidated(5)
    yield "newer after a purge", safe(history(reads=[read(6, 7, 6, 1)], duties=[duty(one, 5)])), 0
    yield "older after a purge", safe(history(reads=[read(6, 7, 5, 1)], duties=[duty(one, 5)])), 1
    soft = invalidated(5, soft=True)
    yield "fresh after a soft purge", safe(history(reads=[read(6, 7, 5, 1)], duties=[duty(soft, 5)])), 1
    yield "stale after a soft purge", safe(history(reads=[read(6, 7, 5, 1, stale=True)], duties=[duty(soft, 5)])), 0
    yield "stale after a purge", safe(history(reads=[read(6, 7, 5, 1, stale=True)], duties=[duty(one, 5)])), 1
    yield "older, asked before", safe(history(reads=[read(4, 7, 5, 1)], duties=[duty(one, 5)])), 0
    yield "older, by who need not know", safe(history(reads=[read(6, 7, 5, 1, "r1.1")], duties=[duty(one, 5)])), 0
    yield "older, after the duty's end", safe(history(reads=[read(6, 9, 5, 1)], duties=[duty(one, 5, 8)])), 0
    yield "older, before the duty's end", safe(history(reads=[read(6, 7, 5, 1)], duties=[duty(one, 5, 8)])), 1

    strong = checks.strong
    yield "rising versions everywhere", strong(history(reads=[read(1, 2, 1, 10), read(3, 4, 2, 20, "r1.1")])), 0
    yield "a fall on another process", strong(history(reads=[read(1, 2, 2, 20), read(3, 4, 1, 10, "r1.1")])), 1
    yield "a fall on another process to what was given later", strong(history(
        reads=[read(1, 2, 2, 20), read(3, 4, 3, 10, "r1.1")])), 0
    yield "a fall on another process to a later validation", strong(history(
        reads=[read(1, 2, 2, 20), read(3, 4, 2, 10, "r1.1")])), 1
    yield "a fall of two at one time", strong(history(reads=[read(1, 4, 2, 20), read(3, 5, 1, 10, "r1.1")])), 0
    confirmed = invalidated(5, confirmed=True)
    yield "older after a purge, anywhere", strong(history(reads=[read(6, 7, 5, 1, "r1.1")],
                                                          invalidations=[confirmed])), 1
    yield "newer after a purge, anywhere", strong(history(reads=[read(6, 7, 6, 1, "r1.1")],
                                                          invalidations=[confirmed])), 0
    yield "older after an unconfirmed purge", strong(history(reads=[read(6, 7, 5, 1, "r1.1")],
                                                             invalidations=[one])), 0
    yield "older, asked before a purge", strong(history(reads=[read(4, 7, 5, 1, "r1.1")],
                                                        invalidations=[confirmed])), 0

    def fresh(made):
        return checks.freshness(made, KEYS)
    yield "fresh", fresh(age_of(1, 60, 5)), 0
    yield "beyond its lifetime", fresh(age_of(1, 120, 10)), 1
    yield "beyond its lifetime, and no hit", fresh(age_of(1, 120, 10, hit=False)), 0
    yield "an Age that is too low", fresh(age_of(1, 60, 1)), 1
    yield "an Age above the lifetime", fresh(age_of(1, 60, 11)), 1
    yield "a hit without Age", fresh(age_of(1, 60, None)), 1
    again = age_of(1, 120, 0)
    again.validations = [(moment(115), KEY.name, 1)]
    yield "validated since", fresh(again), 0
    again = age_of(1, 120, 0)
    again.validations = [(moment(18), KEY.name, 1)]
    yield "validated, and old again", fresh(again), 2
    yield "never given", fresh(age_of(2, 60, 5)), 1

    failed = checks.no_failed_request
    yield "a failed read", failed(history(reads=[read(1, 2, 0, None, error="502")])), 1
    yield "an excused read", failed(history(reads=[read(1, 2, 0, None, error="gone", excused="it ended")])), 0
    yield "a failed POST", failed(history(invalidations=[invalidated(1, error="502")])), 1

    def bounded(**more):
        return checks.bounds(history(samples=samples(**more)), 3)
    yield "within bounds", bounded(), 0
    yield "too much memory", bounded(bytes=3), 1
    yield "too long a queue", bounded(queue_bytes=4), 1


def shrinks():
    """A plan that is broken by two of its operations comes down to these."""
    plan = Plan(1, "calm", 3, [], [], [], [Op(n, "get", key=str(n)) for n in range(40)])

    def breaks(shorter):
        return "broken" if {"7", "31"} <= {op.key for op in shorter.ops} else None
    shortest, said = shrink.shrink(plan, breaks, 30, lambda _: None)
    return said == "broken" and [op.key for op in shortest.ops] == ["7", "31"]


def main():
    wrong = []
    for what, findings, expected in cases():
        if len(findings) != expected:
            wrong.append(f"{what}: {len(findings)} findings instead of {expected}: {findings}")
    if not shrinks():
        wrong.append("a plan is not made as short as it could be")
    if [str(op) for op in make_plan(7).ops] != [str(op) for op in make_plan(7).ops] or make_plan(7) == make_plan(8):
        wrong.append("a seed does not tell what happens")
    for line in wrong:
        print(line)
    return 1 if wrong else 0
