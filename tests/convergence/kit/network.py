"""The network between one replica and Redis, which can be slow, stall, lose bytes, break, and be one-sided."""
import asyncio

BOTH = ("up", "down")


class Connection:
    def __init__(self, client, server):
        self.writers = (client, server)
        self.lost = False  # bytes were swallowed: for its two ends it is dead, and neither has been told

    def abort(self):
        for writer in self.writers:
            writer.transport.abort()


class Link:
    """Passes connections on to Redis. `up` is towards Redis, `down` towards the replica."""

    def __init__(self, redis_path):
        self.redis_path = redis_path
        self.connections = set()
        self.tasks = set()
        self.gates = {way: asyncio.Event() for way in BOTH}
        self.heal()

    async def start(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0, limit=1 << 18)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self):
        self.server.close()
        self.abort_all()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # ---- faults

    def delay(self, seconds):
        self.seconds = seconds

    def stall(self, ways):
        """Holds what comes; heal() lets it go on, so that nothing is lost."""
        for way in ways:
            self.gates[way].clear()

    def swallow(self, ways):
        """Takes what comes and loses it, as if the other side's machine had died: half-open connections."""
        self.lossy = set(ways)

    def cut(self):
        """Breaks what is there, and refuses what comes."""
        self.refusing = True
        self.abort_all()

    def reset(self):
        """Breaks what is there; new connections work."""
        self.abort_all()

    def heal(self, leave_half_open=False):
        """All is well from now on. `leave_half_open`: nobody tells a replica that its connection is dead."""
        self.seconds = 0
        self.lossy = set()
        self.refusing = False
        for gate in self.gates.values():
            gate.set()
        if not leave_half_open:
            for connection in [c for c in self.connections if c.lost]:
                connection.abort()

    def abort_all(self):
        for connection in list(self.connections):
            connection.abort()

    # ---- the way of bytes

    async def accept(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        connection = None
        try:
            if self.refusing:
                return
            server_reader, server_writer = await asyncio.open_unix_connection(self.redis_path, limit=1 << 18)
            connection = Connection(writer, server_writer)
            self.connections.add(connection)
            if self.refusing:
                return
            pumps = [asyncio.ensure_future(self.pump(reader, server_writer, "up", connection)),
                     asyncio.ensure_future(self.pump(server_reader, writer, "down", connection))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # Redis is not there
        except asyncio.CancelledError:
            pass  # by stop(); asyncio would print it
        finally:
            self.tasks.discard(task)
            self.connections.discard(connection)
            writer.transport.abort()
            if connection is not None:
                connection.abort()

    async def pump(self, reader, writer, way, connection):
        try:
            while data := await reader.read(1 << 16):
                if self.seconds:
                    await asyncio.sleep(self.seconds)
                await self.gates[way].wait()
                if way in self.lossy or connection.lost:
                    connection.lost = True
                    continue
                writer.write(data)
                await writer.drain()
            # An end is news as well: it comes no earlier than bytes would.
            await self.gates[way].wait()
            while connection.lost:
                await asyncio.sleep(3600)
        except OSError:
            pass
