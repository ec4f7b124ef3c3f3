"""bench/run redis: what it costs to bring a record to Redis, behind the answers and in batches, and one HTTP request
each to webdis."""
import http.client
import json
import signal
import time
from contextlib import ExitStack

from . import admin, load, machine, rounds, servers
from .candidates import Candidate, Meshcache, first_line
from .machine import BenchError, say
from .resp import Redis

HELP = "records a second to Redis, and CPU for each: meshcache's write-behind, and webdis with one HTTP request each"
SIZE = 1024


class WriteBehind(Meshcache):
    """meshcache whose queue has room for everything, and which waits for a Redis that stands still."""
    name = "write-behind"
    memory = 1 << 30
    programs = {"redis-server": "redis-server"}

    def arguments(self, setting):
        self.redis = Redis(setting, setting.load_core, "redis-meshcache")
        self.helpers.append(self.redis)
        return ["--redis", f"redis://127.0.0.1:{self.redis.port}", "--redis-command-timeout", "1m",
                "--queue-memory", self.memory]

    def strand(self):
        """The thread that talks to Redis, as a part of /proc."""
        return machine.thread(self.server.process.pid, "meshcache-redis")

    def write(self, setting, first, count):
        """Fills the queue while Redis stands still, and lets it go. Only the second part is measured."""
        for pid in self.redis.pids():
            servers.send_signal(pid, signal.SIGSTOP)
        asked = load.Load(SIZE, load.KEYED_PATH, options=("--sequence", first, "--requests", count, "--check"))
        load.run(setting.load_core, self.port, asked, 600)
        waiting = admin.stats(self.admin_port)["queue_depth"]
        if waiting < count:
            raise BenchError(f"{self.name}: {waiting} of {count} records wait while Redis stands still")
        strand, redis = self.strand(), self.redis.pids()
        before = (sum(machine.cpu_seconds([strand])), sum(machine.cpu_seconds(redis)))
        began = time.monotonic()
        for pid in redis:
            servers.send_signal(pid, signal.SIGCONT)
        while admin.stats(self.admin_port)["queue_depth"]:
            if time.monotonic() > began + 120:
                raise BenchError(f"{self.name}: the queue does not empty")
            time.sleep(.02)
        took = time.monotonic() - began
        return took, sum(machine.cpu_seconds([strand])) - before[0], sum(machine.cpu_seconds(redis)) - before[1]

    def record_size(self):
        """Of one record in Redis, in bytes."""
        for key in self.redis.command("SCAN", 0, "COUNT", 1000)[1]:
            if b":r:" in key:
                return self.redis.command("STRLEN", key.decode())
        raise BenchError("no record is in Redis")


class Webdis(Candidate):
    """One SETEX of a value as large as meshcache's record, in one HTTP request on a kept connection. What the
    program costs that sends them is not counted."""
    name = "webdis"
    programs = {"webdis": "webdis", "redis-server": "redis-server"}

    def command(self, setting):
        self.redis = Redis(setting, setting.load_core, "redis-webdis")
        self.helpers.append(self.redis)
        config = {"redis_host": "127.0.0.1", "redis_port": self.redis.port, "http_host": "127.0.0.1",
                  "http_port": self.port, "threads": 1, "pool_size": 20, "daemonize": False, "database": 0,
                  "http_max_request_size": 1 << 20, "verbosity": 0, "logfile": str(setting.directory / "webdis.txt")}
        path = setting.directory / "webdis.json"
        path.write_text(json.dumps(config))
        return ["webdis", path]

    def prove(self, value_size):
        """Writes one value, and looks for it."""
        self.value = "v" * value_size
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("PUT", "/SETEX/bench:proof/86400", body=self.value)
        response = connection.getresponse()
        self.answer_size = len(response.read())
        connection.close()
        if response.status != 200 or self.redis.command("GET", "bench:proof") != self.value.encode():
            raise BenchError(f"webdis answers {response.status} and has not written the value")

    def write(self, setting, first, count):
        asked = load.Load(self.answer_size, "/SETEX/bench:########/86400", method="PUT", content=self.value,
                          options=("--sequence", first, "--requests", count))
        pids, redis = self.pids(), self.redis.pids()
        before = (sum(machine.cpu_seconds(pids)), sum(machine.cpu_seconds(redis)))
        report = load.run(setting.load_core, self.port, asked, 600)
        return (report["seconds"], sum(machine.cpu_seconds(pids)) - before[0],
                sum(machine.cpu_seconds(redis)) - before[1])

    def version(self):
        return first_line("dpkg-query", "-W", "-f", "${Package} ${Version}", "webdis")


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds [5]")
    parser.add_argument("--records", type=int, default=100_000, metavar="N", help="records in each round [100000]")
    rounds.add_common_arguments(parser)


def measure(candidate, setting, first, count):
    there = candidate.redis.command("DBSIZE")
    others = rounds.Cost(candidate, setting)
    took, ours, redis = candidate.write(setting, first, count)
    foreign = others.stop()["foreign"]
    # The log and the floors are keys as well.
    if candidate.redis.command("DBSIZE") - there < count:
        raise BenchError(f"{candidate.name} has not brought {count} records to Redis")
    return {"rate": count / took, "cpu_us": ours / count * 1e6, "redis_us": redis / count * 1e6, "foreign": foreign}


def table(title, summary):
    reference = summary["webdis"]
    lines = [f"### {title}", "",
             "| | records/s | spread | to webdis | CPU µs per record | spread | to webdis | Redis' CPU µs | "
             "to webdis |", "|---|---|---|---|---|---|---|---|---|"]
    for name, s in summary.items():
        lines.append(f"| {name}{' ‡' if s['foreign'] > rounds.FOREIGN else ''} | {s['rate']:,.0f} | "
                     f"{s['rate_spread']:.0%} | {s['rate'] / reference['rate']:.1f} | {s['cpu_us']:.2f} | "
                     f"{s['cpu_us_spread']:.0%} | {s['cpu_us'] / reference['cpu_us']:.3f} | {s['redis_us']:.2f} | "
                     f"{s['redis_us'] / reference['redis_us']:.2f} |")
    return "\n".join(lines + rounds.notes([{"foreign": s["foreign"]} for s in summary.values()]))


def run(arguments):
    kinds = [WriteBehind, Webdis]
    rounds.install(kinds)
    patience = time.monotonic() + arguments.wait_quiet
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, rounds.Keyed(), arguments.meshcache)
        behind, webdis = candidates = [kind() for kind in kinds]
        for candidate in candidates:
            stack.callback(candidate.stop)
            candidate.start(setting)
        behind.write(setting, 0, 1000)
        size = behind.record_size()
        webdis.prove(size)
        output = rounds.Output(arguments, "redis", f"{arguments.records:,} records of {size:,} bytes, medians of "
                               f"{arguments.rounds} alternating rounds", records=arguments.records, record_size=size,
                               rounds=arguments.rounds)

        # Keys that are there already would not be new records.
        firsts = iter(range(1000, 99_999_999 - arguments.records, arguments.records))

        def measurement(candidate, number):
            def once():
                if candidate is webdis:
                    candidate.redis.command("FLUSHALL")
                return measure(candidate, setting, next(firsts), arguments.records)

            result = rounds.in_peace(patience, once)
            say(f"  round {number + 1}/{arguments.rounds}: {candidate.name:<14}{result['rate']:>9,.0f}/s "
                f"{result['cpu_us']:6.2f} us, Redis {result['redis_us']:6.2f} us")
            return result

        results = rounds.take_turns(candidates, arguments.rounds, measurement)
        summary = {}
        for name, values in results.items():
            summary[name] = rounds.medians(values, ("rate", "cpu_us", "redis_us"))
        title = f"{size:,} bytes a record"
        output.add({"name": "redis", "title": title, "rounds": results, "summary": summary,
                    "versions": {c.name: c.version() for c in candidates}}, table(title, summary))
    return 0
