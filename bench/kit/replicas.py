"""Several replicas of meshcache that share one Redis."""
import time

from . import admin, servers
from .machine import BenchError
from .resp import Redis

NAMESPACE = "bench"
HOST = "bench.example"  # in the key, so the same for all of them


class Replica(servers.Server):
    def __init__(self, setting, number, redis, upstream_port, memory):
        self.port = servers.free_port()
        self.admin_port = servers.free_port()
        super().__init__([setting.meshcache, "--listen", f"127.0.0.1:{self.port}", "--upstream",
                          f"127.0.0.1:{upstream_port}", "--admin", f"127.0.0.1:{self.admin_port}", "--threads", 1,
                          "--memory", memory, "--log-level", "warn", "--access-log", "off", "--redis",
                          f"redis://127.0.0.1:{redis.port}", "--namespace", NAMESPACE],
                         setting.server_core, setting.directory, f"replica-{number}")
        self.wait_for_port(self.port)


class Group:
    """So many replicas and their Redis, all started."""

    def __init__(self, stack, setting, count, upstream_port, memory="64MiB"):
        self.redis = Redis(setting, setting.load_core)
        stack.callback(self.redis.stop)
        self.replicas = []
        for number in range(count):
            self.replicas.append(Replica(setting, number, self.redis, upstream_port, memory))
            stack.callback(self.replicas[-1].stop)
        self.wait(lambda stats: stats["redis_state"] == "ready", "is not connected to Redis")

    def wait(self, condition, why, limit=60):
        """Until condition(stats) holds for all replicas."""
        end = time.monotonic() + limit
        for replica in self.replicas:
            while not condition(admin.stats(replica.admin_port)):
                replica.check()
                if time.monotonic() > end:
                    raise BenchError(f"{replica.name} {why}")
                time.sleep(.02)

    def wait_until_followed(self):
        """Until nothing waits to be written, and every replica has read the whole change log."""
        self.wait(lambda stats: stats["queue_depth"] == 0, "still has something to write")
        last = self.redis.command("XREVRANGE", f"mc:{{{NAMESPACE}:0}}:log", "+", "-", "COUNT", 1)
        position = last[0][0].decode() if last else "0-0"
        self.wait(lambda stats: stats["log_position"] == position, f"has not read the log up to {position}")
