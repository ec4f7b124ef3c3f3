"""What the checker says on sockets: HTTP/1.1 as a client, RESP to Redis. Small, and strict where a proxy could
be wrong: an answer that is not whole is an error."""
import asyncio

LIMIT = 4 << 20


class WireError(Exception):
    """The other side did not keep to the protocol, or went away."""


class Answer:
    """A whole HTTP answer."""

    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def field(self, name):
        return self.fields.get(name, "")


async def read_head(reader):
    """The start line and the fields, names in lower case; None if the connection ended before them."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise WireError("the connection ended within a head") from None
        return None
    lines = raw.decode("latin-1").split("\r\n")
    fields = {}
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        name = name.lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return lines[0], fields


async def read_body(reader, fields):
    try:
        if fields.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                parts.append(await reader.readexactly(size))
                await reader.readexactly(2)
            await reader.readuntil(b"\r\n")
            return b"".join(parts)
        return await reader.readexactly(int(fields.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ValueError) as error:
        raise WireError(f"the body is not whole: {error}") from None


class HttpClient:
    """Requests to one server, on connections that are kept."""

    def __init__(self, port):
        self.port = port
        self.idle = []

    async def ask(self, method, target, fields=(), body=b""):
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(
            "127.0.0.1", self.port, limit=LIMIT)
        kept = False
        try:
            lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
            if body or method in ("POST", "PUT"):
                lines.append(f"Content-Length: {len(body)}")
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            head = await read_head(reader)
            if head is None:
                raise WireError("the connection ended without an answer")
            status = int(head[0].split(" ")[1])
            without = method == "HEAD" or status in (204, 304)
            answer = Answer(status, head[1], b"" if without else await read_body(reader, head[1]))
            kept = head[1].get("connection", "").lower() != "close"
            return answer
        except OSError as error:
            raise WireError(str(error)) from None
        finally:
            if kept:
                self.idle.append((reader, writer))
            else:
                writer.transport.abort()

    def close(self):
        for _, writer in self.idle:
            writer.transport.abort()
        self.idle.clear()


class RedisClient:
    """Commands to Redis over its unix socket, one at a time."""

    def __init__(self, path):
        self.path = path
        self.streams = None
        self.lock = asyncio.Lock()

    async def command(self, *arguments):
        """The reply: bytes, int, list or None. An error reply or a lost connection is a WireError."""
        async with self.lock:
            try:
                if self.streams is None:
                    self.streams = await asyncio.open_unix_connection(self.path, limit=LIMIT)
                reader, writer = self.streams
                parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
                writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
                return await asyncio.wait_for(self.reply(reader), 10)
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                self.close()
                raise WireError(f"redis: {error}") from None

    async def reply(self, reader):
        line = (await reader.readuntil(b"\r\n"))[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise WireError(rest.decode())
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"$":
            return (await reader.readexactly(int(rest) + 2))[:-2]
        return [await self.reply(reader) for _ in range(int(rest))]

    def close(self):
        if self.streams is not None:
            self.streams[1].transport.abort()
            self.streams = None
