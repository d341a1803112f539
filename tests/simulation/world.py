"""One simulated company: the truth, the weather of the services, the people at the desk, and what is under way.

Time is the loop's. Everything that happens later (a fault that ends, a person who comes back from lunch) is a timer here, so a
run is a pure function of its seed and its events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.coverage import Coverage
from tests.simulation.truth import Entry, Truth

if TYPE_CHECKING:
    from tests.simulation.oracle import Announced, Oracle
    from tests.simulation.wiring import Process

START = datetime(2027, 1, 4, 6, 0, tzinfo=UTC)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

#: How long older states of the directory are kept, for controllers that lag and exports that are old.
STATES_KEPT = 4 * DAY


@dataclass(frozen=True)
class View:
    """The directory as one read was given it. *as_of*: which moment of it this is, in simulated seconds. *ghosts*: members that
    nobody could look up, so that whoever is not shown may be one of them. *looked*: the moment for those entries that a look read
    again, each from the place that it asked."""

    as_of: float
    entries: dict[str, Entry]
    group_id: str
    ghosts: tuple[str, ...] = ()
    looked: Mapping[str, float] = field(default_factory=dict)

    def of(self, human: str | None) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.human == human]

    def shown_at(self, ids: Collection[str]) -> float:
        """The oldest moment from which something is known of these entries."""
        return min((self.looked.get(id_, self.as_of) for id_ in ids), default=self.as_of)


@dataclass
class Hold:
    since: float
    until: float | None = None


class World:
    """See the module. *switches*: the faults this run may meet; *choices*: how this company is set up."""

    def __init__(self, seed: str, switches: frozenset[str], folder: Path) -> None:
        self.seed, self.switches, self.folder = seed, switches, folder
        self.rng = Random(f"{seed}/services")  # what services do by chance
        self.truth = Truth()
        self.coverage = Coverage()
        self.loop = asyncio.get_running_loop()
        self.spells: dict[str, float] = {}  # a fault of a service -> until when
        self.facts: dict[str, Any] = {}  # what a spell needs to know
        self.states: list[View] = []
        self.processes: list[Process] = []
        self.policy: dict[str, Any] = {}
        self.enforce = True
        self.interval = HOUR
        self.paused_since: float | None = None
        self.holds: dict[str, Hold] = {}
        self.writers: list[str] = []  # who is inside the ledger's writer lock
        self.newest_term = 0
        self.in_cycle: list[tuple[int, Callable[[], None]]] = []  # what happens at a step of the next cycle
        self.copies: list[Copy] = []  # every night one of the ledger
        self.care = "careful"  # of whoever reviews: careful | careless | absent
        self.reviewing = False
        self.sentinel = ""  # who is named as a canary, and stays
        self.calm = False  # the epilogue: nothing goes wrong any more
        self.seats_ran_out = False
        self.stopped: asyncio.Event = asyncio.Event()
        self.log: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.on_activation: dict[str, Callable[[Process], None]] = {}  # zoom id -> what happens once it is switched on
        self.mistakes: list[Callable[[], None]] = []  # what puts a wrong directory right
        self.oracle: Oracle  # made by the company

    # ------------------------------------------------------------------------------------------------------- time

    @property
    def t(self) -> float:
        """Simulated seconds since the start."""
        return self.loop.time()

    @property
    def now(self) -> datetime:
        """The true time."""
        return START + timedelta(seconds=self.t)

    def later(self, seconds: float, what: Callable[[], Any]) -> None:
        """Does *what* after so long, unless the run is over."""

        def do() -> None:
            if not self.stopped.is_set():
                what()

        self.loop.call_later(max(seconds, 0.0), do)

    def spawn(self, work: Any) -> None:
        """Runs something beside everything else; what it raises is the run's."""
        task: asyncio.Task[None] = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.oracle.fault("simulation", f"{type(error).__name__}: {error}", error)

    def note(self, text: str) -> None:
        """One line of the story, kept for whoever reads a failing run."""
        self.log.append(f"{self.now:%Y-%m-%d %H:%M:%S} {text}")

    # ---------------------------------------------------------------------------------------------------- weather

    def spell(self, name: str, seconds: float, fact: Any = None) -> None:
        """A fault of a service begins, and ends by itself."""
        self.spells[name] = self.t + seconds
        self.facts[name] = fact

    def suffers(self, name: str) -> bool:
        """Whether a fault is going on; counted when it is met."""
        if self.spells.get(name, 0.0) <= self.t:
            return False
        self.coverage.met("weather", name)
        return True

    def blowing(self, *beginnings: str) -> bool:
        """Whether any fault with such a name is going on, without meeting it."""
        return any(until > self.t and name.startswith(beginnings) for name, until in self.spells.items())

    def set_choice(self, name: str, value: Any) -> None:
        """An edit of the configuration; it counts once a process was started with it."""
        if name == "grace_hours":
            name, value = "grace", timedelta(hours=value)
        self.policy = {**self.policy, name: value}

    def switched_on(self, name: str) -> bool:
        return name in self.switches

    # -------------------------------------------------------------------------------------------------- directory

    def remember_state(self) -> None:
        """After each event: what the directory is now."""
        self.states = [state for state in self.states if state.as_of >= self.t - STATES_KEPT] or self.states[-1:]
        self.states.append(View(self.t, dict(self.truth.entries), self.truth.group_id))

    def state_at(self, moment: float) -> View:
        """The directory as it was then."""
        found = self.states[0]
        for state in self.states:
            if state.as_of <= moment:
                found = state
        return View(moment, found.entries, found.group_id)

    def view(self, behind: float = 0.0) -> View:
        """What a whole read is given now, right or wrong. *behind*: by a copy that is so many seconds older."""
        moment = self.t - (float(self.facts["directory_lags"]) if self.suffers("directory_lags") else behind)
        view = self.state_at(moment)
        entries = view.entries
        if self.suffers("directory_blind"):
            entries = {}
        if self.suffers("directory_half"):
            rng = Random(f"{self.facts['directory_half']}")
            entries = {id_: entry for id_, entry in entries.items() if rng.random() > 0.4}
        return View(moment, entries, view.group_id)


@dataclass(frozen=True)
class Happening:
    """One planned event: when, which, with what luck, and at which step of a cycle (None: at the time itself)."""

    at: float
    name: str
    luck: int
    step: int | None = None

    def as_json(self) -> list[Any]:
        return [self.at, self.name, self.luck, self.step]


@dataclass(frozen=True)
class Copy:
    """The ledger of a night, which owner's entry it knew for which account, which intents had no outcome in it, which
    object it took the group for, and whom it had switched off."""

    at: float
    path: Path
    linked: Mapping[str, str]
    announced: Mapping[tuple[str, str], Sequence[Announced]]
    group_id: str
    ours: frozenset[str]


@dataclass
class Story:
    """Everything a run is a function of. *calm*: days at the end in which nothing goes wrong any more."""

    seed: str
    days: float
    switches: frozenset[str]
    happenings: list[Happening] = field(default_factory=list)
    calm: float = 4.0
