"""What is printed of a run that broke a promise: the seed, what was found, and what happened to that key."""


def relevant(history, plan, findings):
    """The events of the first finding's key, and all faults, in their order: (seconds, text)."""
    key = next((f.key for f in findings if f.key), None)
    lines = [(m.order, m.at, text) for m, text in history.notes]
    for fetch in history.fetches:
        if fetch.key == key:
            lines.append((fetch.when.order, fetch.when.at, f"r{fetch.replica} fetches {key}: #{fetch.number}"))
    for when, name, number in history.validations:
        if name == key:
            lines.append((when.order, when.at, f"the application says that {key} #{number} is still good (304)"))
    for read in history.reads:
        if read.key == key and read.end:
            version = f" {read.version[0]}.{read.version[1]}@{read.version[2]:x}" if read.version else ""
            lines.append((read.end.order, read.end.at, f"{read.process} answers {' '.join(read.how)} {read.variant} "
                          f"#{read.number}{version} asked {read.begin.at * 1000:.1f} [{read.cache_status}]"
                          f"{' ' + read.error if read.error else ''}"))
    numbers = {id(i): n for n, i in enumerate(history.invalidations)}
    for n, i in enumerate(history.invalidations):
        if key not in i.keys:
            continue
        lines.append((i.begin.order, i.begin.at, f"{i.process} gets {i.name} (invalidation {n})"))
        if i.end:
            lines.append((i.end.order, i.end.at, f"{i.process} acknowledges {n}: nothing up to #{i.below.get(key)} "
                          f"{i.error}"))
        if i.in_redis:
            lines.append((i.in_redis.order, i.in_redis.at, f"{n} has been seen in Redis"))
    for duty in history.duties:
        if key in duty.invalidation.keys and "log" in duty.why:
            lines.append((duty.begin.order, duty.begin.at,
                          f"{duty.process} knows of {numbers[id(duty.invalidation)]}: {duty.why}"))
    return [(at, text) for _, at, text in sorted(lines)]


MOST_LINES = 120


def tell(plan, findings, history, logs):
    """The whole report as text."""
    out = [f"seed {plan.seed}: {findings[0].promise} broken ({plan.profile}, {plan.replicas} replicas, clocks off by "
           f"{plan.offsets} ms, {len(plan.ops)} operations)"]
    out += [f"  {f.promise}: {f.text}" for f in findings[:5]]
    if len(findings) > 5:
        out.append(f"  and {len(findings) - 5} more")
    lines = relevant(history, plan, findings)
    # What led to the finding is before it.
    when = findings[0].when if findings[0].when is not None else float("inf")
    last = sum(at <= when + .001 for at, _ in lines)
    first = max(0, last - MOST_LINES)
    lines = ["..."] * (first > 0) + [f"{at * 1000:9.1f} ms  {text}" for at, text in lines[first:last]]
    out += ["what happened:"] + ["  " + line for line in lines]
    for name, log in logs.items():
        worth = [line for line in log.splitlines() if " listening on " not in line]
        out += [f"{name} said:"] + ["  " + line for line in worth[-12:]]
    return "\n".join(out)
