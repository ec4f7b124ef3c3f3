"""bench/run cold: from the start of a process to its first answer."""
import socket
import time
from contextlib import ExitStack

from . import load, proof, rounds, servers
from .candidates import CACHES
from .machine import BenchError, say

HELP = "cold start: from the start of the process to the first answer"
GIVE_UP = 60  # seconds


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, default=11, help="alternating rounds [11]")
    parser.add_argument("--only", metavar="NAME,...", help="of " + ", ".join(c.name for c in CACHES))
    rounds.add_common_arguments(parser)


def try_once(port, request, size):
    """The content of an answer, or None while there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(request)
            got = b""
            while True:
                more = s.recv(65536)
                if not more:
                    return None
                got += more
                head, end, content = got.partition(b"\r\n\r\n")
                if end and not head.startswith(b"HTTP/1.1 200"):
                    return None
                if end and len(content) >= size:
                    return content
    except OSError:
        return None


def measure(kind, binary):
    """Milliseconds, with an empty directory and an upstream of its own."""
    with ExitStack() as stack:
        setting = rounds.open_setting(stack, rounds.Scenario(), binary)
        expected = proof.content(setting.upstream, load.PATH)
        candidate = kind()
        stack.callback(candidate.stop)
        candidate.port = servers.free_port()
        words = candidate.command(setting)
        request = load.Load(setting.size).request(candidate.port).encode()
        began = time.monotonic()
        candidate.server = servers.Server(words, setting.server_core, setting.directory, candidate.name)
        while True:
            content = try_once(candidate.port, request, setting.size)
            took = time.monotonic() - began
            if content is not None:
                if content != expected:
                    raise BenchError(f"{candidate.name}: the first answer is not the upstream's")
                return {"ms": took * 1e3, "foreign": 0.}
            candidate.server.check()
            if took > GIVE_UP:
                raise BenchError(f"{candidate.name} does not answer")
            time.sleep(.0005)


def run(arguments):
    kinds = rounds.choose(arguments.only, CACHES)
    rounds.install(kinds)
    binary = servers.find_meshcache(arguments.meshcache)
    output = rounds.Output(arguments, "cold", f"medians of {arguments.rounds} alternating starts",
                           rounds=arguments.rounds)

    patience = time.monotonic() + arguments.wait_quiet

    def measurement(kind, number):
        rounds.wait_for_peace(patience)
        result = measure(kind, binary)
        say(f"  round {number + 1}/{arguments.rounds}: {kind.name:<16}{result['ms']:8.1f} ms")
        return result

    results = rounds.take_turns(kinds, arguments.rounds, measurement)
    summary = {name: rounds.medians(values, ("ms",)) for name, values in results.items()}
    lines = ["| | ms | spread |", "|---|---|---|"]
    lines += [f"| {name} | {s['ms']:.1f} | {s['ms_spread']:.0%} |" for name, s in summary.items()]
    output.add({"name": "cold", "title": "from the start of the process to the first answer",
                "peers": [kind.name for kind in kinds if kind.is_peer], "rounds": results, "summary": summary},
               "\n".join(lines))
    return 0
