"""What happened in one run. Everything is noted by one thread, so `order` is the order in which the checker saw
it: if one request had ended before another was begun, it had ended earlier indeed."""
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Moment:
    order: int
    at: float  # seconds from the start


@dataclass
class Read:
    """One GET of a client."""
    replica: int
    process: str
    key: str
    variant: str
    how: tuple
    begin: Moment
    end: Moment = None
    status: int = 0
    number: int = 0
    version: tuple = None  # of the stored response; None if the answer was not stored
    age: int = None
    hit: bool = False
    stale: bool = False        # a hit that is served while it is validated behind
    cache_status: str = ""
    error: str = ""    # why there is no answer, or it is a wrong one
    excused: str = ""  # why there need not be one


@dataclass
class Fetch:
    """The application answered."""
    replica: int
    key: str
    number: int
    when: Moment


@dataclass
class Invalidation:
    """What was made invalid: for each key, all numbers up to `below[key]`."""
    name: str
    replica: int
    process: str
    keys: tuple
    begin: Moment
    below: dict = field(default_factory=dict)
    end: Moment = None         # acknowledged
    error: str = ""
    excused: str = ""
    confirmed: bool = False    # the answer said that Redis had it
    in_redis: Moment = None    # the checker saw that Redis has it
    redis_life: int = None     # in which life of Redis that was
    known_to: set = field(default_factory=set)  # living processes that have applied it
    soft: bool = False         # makes stale instead of invalid
    lost: bool = False         # nobody who knew of it is left


@dataclass
class Duty:
    """From `begin` on that process must not answer with what the invalidation covers."""
    invalidation: Invalidation
    process: str
    why: str
    begin: Moment
    end: Moment = None  # to here only: Redis lost what the process relied on
    from_redis: bool = False


@dataclass
class Sample:
    """/stats of one process."""
    process: str
    begin: Moment
    stats: dict


class History:
    def __init__(self):
        self.started = time.monotonic()
        self.order = 0
        self.reads, self.fetches, self.invalidations = [], [], []
        self.validations = []  # (Moment, key, number): the application answered 304
        self.duties, self.samples, self.notes = [], [], []
        self.offsets = []  # (Moment, replica, milliseconds)

    def moment(self):
        self.order += 1
        return Moment(self.order, time.monotonic() - self.started)

    def note(self, text):
        """A fault, or the end of one, for whoever reads the report."""
        self.notes.append((self.moment(), text))

    def fetched(self, replica, key, number):
        self.fetches.append(Fetch(replica, key, number, self.moment()))

    def validated(self, key, number):
        self.validations.append((self.moment(), key, number))

    def unsafe_arrived(self, name, number):
        """The application acts on an unsafe request: what it answers from now on is newer than `number`."""
        invalidation = self.invalidations[int(name)]
        # A request that is sent twice takes effect with the first; the later one only covers more.
        invalidation.below.setdefault(invalidation.keys[0], number)
