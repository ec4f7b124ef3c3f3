"""The application behind the replicas. Each answer to a GET carries a number that grows by one for its key, so
that every answer that a client gets tells when it was made."""
import asyncio
import random

from . import wire


def body_of(key, variant, number):
    """The exact body of an answer."""
    start = f"{key.name} variant={variant} #{number} ".encode()
    return start + b"." * max(0, key.size - len(start))


class Upstream:
    """One application. Each replica has a port of its own to it, which tells who fetches."""

    def __init__(self, keys, history, seed):
        self.keys = {key.name: key for key in keys}
        self.history = history
        self.random = random.Random(seed)
        self.numbers = {key.name: 0 for key in keys}
        self.changed = set()  # since the last answer: names of keys
        self.servers = []

    async def open_port(self, replica):
        async def serve(reader, writer):
            try:
                while await self.answer(replica, reader, writer):
                    pass
            except (OSError, EOFError, wire.WireError):
                pass
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=wire.LIMIT)
        self.servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def answer(self, replica, reader, writer):
        head = await wire.read_head(reader)
        if head is None:
            return False
        (method, target, _), fields = head[0].split(" "), head[1]
        await wire.read_body(reader, fields)
        key = self.keys[fields["host"] + target]
        if method != "GET":
            self.history.unsafe_arrived(fields["x-operation"], self.change(key.name))
            await self.pause(key)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
            return True
        if fields.get("if-none-match") == f'"{self.numbers[key.name]}"' and key.name not in self.changed:
            number = self.numbers[key.name]
            self.history.validated(key.name, number)
            await self.pause(key)
            writer.write(f"HTTP/1.1 304 Not Modified\r\n{self.lasting(key, number)}\r\n\r\n".encode())
            await writer.drain()
            return True
        self.numbers[key.name] += 1
        self.changed.discard(key.name)
        number = self.numbers[key.name]
        self.history.fetched(replica, key.name, number)
        await self.pause(key)
        lines = ["HTTP/1.1 200 OK", self.lasting(key, number), f"X-Number: {number}"]
        variant = ""
        if key.vary:
            lines.append("Vary: X-Variant")
            variant = fields.get("x-variant", "")
        if key.tags:
            lines.append("Cache-Tag: " + ",".join(key.tags))
        body = body_of(key, variant, number)
        if not key.streamed:
            lines.append(f"Content-Length: {len(body)}")
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        else:
            lines.append("Transfer-Encoding: chunked")
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
            half = len(body) // 2
            for part in (body[:half], body[half:]):
                await self.pause(key)
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    @staticmethod
    def lasting(key, number):
        """The field lines that a 304 has as well."""
        tag = f'\r\nETag: "{number}"' if key.validated else ""
        return f"Cache-Control: max-age={key.max_age}{tag}"

    def change(self, name):
        """What the key's answers say is out of date from now on. Returns the number up to which it is."""
        self.changed.add(name)
        return self.numbers[name]

    async def pause(self, key):
        if key.slowness:
            await asyncio.sleep(self.random.random() * key.slowness)

    def close(self):
        for server in self.servers:
            server.close()
