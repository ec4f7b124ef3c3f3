"""One run: sets up the world, carries out a plan, waits until all is quiet, and asks everybody once more."""
import asyncio
import contextlib
import json
import re
import signal
import tempfile
from pathlib import Path
from urllib.parse import quote

from .history import Duty, History, Invalidation, Read, Sample
from .plan import covers
from .upstream import Upstream, body_of
from .wire import WireError
from .world import Redis, Replica, end_process, stream_id, version_of_text

ANSWER_LIMIT = 10     # seconds that an answer may take
QUIET_LIMIT = 25      # seconds in which all must be well again once faults end: above all time-outs in force
SAMPLE_PERIOD = .02
ENOUGH = 5            # of one kind of finding


class Found(Exception):
    """The run itself found a broken promise."""

    def __init__(self, promise, text, key=None):
        super().__init__(text)
        self.promise, self.key = promise, key


class Run:
    def __init__(self, plan, binary, directory):
        self.plan = plan
        self.history = History()
        self.redis = Redis(directory)
        self.upstream = Upstream(plan.keys, self.history, plan.seed)
        self.keys = {key.name: key for key in plan.keys}
        self.strong = "strong" in plan.flags
        self.replicas = [Replica(i, binary, plan.flags, directory, self.redis) for i in range(plan.replicas)]
        self.latest = {}  # process -> its last Sample
        self.sampled = asyncio.Condition()
        self.watchers = []
        self.faults_on_link = [0] * plan.replicas
        self.redis_lock = asyncio.Lock()

    async def carry_out(self):
        """Raises Found for what only the run can see; the rest is in the history."""
        background = []
        try:
            await self.redis.start()
            for replica, offset in zip(self.replicas, self.plan.offsets):
                await self.prepare(replica, offset)
            await asyncio.gather(*(self.start(r) for r in self.replicas))
            background = [asyncio.ensure_future(self.sample(r)) for r in self.replicas]
            await self.perform_all()
            self.heal()
            await self.wait_for_quiet()
            await self.check_convergence()
            await self.ask_everybody(background)
            await self.stop_all()
        finally:
            for task in background + self.watchers:
                task.cancel()
            await asyncio.gather(*background, *self.watchers, return_exceptions=True)
            for replica in self.replicas:
                if replica.process is not None and replica.process.returncode is None:
                    await end_process(replica.process)
                with contextlib.suppress(AttributeError):
                    await replica.link.stop()
            await self.redis.stop()
            self.upstream.close()

    async def prepare(self, replica, offset):
        await replica.prepare(await self.upstream.open_port(replica.index), offset)
        self.history.offsets.append((self.history.moment(), replica.index, offset))

    async def start(self, replica):
        await replica.start()
        # What Redis has been told, it holds against everything that it gives to a newcomer.
        for invalidation in self.history.invalidations:
            if invalidation.redis_life == self.redis.life:
                self.oblige(invalidation, replica.name, "Redis knew when it started", from_redis=True)

    # ---- operations

    async def perform_all(self):
        loop = asyncio.get_running_loop()
        start = loop.time()
        running = []
        for op in self.plan.ops:
            await asyncio.sleep(max(0, start + op.at - loop.time()))
            running.append(asyncio.ensure_future(self.perform(op)))
        await asyncio.gather(*running)

    async def perform(self, op):
        if op.what == "redis":
            await self.redis_fault(op)
            return
        replica = self.replicas[op.replica]
        if op.what == "net":
            await self.network_fault(op, replica)
        elif op.what == "clock":
            self.history.note(f"r{op.replica}'s clock is off by {op.how[0]} ms")
            replica.set_offset(op.how[0])
            self.history.offsets.append((self.history.moment(), op.replica, op.how[0]))
        elif not replica.up or replica.paused:
            return
        elif op.what == "get":
            await self.get(replica, self.keys[op.key], op.variant, op.how)
        elif op.what == "unsafe":
            await self.unsafe(replica, self.keys[op.key], op.how[0])
        elif op.what == "purge":
            await self.purge(replica, op)
        elif op.what == "pause":
            await self.pause(replica, op.lasts)
        else:
            await self.restart(replica, signal.SIGKILL if op.what == "kill" else signal.SIGTERM, op.lasts)

    async def request(self, replica, method, key, fields, on_admin=None):
        """An answer, or why there is none; and why there need not be one."""
        life = replica.lives
        try:
            asked = replica.admin.ask(method, on_admin, [("Host", "localhost"), *fields]) if on_admin else \
                replica.client.ask(method, key.path, [("Host", key.host), *fields])
            answer = await asyncio.wait_for(asked, ANSWER_LIMIT)
            return answer, "", ""
        except WireError as error:
            why = str(error)
        except asyncio.TimeoutError:
            why = f"no answer within {ANSWER_LIMIT} s"
        excused = "" if replica.up and replica.lives == life else "its process ended"
        return None, why, excused

    async def get(self, replica, key, variant="", how=()):
        read = Read(replica.index, replica.name, key.name, variant, how, self.history.moment())
        fields = [("X-Variant", variant)] if key.vary else []
        if how:
            fields.append(("Cache-Control", ", ".join(how)))
        answer, read.error, read.excused = await self.request(replica, "GET", key, fields)
        read.end = self.history.moment()
        self.history.reads.append(read)
        if answer is None:
            if self.strong and key.streamed and not read.excused:
                read.excused = "it may have been cut because Redis did not confirm it"
            return read
        read.status = answer.status
        read.cache_status = answer.field("cache-status")
        if answer.status == 504 and "only-if-cached" in how:
            return read
        if answer.status != 200:
            read.error = f"{answer.status} {read.cache_status}"
            if self.strong and answer.status == 503 and "unconfirmed" in read.cache_status:
                read.excused = "Redis did not confirm it"
            return read
        read.number = int(answer.field("x-number") or 0)
        read.hit = "; hit" in read.cache_status
        # What is left of a lifetime is rounded up: with 0 nothing is.
        ttl = re.search(r"; ttl=(-?\d+)", read.cache_status)
        read.stale = read.hit and ttl is not None and int(ttl[1]) <= 0
        read.age = int(answer.field("age")) if answer.field("age") else None
        read.version = version_of_text(answer.field("meshcache-version"))
        if answer.body != body_of(key, variant, read.number):
            read.error = f"not the answer that the application gave: {answer.body[:80]!r}"
        return read

    async def unsafe(self, replica, key, method):
        invalidation = Invalidation(f"{method} {key.name}", replica.index, replica.name, (key.name,),
                                    self.history.moment())
        number = len(self.history.invalidations)
        self.history.invalidations.append(invalidation)
        answer, invalidation.error, invalidation.excused = await self.request(
            replica, method, key, [("X-Operation", str(number))])
        invalidation.end = self.history.moment()
        if answer is None:
            return
        if answer.status != 204:
            invalidation.error = f"{answer.status} {answer.field('cache-status')}"
            return
        invalidation.confirmed = self.strong and "unconfirmed" not in answer.field("cache-status")
        if replica.name == invalidation.process and replica.up:
            self.acknowledged(invalidation)

    async def purge(self, replica, op):
        """By the operator, on the admin port."""
        keys = [key for key in self.plan.keys if covers(op.how, key)]
        invalidation = Invalidation(str(op), replica.index, replica.name, tuple(key.name for key in keys),
                                    self.history.moment(), {key.name: self.upstream.change(key.name) for key in keys},
                                    soft="soft" in op.how)
        self.history.invalidations.append(invalidation)
        kind, what = op.how[:2]
        target = f"/purge?{kind}={quote(what, safe='')}" + ("&soft=1" if "soft" in op.how else "")
        answer, invalidation.error, invalidation.excused = await self.request(replica, "POST", None, [], target)
        invalidation.end = self.history.moment()
        if answer is None:
            return
        if answer.status not in (200, 202):  # 202: Redis has not acknowledged it yet
            invalidation.error = f"{answer.status} {answer.body[:200]!r}"
            return
        report = json.loads(answer.body)
        invalidation.confirmed = self.strong and report["acknowledged"]
        if replica.name == invalidation.process and replica.up and report["applied"]:
            place = report["position"] if report["acknowledged"] else ""
            self.acknowledged(invalidation, stream_id(place) if place else None)

    def acknowledged(self, invalidation, place=None):
        """`place` in the change log, if the answer tells it."""
        self.oblige(invalidation, invalidation.process, "it acknowledged")
        self.watchers.append(asyncio.ensure_future(self.watch(invalidation, place)))

    def oblige(self, invalidation, process, why, from_redis=False):
        if not from_redis:
            invalidation.known_to.add(process)
        self.history.duties.append(Duty(invalidation, process, why, self.history.moment(), None, from_redis))

    # ---- where an invalidation has got to

    async def sample(self, replica):
        """Asks for /stats again and again."""
        while True:
            await asyncio.sleep(SAMPLE_PERIOD)
            if not replica.up or replica.paused:
                continue
            name, begin = replica.name, self.history.moment()
            try:
                sample = Sample(name, begin, await replica.stats())
            except (OSError, WireError):
                continue
            self.history.samples.append(sample)
            async with self.sampled:
                self.latest[name] = sample
                self.sampled.notify_all()

    async def sample_that(self, process, after, condition):
        """The first sample of the process that was asked for after that moment, and for which that holds."""
        async with self.sampled:
            while True:
                sample = self.latest.get(process)
                if sample is not None and sample.begin.order > after.order and condition(sample.stats):
                    return sample
                await self.sampled.wait()

    async def watch(self, invalidation, end):
        """Follows an acknowledged invalidation: into Redis, then to every other process."""
        life = self.redis.life
        if end is None:
            # Nothing waits: all that this process had to tell has reached Redis.
            await self.sample_that(invalidation.process, invalidation.end, lambda s: s["queue_depth"] == 0)
        while end is None:
            try:
                end = await self.redis.log_end()
                break
            except WireError:
                await asyncio.sleep(SAMPLE_PERIOD)
        if self.redis.life != life:
            return  # it may have been lost
        invalidation.in_redis, invalidation.redis_life = self.history.moment(), life

        def applied(stats):
            return stats["redis_state"] == "ready" and stream_id(stats["log_position"]) >= end

        async def reach(process):
            first = await self.sample_that(process, invalidation.in_redis, applied)
            # Once more, since a replica that finds a gap shows its new place a moment before it reconciles.
            await self.sample_that(process, first.begin, applied)
            if self.redis.life == life:
                self.oblige(invalidation, process, "the change log had reached it")

        others = [r.name for r in self.replicas if r.up and r.name != invalidation.process]
        await asyncio.gather(*map(reach, others))

    def forget(self, process=None):
        """That process has ended; or, without one, Redis has lost what it held."""
        now = self.history.moment()
        if process is None:
            self.redis.life += 1
            for duty in self.history.duties:
                if duty.from_redis and duty.end is None:
                    duty.end = now
        for invalidation in self.history.invalidations:
            invalidation.known_to.discard(process)
            if invalidation.redis_life != self.redis.life and not invalidation.known_to:
                invalidation.lost = True

    # ---- faults

    async def pause(self, replica, seconds):
        self.history.note(f"{replica.name} is stopped (SIGSTOP)")
        replica.pause()
        await asyncio.sleep(seconds)
        replica.resume()
        self.history.note(f"{replica.name} goes on")

    async def restart(self, replica, number, seconds):
        name = replica.name
        self.history.note(f"{name} gets {number.name}")
        replica.up = False
        code = await replica.stop(number)
        self.forget(name)
        if number == signal.SIGTERM and code != 0:
            raise Found("clean stop", f"{name} ended with {code} after SIGTERM")
        await asyncio.sleep(seconds)
        await self.start(replica)
        self.history.note(f"{replica.name} is started")

    async def network_fault(self, op, replica):
        kind, link = op.how[0], replica.link
        ways = ("up", "down") if "both" in op.how else op.how[1:2]
        self.history.note(f"r{op.replica}'s link to Redis: {' '.join(map(str, op.how))}")
        self.faults_on_link[op.replica] += 1
        if kind == "delay":
            link.delay(op.how[1] / 1000)
        elif kind == "stall":
            link.stall(ways)
        elif kind == "hole":
            link.swallow(ways)
        elif kind == "cut":
            link.cut()
        else:
            link.reset()
        await asyncio.sleep(op.lasts)
        self.faults_on_link[op.replica] -= 1
        if self.faults_on_link[op.replica] == 0:
            link.heal(leave_half_open="for-good" in op.how)
            self.history.note(f"r{op.replica}'s link to Redis is well")

    async def redis_fault(self, op):
        kind, redis = op.how[0], self.redis
        async with self.redis_lock:  # one after the other
            self.history.note(f"redis: {kind}")
            if kind == "freeze":
                redis.signal(signal.SIGSTOP)
                await asyncio.sleep(op.lasts)
                redis.signal(signal.SIGCONT)
            elif kind == "empty":
                self.forget()
                await redis.stop()
                self.forget()  # once more, for what it was told meanwhile
                redis.dump.unlink(missing_ok=True)
                await asyncio.sleep(op.lasts)
                await redis.start()
            elif kind == "data":
                # No write comes between the saving and the end.
                await redis.client.command("CLIENT", "PAUSE", "60000", "WRITE")
                await redis.client.command("SAVE")
                await redis.stop()
                await asyncio.sleep(op.lasts)
                await redis.start()
            elif kind == "rollback":
                # As a failover to a replica of Redis that lags behind.
                await redis.client.command("SAVE")
                await asyncio.sleep(op.lasts)
                self.forget()
                await redis.stop()
                self.forget()
                await redis.start()
            elif kind == "flush":
                self.forget()
                await redis.client.command("FLUSHALL")
                self.forget()
            elif kind == "trim":
                await redis.client.command("XTRIM", "mc:{checked:0}:log", "MAXLEN", "0")
            elif kind == "scripts":
                await redis.client.command("SCRIPT", "FLUSH")
            elif kind == "clients":
                await redis.client.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            elif kind == "full":
                await redis.client.command("CONFIG", "SET", "maxmemory", "1")
                await asyncio.sleep(op.lasts)
                await redis.client.command("CONFIG", "SET", "maxmemory", "0")
            self.history.note(f"redis: {kind} is over")

    def heal(self):
        self.history.note("all faults are over, and no more is asked")

    # ---- the end

    async def wait_for_quiet(self):
        loop = asyncio.get_running_loop()
        end = loop.time() + QUIET_LIMIT
        calm = 0
        while calm < 2:
            await asyncio.sleep(SAMPLE_PERIOD)
            last = await self.redis.log_end()
            stats = [await r.stats() for r in self.replicas]
            calm = calm + 1 if all(
                s["redis_state"] == "ready" and s["queue_depth"] == 0 and s["fills"] == 0 and
                stream_id(s["log_position"]) == last for s in stats) else 0
            if loop.time() > end:
                shown = ("redis_state", "queue_depth", "fills", "log_position")
                told = "; ".join(f"{r.name}: " + " ".join(f"{k}={s[k]}" for k in shown)
                                 for r, s in zip(self.replicas, stats))
                raise Found("convergence", f"not quiet {QUIET_LIMIT} s after the last fault (log at {last}): {told}")
        self.history.note("all is quiet")
        for invalidation in self.history.invalidations:
            if invalidation.end and not invalidation.error and not invalidation.lost:
                for replica in self.replicas:
                    self.oblige(invalidation, replica.name, "all was quiet")

    async def check_convergence(self):
        """Who holds a key holds Redis's version. What is fetched in the background may still be on its way."""
        loop = asyncio.get_running_loop()
        end = loop.time() + QUIET_LIMIT
        while True:
            different = await self.differences()
            if not different:
                return
            if loop.time() > end:
                raise Found("convergence", "; ".join(text for _, text in different[:ENOUGH]), different[0][0])
            await asyncio.sleep(.05)

    async def differences(self):
        out = []
        records = await self.redis.records()
        for key in self.plan.keys:
            if key.max_age < 60:
                continue  # may expire between the two questions
            for variant in key.variants:
                in_redis = records.get((key.name, variant))
                for replica in self.replicas:
                    read = await self.get(replica, key, variant, ("only-if-cached",))
                    if read.status == 200 and (in_redis is None or read.version != in_redis[0]):
                        out.append((key.name, f"{replica.name} holds {key.name} {variant} #{read.number} of "
                                    f"{read.version}, Redis {in_redis}"))
        return out

    async def ask_everybody(self, background):
        """Every replica, and one that has only just come, for every key."""
        newcomer = Replica(len(self.replicas), self.replicas[0].binary, self.plan.flags, self.redis.directory,
                           self.redis)
        self.replicas.append(newcomer)
        await self.prepare(newcomer, 0)
        await self.start(newcomer)
        background.append(asyncio.ensure_future(self.sample(newcomer)))
        await self.sample_that(newcomer.name, self.history.moment(), lambda s: s["redis_state"] == "ready")
        for invalidation in self.history.invalidations:
            if invalidation.end and not invalidation.error and not invalidation.lost:
                self.oblige(invalidation, newcomer.name, "it came when all was quiet")
        for key in self.plan.keys:
            for variant in key.variants:
                await asyncio.gather(*(self.get(r, key, variant) for r in reversed(self.replicas)))

    async def stop_all(self):
        codes = await asyncio.gather(*(r.stop(signal.SIGTERM) for r in self.replicas))
        for replica, code in zip(self.replicas, codes):
            if code != 0:
                raise Found("clean stop", f"{replica.name} ended with {code} after SIGTERM")


def carry_out(plan, binary):
    """Runs the plan; returns its history, what the run itself found, and what the replicas logged."""
    with tempfile.TemporaryDirectory(prefix="meshcache-convergence-") as name:
        async def main():
            run = Run(plan, binary, Path(name))
            found = None
            try:
                await run.carry_out()
            except Found as broken:
                found = broken
            return run.history, found

        history, found = asyncio.run(main())
        logs = {path.stem: path.read_text(errors="replace") for path in sorted(Path(name).glob("r*.log"))}
    return history, found, logs
