"""Finding a shorter plan that still breaks the promise, by running it again with operations left out. A run is not
exact, so a shorter plan is tried several times before it counts as sound."""
import dataclasses
import time

TRIES = 3


def without(plan, ops):
    return dataclasses.replace(plan, ops=ops)


def shrink(plan, breaks, seconds, say):
    """`breaks(plan)` returns what a report needs if the plan breaks the promise, else None. Returns the shortest plan
    found within the time, with what breaks() last said of it (None if nothing shorter was found)."""
    end = time.monotonic() + seconds
    best = None
    parts = 2
    while len(plan.ops) > 1 and time.monotonic() < end:
        size = max(1, len(plan.ops) // parts)
        for start in range(0, len(plan.ops), size):
            if time.monotonic() > end:
                break
            shorter = without(plan, plan.ops[:start] + plan.ops[start + size:])
            result = next(filter(None, (breaks(shorter) for _ in range(TRIES) if time.monotonic() < end)), None)
            if result is not None:
                plan, best = shorter, result
                say(f"still broken with {len(plan.ops)} operations")
                parts = max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(plan.ops), parts * 2)
    return plan, best
