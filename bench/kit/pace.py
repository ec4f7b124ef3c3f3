"""Measurements at a fixed rate: requests leave when they are due, whatever the answers do."""
import subprocess
from contextlib import nullcontext

from . import load, rounds
from .machine import say

# A generator that sends later than this tells of itself, not of the server.
LATE_US = 100
# Less than this part of the rate means that the server did not keep up.
KEPT_UP = .99

_realtime = None


def realtime():
    """What lets a command run at once when it is due, although others want its core; nothing where we may not."""
    global _realtime
    if _realtime is None:
        allowed = subprocess.run(["chrt", "-f", "1", "true"], capture_output=True, check=False).returncode == 0
        _realtime = ("chrt", "-f", "1") if allowed else ()
        if not allowed:
            say("no right to real-time priority: the generator may be late where others want its core")
    return _realtime


def measure(candidate, setting, asked, seconds, rate, connections=load.CONNECTIONS, during=None):
    """One candidate at `rate` requests a second. `during` is a context manager that is open meanwhile; it gives the
    processes that belong to the bench."""
    with during or nullcontext([]) as pids:
        cost = rounds.Cost(candidate, setting, pids)
        report = load.run(setting.load_core, candidate.port, asked, seconds, "--rate", rate, connections=connections,
                          first=realtime())
        spent = cost.stop()
    figures = {name: report[name] for name in ("p50_us", "p99_us", "p999_us", "max_us", "late_p99_us", "unanswered")}
    return dict(figures, rate=report["requests"] / seconds, cpu_us=spent["server"] / report["requests"] * 1e6,
                cpu_s=spent["server"], server_busy=spent["server"] / report["seconds"],
                kept_up=report["requests"] / (rate * seconds), foreign=spent["foreign"])


def summarise(results):
    """Medians, the spread of p99, and whether the figures hold."""
    summary = rounds.medians(results, ("p99_us",))
    summary["kept_up"] = min(r["kept_up"] for r in results)
    summary["cpu_valid"] = min(r["cpu_s"] for r in results) >= rounds.LEAST_CPU
    summary["latency_valid"] = summary["late_p99_us"] <= LATE_US
    return summary


def table(title, summary, peers=(), reference=None):
    """The summary as Markdown; `reference`: the best peer's p99 and p99.9, if there is one."""
    lines = [f"### {title}", "",
             "| | p50 µs | p99 µs | spread | p99.9 µs | longest µs | p99, p99.9 to the best peer's | "
             "CPU µs per request | server busy |", "|---|---|---|---|---|---|---|---|---|"]
    reference = reference or best(summary, peers)
    for name, s in summary.items():
        mark = ("" if s["latency_valid"] else " †") + ("" if s["kept_up"] >= KEPT_UP else " §")
        compared = (f"{s['p99_us'] / max(1, reference[0]):.2f}, {s['p999_us'] / max(1, reference[1]):.2f}{mark}"
                    if reference else "")
        cpu = f"{s['cpu_us']:.2f}" if s["cpu_valid"] else "–"
        lines.append(f"| {name}{' ‡' if s['foreign'] > rounds.FOREIGN else ''} | {s['p50_us']:.0f}{mark} | "
                     f"{s['p99_us']:.0f}{mark} | {s['p99_us_spread']:.0%} | {s['p999_us']:.0f}{mark} | "
                     f"{s['max_us']:.0f} | {compared} | {cpu} | {s['server_busy']:.0%} |")
    if not all(s["latency_valid"] for s in summary.values()):
        lines += ["", f"† the generator itself sent 1 % of the requests more than {LATE_US} µs late: the figures are "
                      "about it as much as about the server."]
    if not all(s["kept_up"] >= KEPT_UP for s in summary.values()):
        lines += ["", "§ in one round or more, answers did not come in time: the server did not keep up."]
    return "\n".join(lines + rounds.notes([{"foreign": s["foreign"], "cpu_valid": s["cpu_valid"]}
                                           for s in summary.values()]))


def best(summary, peers):
    """(p99, p99.9) of the peer with the lowest p99 that kept up; None without one."""
    there = [summary[name] for name in peers if name in summary and summary[name]["kept_up"] >= KEPT_UP]
    if not there:
        return None
    least = min(there, key=lambda s: s["p99_us"])
    return least["p99_us"], least["p999_us"]
