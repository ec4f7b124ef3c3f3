"""bench/run following: what it costs that every replica reads the change log, as replicas grow in number."""
import statistics
import time
from contextlib import ExitStack

from . import admin, load, machine, replicas, rounds
from .machine import BenchError, say

HELP = "cost of following the change log with 2, 5, 10 and 20 replicas, and a model of more"
MODELLED = 1000


def add_arguments(parser):
    parser.add_argument("--replicas", default="2,5,10,20", metavar="N,...", help="numbers of replicas [2,5,10,20]")
    parser.add_argument("--rate", type=int, default=2000, metavar="N", help="records a second that one of them writes "
                                                                            "[2000]")
    parser.add_argument("--seconds", type=int, default=5, help="length of one measurement [5]")
    rounds.add_common_arguments(parser)


def measure(setting, count, rate, seconds):
    """One writer, count - 1 followers."""
    with ExitStack() as stack:
        group = replicas.Group(stack, setting, count, setting.upstream.port, memory="32MiB")
        writer, *followers = group.replicas
        asked = load.Load(setting.size, load.KEYED_PATH, options=("--sequence", 0, "--check"))
        load.run(setting.load_core, writer.port, asked, 1, "--rate", rate)  # warm
        group.wait_until_followed()

        def now():
            return {"redis": sum(machine.cpu_seconds(group.redis.pids())),
                    "writer": sum(machine.cpu_seconds([machine.thread(writer.process.pid, "meshcache-redis")])),
                    "followers": sum(sum(machine.cpu_seconds(f.pids())) for f in followers),
                    "entries": admin.metric(writer.admin_port, "meshcache_redis_batches_total"),
                    "records": admin.metric(writer.admin_port, "meshcache_redis_puts_total")}

        before = now()
        asked = load.Load(setting.size, load.KEYED_PATH, options=("--sequence", 10_000_000, "--check"))
        load.run(setting.load_core, writer.port, asked, seconds, "--rate", rate)
        group.wait_until_followed()
        spent = {name: value - before[name] for name, value in now().items()}
        events = min(admin.metric(f.admin_port, "meshcache_log_events_total") for f in followers)
        if spent["records"] < rate * seconds * .99 or events < spent["entries"]:
            raise BenchError(f"{spent['records']:.0f} records were written, and a follower has read {events:.0f} "
                             f"entries of {spent['entries']:.0f}")
        records = spent["records"]
        return {"replicas": count, "records_per_entry": records / spent["entries"],
                "redis_us": spent["redis"] / records * 1e6, "writer_us": spent["writer"] / records * 1e6,
                "follower_us": spent["followers"] / records / len(followers) * 1e6,
                **{f"propagation_{share}_ms": statistics.median(
                    admin.stats(f.admin_port)["propagation_ms"][share] for f in followers) for share in ("p50", "p99")}}


def fit(points):
    """(a, b) of y = a + b x, by least squares."""
    mean_x, mean_y = (statistics.mean(values) for values in zip(*points))
    over = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / over if over else 0.
    return mean_y - slope * mean_x, slope


def run(arguments):
    counts = [int(n) for n in arguments.replicas.split(",")]
    if min(counts) < 2:
        raise BenchError("one replica writes, and another follows: two are the least")
    machine.install_missing({"redis-server": "redis-server", "taskset": "util-linux"})
    patience = time.monotonic() + arguments.wait_quiet
    output = rounds.Output(arguments, "following", f"one replica writes {arguments.rate:,} records of 1 KiB a second, "
                           f"the others follow, for {arguments.seconds} s", rate=arguments.rate,
                           seconds=arguments.seconds)
    summary = {}
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, rounds.Keyed(), arguments.meshcache)
        for count in counts:
            rounds.wait_for_peace(patience)
            summary[f"{count} replicas"] = measure(setting, count, arguments.rate, arguments.seconds)
            say(f"  {count} replicas: Redis {summary[f'{count} replicas']['redis_us']:.1f} us a record")
    lines = ["| | records per entry of the log | Redis' CPU µs per record | writer's strand | each follower | "
             "propagation p50 / p99 ms |", "|---|---|---|---|---|---|"]
    lines += [f"| {name} | {s['records_per_entry']:.1f} | {s['redis_us']:.1f} | {s['writer_us']:.1f} | "
              f"{s['follower_us']:.1f} | {s['propagation_p50_ms']:.1f} / {s['propagation_p99_ms']:.1f} |"
              for name, s in summary.items()]
    result = {"name": "following", "title": "cost of following the change log", "summary": summary}
    if len(set(counts)) > 1:
        base, each = fit([(s["replicas"], s["redis_us"]) for s in summary.values()])
        modelled = base + each * MODELLED
        result["model"] = {"base_us": base, "each_us": each, "replicas": MODELLED, "redis_us": modelled}
        lines += ["", f"Redis spends {base:.1f} µs on a record, and {each:.2f} µs more for each replica that follows. "
                  f"By that line, {MODELLED:,} replicas would make it {modelled:,.0f} µs: at most "
                  f"{1e6 / max(modelled, 1e-3):,.0f} records a second, of all replicas together, with its core full."]
    output.add(result, "\n".join(lines))
    return 0
