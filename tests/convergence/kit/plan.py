"""What is to happen in one run: drawn from a seed, so that the same seed gives the same operations at the same
moments. What comes of them also depends on the machine; a plan makes no run exact, it makes it likely again."""
import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Key:
    """What the application has at one URI."""
    host: str
    path: str
    max_age: int = 600
    vary: bool = False
    size: int = 40
    slowness: float = 0  # of the application, in seconds at the most
    streamed: bool = False
    validated: bool = False  # has an ETag, and may answer 304
    tags: tuple = ()

    @property
    def name(self):
        return self.host + self.path

    @property
    def variants(self):
        return ("a", "b") if self.vary else ("",)


@dataclass
class Op:
    """One operation. `at` and `lasts` are in seconds from the start."""
    at: float
    what: str
    replica: int = 0
    key: str = ""
    variant: str = ""
    lasts: float = 0
    how: tuple = ()

    def __str__(self):
        parts = [self.what, *map(str, self.how)]
        if self.what in REPLICA_OPS:
            parts.append(f"r{self.replica}")
        if self.key:
            parts.append(self.key + (f" ({self.variant})" if self.variant else ""))
        if self.lasts:
            parts.append(f"for {self.lasts * 1000:.0f} ms")
        return " ".join(parts)


# Parts of the world that a run can do without.
PARTS = ("clocks", "vary", "purges")
REPLICA_OPS = {"get", "unsafe", "purge", "kill", "term", "pause", "net", "clock"}
PURGES = (("url", 6), ("tag", 3), ("prefix", 3), ("host", 1), ("all", 1))
TAGS = ("red", "green", "blue")
PROCESS_FAULTS = (("kill", 3), ("term", 2), ("pause", 3))
NETWORK_FAULTS = (("delay", 2), ("stall", 3), ("hole", 3), ("cut", 3), ("reset", 3))
REDIS_FAULTS = (("empty", 3), ("data", 2), ("rollback", 2), ("freeze", 2), ("flush", 1), ("trim", 2), ("scripts", 1),
                ("clients", 1), ("full", 1))
# How often each kind of fault comes, by what the run is about.
PROFILES = {
    "calm": {},
    "clocks": {"clock": 6},
    "network": {"net": 7, "clock": 1},
    "redis": {"redis": 4, "net": 1, "clock": 1},
    "processes": {"process": 5, "net": 1, "clock": 1},
    "crowded": {"redis": 2, "net": 3},
    "strong": {"net": 3, "process": 2, "clock": 1},
    "everything": {"net": 3, "redis": 2, "process": 2, "clock": 2},
}


@dataclass
class Plan:
    seed: int
    profile: str
    replicas: int
    flags: list
    offsets: list  # of the replicas' clocks, in milliseconds
    keys: list
    ops: list = field(default_factory=list)


def covers(purge, key):
    """Whether a purge of that kind and value covers the key."""
    kind, what = purge[:2]
    return {"url": what == f"http://{key.name}", "tag": what in key.tags, "host": what == key.host,
            "prefix": f"http://{key.name}".startswith(what), "all": True}[kind]


def make_keys(rng, profile):
    hosts = ("one.example", "two.example")
    keys = []

    def add(path, **more):
        tags = tuple(sorted(rng.sample(TAGS, rng.randint(0, 2))))
        keys.append(Key(rng.choice(hosts), path, tags=tags, **more))

    for i in range(4):
        add(f"/a/{i}")
    for i in range(3):
        add(f"/b/slow/{i}", slowness=rng.choice((.005, .03, .15)))
    for i in range(2):
        add(f"/b/vary/{i}", vary=True, slowness=rng.choice((0, .02)))
    for i in range(3):
        add(f"/c/short/{i}", max_age=1, validated=i > 0)
    add("/c/stream", size=30_000, streamed=True, slowness=.02)
    if profile == "crowded":  # more than the queue holds
        for i in range(10):
            add(f"/c/large/{i}", size=200_000)
    return keys


def weighted(rng, pairs):
    return rng.choices([name for name, _ in pairs], [weight for _, weight in pairs])[0]


class Maker:
    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.seconds = rng.choice((1.5, 2, 2.5))
        profile = rng.choice(list(PROFILES))
        replicas = rng.randint(3, 5)
        # Clocks stay within --max-clock-skew of each other, which is what the promises ask of them.
        self.spread = rng.choice((0, 60, 120)) if profile != "clocks" else 124
        flags = ["--redis-timeout", rng.choice(("20ms", "100ms")),
                 "--redis-command-timeout", rng.choice(("300ms", "1s"))]
        if rng.random() < .4:
            flags += ["--collapse", "global"]
        if profile == "strong":
            flags += ["--consistency", "strong", "--on-unconfirmed", "503"]
        # Drawn apart, so that a seed keeps its faults.
        flags += random.Random(f"{seed} replication").choice(
            ([], ["--replicate", "all"], ["--on-change", "drop"], ["--warm-start", "off"]))
        if profile == "crowded":
            flags += ["--queue-memory", "1MiB", "--max-object", "256KiB"]
        self.plan = Plan(seed, profile, replicas, flags, [self.offset() for _ in range(replicas)],
                         make_keys(rng, profile))

    def offset(self):
        return self.rng.randint(-self.spread, self.spread)

    def make(self):
        self.add_traffic()
        for what, count in PROFILES[self.plan.profile].items():
            for _ in range(count):
                self.add_fault(what)
        self.plan.ops.sort(key=lambda op: op.at)
        return self.plan

    def add(self, at, what, **more):
        self.plan.ops.append(Op(round(at, 4), what, **more))

    def any_replica(self):
        return self.rng.randrange(self.plan.replicas)

    def add_request(self, at, key, unsafe_part):
        rng = self.rng
        where = dict(replica=self.any_replica(), key=key.name)
        if rng.random() < unsafe_part:
            self.add(at, "unsafe", how=(rng.choice(("POST", "PUT", "DELETE")),), **where)
        else:
            anew = ("no-cache",) if rng.random() < .1 else ()
            self.add(at, "get", variant=rng.choice(key.variants), how=anew, **where)

    def add_traffic(self):
        rng, keys = self.rng, self.plan.keys
        for _ in range(int(self.seconds * 200)):
            self.add_request(rng.uniform(0, self.seconds), rng.choice(keys), .04)
        # Bursts: many requests for one key at nearly one moment, where races are.
        for _ in range(int(self.seconds * 12)):
            at, key, width = rng.uniform(0, self.seconds), rng.choice(keys), rng.choice((.002, .01, .04))
            for _ in range(rng.randint(5, 20)):
                self.add_request(at + rng.uniform(0, width), key, .15)

        for _ in range(int(self.seconds * 6)):
            self.add_purge(rng.uniform(0, self.seconds))
        self.add_rivals()

    def add_rivals(self):
        """Invalidations of one key through two replicas, soon after one another and with a fetch in between: of their
        floors the later one may be the lower, and neither may know of the other."""
        rng = random.Random(f"{self.plan.seed} rivals")  # drawn apart, so that a seed keeps all else
        for _ in range(int(self.seconds * 6)):
            at, key = rng.uniform(0, self.seconds), rng.choice(self.plan.keys)
            url = rng.random() < .3
            first, second = rng.sample(range(self.plan.replicas), 2)
            for replica, what in ((first, "invalidate"), (first, "get"), (second, "invalidate"), (first, "get"),
                                  (second, "get")):
                if what == "get":
                    self.add(at, "get", replica=replica, key=key.name, variant=rng.choice(key.variants))
                elif url:
                    self.add(at, "purge", replica=replica, how=("url", f"http://{key.name}"))
                else:
                    self.add(at, "unsafe", replica=replica, key=key.name, how=(rng.choice(("POST", "PUT")),))
                at += rng.choice((.001, .005, .02))

    def add_purge(self, at):
        rng, key = self.rng, self.rng.choice(self.plan.keys)
        kind = weighted(rng, PURGES)
        what = {"url": f"http://{key.name}", "tag": rng.choice(TAGS), "host": key.host, "all": "1",
                "prefix": f"http://{key.host}" + key.path[:key.path.index("/", 1) + 1]}[kind]
        self.add(at, "purge", replica=self.any_replica(), how=(kind, what) + (("soft",) if rng.random() < .2 else ()))

    def add_fault(self, what):
        rng = self.rng
        at, lasts = rng.uniform(0, self.seconds), rng.choice((.02, .1, .3, .8))
        where = dict(replica=self.any_replica(), lasts=lasts)
        if what == "clock":
            self.add(at, "clock", replica=where["replica"], how=(self.offset(),))
        elif what == "process":
            self.add(at, weighted(rng, PROCESS_FAULTS), **where)
        elif what == "redis":
            self.add(at, "redis", lasts=lasts, how=(weighted(rng, REDIS_FAULTS),))
        else:
            kind = weighted(rng, NETWORK_FAULTS)
            how = (kind,)
            if kind == "delay":
                how += (rng.choice((2, 10, 40)),)
            if kind in ("stall", "hole"):
                how += (rng.choice(("up", "down", "both")),)
            if kind == "hole" and rng.random() < .07:
                how += ("for-good",)  # nobody tells the replica that its connection is dead
            self.add(at, "net", how=how, **where)


def make_plan(seed, without=()):
    plan = Maker(seed).make()
    if "clocks" in without:
        plan.offsets = [0] * plan.replicas
        plan.ops = [op for op in plan.ops if op.what != "clock"]
    if "purges" in without:
        plan.ops = [op for op in plan.ops if op.what != "purge"]
    if "vary" in without:
        left_out = {key.name for key in plan.keys if key.vary}
        plan.keys = [key for key in plan.keys if key.name not in left_out]
        plan.ops = [op for op in plan.ops if op.key not in left_out]
    return plan
