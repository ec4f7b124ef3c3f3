"""bench/run memory: what a stored response takes beyond its own bytes."""
import time
from contextlib import ExitStack
from pathlib import Path

from . import admin, load, proof, rounds
from .candidates import Meshcache, MeshcacheRedis, Varnish
from .machine import BenchError, say

HELP = "memory of a stored response of 1 KiB beyond its key, head and content"
CANDIDATES = [Meshcache, MeshcacheRedis, Varnish]  # those that keep it in memory of their own
WARM_KEYS = 1000
# Fields that are made for each answer, and not stored.
MADE = {"age", "cache-status", "x-cache-status", "x-varnish", "connection", "accept-ranges"}


def add_arguments(parser):
    parser.add_argument("--objects", type=int, default=100_000, metavar="N", help="stored responses [100000]")
    parser.add_argument("--only", metavar="NAME,...", help="of " + ", ".join(c.name for c in CANDIDATES))
    rounds.add_common_arguments(parser, timed=False)


def anonymous(pids):
    """Resident memory of these processes that is no file and not shared, in bytes."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total


def own_bytes(candidate, upstream):
    """(key, head, content) of one of the responses: method, scheme, host and path; the head of a hit without what
    is made for each answer."""
    path = load.key_path(0)
    with proof.Prover(candidate, upstream, path) as prover:
        response, content = proof.get(prover.connection, {}, path)
    head = len("HTTP/1.1 200 OK\r\n") + sum(len(f"{name}: {value}\r\n") for name, value in response.getheaders()
                                            if name.lower() not in MADE)
    return len(f"GEThttp127.0.0.1:{candidate.port}{path}"), head, len(content)


def settle(candidate, limit=30):
    """The memory once it has stopped to change: what waited for Redis has gone by then."""
    end = time.monotonic() + limit
    last = anonymous(candidate.pids())
    while time.monotonic() < end:
        time.sleep(1)
        now = anonymous(candidate.pids())
        if abs(now - last) < 64 * 1024:
            return now
        last = now
    return last


def charge(candidate):
    """What meshcache itself counts against its bound."""
    return admin.stats(candidate.admin_port)["bytes"] if isinstance(candidate, Meshcache) else 0


def measure(candidate, setting, objects):
    """Bytes for each of them."""
    proof.misses(candidate, setting.upstream, range(3))

    def ask(first, count):
        asked = load.Load(setting.size, load.KEYED_PATH, options=("--sequence", first, "--requests", count, "--check"))
        load.run(setting.load_core, candidate.port, asked, 600)

    # Warm: what is allocated once is not a response's.
    ask(10, WARM_KEYS)
    ask(10, WARM_KEYS)
    before, charged = settle(candidate), charge(candidate)
    ask(10_000, objects)
    after, charged = settle(candidate), charge(candidate) - charged
    answered = setting.upstream.answered()
    ask(10_000, objects)
    if setting.upstream.answered() != answered:
        raise BenchError(f"{candidate.name} does not keep {objects} responses")
    key, head, content = own_bytes(candidate, setting.upstream)
    each = (after - before) / objects
    return {"before": before, "after": after, "each": each, "charged": charged / objects, "key": key, "head": head,
            "content": content, "beyond": each - key - head - content}


def run(arguments):
    kinds = rounds.choose(arguments.only, CANDIDATES)
    rounds.install(kinds)
    output = rounds.Output(arguments, "memory", f"{arguments.objects:,} responses of 1 KiB", objects=arguments.objects)
    lines = ["| | before | with them | bytes for each | counted by itself | of it key, head, content | beyond |",
             "|---|---|---|---|---|---|---|"]
    summary = {}
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, rounds.Keyed(), arguments.meshcache)
        for kind in kinds:
            candidate = kind()
            stack.callback(candidate.stop)
            candidate.start(setting)
            s = summary[candidate.name] = measure(candidate, setting, arguments.objects)
            say(f"  {candidate.name}: {s['beyond']:.0f} bytes")
            counted = f"{s['charged']:,.0f}" if s["charged"] else ""
            lines.append(f"| {candidate.name} | {s['before'] / 2**20:.1f} MiB | {s['after'] / 2**20:.1f} MiB | "
                         f"{s['each']:,.0f} | {counted} | {s['key']}, {s['head']}, {s['content']} | "
                         f"{s['beyond']:,.0f} |")
            candidate.stop()
    output.add({"name": "memory", "title": "memory of a stored response",
                "peers": [kind.name for kind in kinds if kind.is_peer], "summary": summary}, "\n".join(lines))
    return 0
