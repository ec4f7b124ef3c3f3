"""Redis' protocol, as far as the benches need it, and the Redis of a bench."""
import socket

from .machine import BenchError
from .servers import Server, free_port


class Redis(Server):
    """A redis-server in memory on that core. `memory`: as in maxmemory, 0 is no limit."""

    def __init__(self, setting, core, name="redis", memory="0"):
        self.port = free_port()
        config = setting.configure("redis.conf", setting.directory / f"{name}.conf", PORT=self.port, MEMORY=memory)
        super().__init__(["redis-server", config], core, setting.directory, name)
        self.wait_for_port(self.port)

    def command(self, *words):
        """One command on a connection of its own; strings come as bytes."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            encoded = [str(word).encode() for word in words]
            s.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(e), e) for e in encoded))
            with s.makefile("rb") as reader:
                return reply(reader)


def reply(reader):
    line = reader.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise BenchError(f"Redis: {rest.decode()}")
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        size = int(rest)
        return reader.read(size + 2)[:-2] if size >= 0 else None
    if kind == b"*":
        return [reply(reader) for _ in range(int(rest))]
    raise BenchError(f"Redis answers {line!r}")
