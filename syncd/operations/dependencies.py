"""What every operation works with: the ports it may use, and how much one cycle may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

from syncd.errors import LedgerError
from syncd.events import PhaseEnded
from syncd.execution.context import Ports, may_act
from syncd.ledger.history import History
from syncd.model import NO_WITNESSES, Contents, CycleReport, Mode, Trigger, Witnesses
from syncd.planning.approved import Fits
from syncd.planning.windows import ANY_TIME, Windows
from syncd.ports import Clock, Directory, Leadership, Ledger, Tell, Watcher, Zoom

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Doubts:
    """Why the ledger may not be the one that is meant. *new*: it was begun anew (empty: it was not); *missing*: published heads
    that are not in it, as words."""

    new: str = ""
    missing: tuple[str, ...] = ()


async def no_doubts(_: History) -> Doubts:
    """Nothing was ever published elsewhere."""
    return Doubts()


class ContentsOf(Protocol):
    """Tells what deactivated accounts hold."""

    async def __call__(self, report: CycleReport, history: History) -> tuple[Contents, ...]:
        """After a cycle that read both sides whole. Raises LedgerError."""


@dataclass(frozen=True)
class Dependencies:
    """Everything outside that a cycle works with; ``app`` puts it together."""

    directory: Directory
    zoom: Zoom
    ledger: Ledger
    leadership: Leadership
    clock: Clock
    tell: Tell
    version: str
    credential: Callable[[], str] = lambda: ""  # identifies the Zoom credential in use, without being it
    stopping: Callable[[], bool] = lambda: False
    concurrency: int = 16
    signature_fits: Fits = lambda _signature, _message, _name, _signers: False  # a person's, made with a key listed for them
    doubts: Callable[[History], Awaitable[Doubts]] = no_doubts  # looks at what was published; raises LedgerError
    directory_service: str = ""  # the word under which the directory's requests and clock are told
    witnesses: Witnesses = NO_WITNESSES  # who is asked what they saw of changes
    windows: Windows = ANY_TIME  # when cycles may make changes
    interval: timedelta = timedelta(minutes=15)  # the usual time between two cycles
    contents: ContentsOf | None = None  # what deactivated accounts hold and who gets it; None: nobody asked for that
    watchers: tuple[Watcher, ...] = ()  # what notices changes between cycles; none: nothing does

    @property
    def ports(self) -> Ports:
        """What carrying out needs of it."""
        return Ports(
            self.directory, self.zoom, self.ledger, self.leadership, self.clock, self.tell, self.stopping, self.concurrency
        )


@runtime_checkable
class SendsWhile(Protocol):
    """A Zoom whose changes wait for their turn, and which asks once more when it has come."""

    def send_only_while(self, may_send: Callable[[], bool]) -> None:
        """No change is sent once *may_send* says no."""


def stopped_by(deps: Dependencies, stopping: Callable[[], bool]) -> Dependencies:
    """The same, which begins and sends nothing more once *stopping* says so, nor while somebody else leads."""
    deps = replace(deps, stopping=stopping)
    if isinstance(deps.zoom, SendsWhile):
        deps.zoom.send_only_while(lambda: may_act(deps.ports) is None)
    return deps


@dataclass(frozen=True, slots=True)
class Run:
    """How much one cycle may do. *term* None: a dry run, which writes nothing anywhere. *only_plan*: the digest (or its
    beginning) that the plan must still have. *looks*: how many there were since the last cycle, by result."""

    mode: Mode
    trigger: Trigger
    term: int | None = None
    only_plan: str = ""
    looks: Mapping[str, int] = field(default_factory=dict)  # between the cycle before and this one, without an entry


async def timed(deps: Dependencies, cycle_id: str, phase: str, work: Coroutine[Any, Any, T]) -> T:
    """Does *work*; how long it took, in seconds, is told as the *phase* of the cycle, also when it failed."""
    started = deps.clock.monotonic()
    try:
        return await work
    finally:
        deps.tell(PhaseEnded(cycle_id, phase, deps.clock.monotonic() - started))


async def clocked(deps: Dependencies, cycle_id: str, phase: str, work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What *work* gave, and the seconds it took."""
    started = deps.clock.monotonic()
    return await timed(deps, cycle_id, phase, work), deps.clock.monotonic() - started


async def intact_history(deps: Dependencies) -> History:
    """What the ledger tells, for verbs that go by it before any guard is asked. Raises LedgerError when it does not verify:
    nothing it tells may then be gone by."""
    history = await deps.ledger.history()
    if history.broken:
        raise LedgerError(
            f"the ledger does not verify: {history.broken}; nothing was done",
            "Keep it as evidence (syncd ledger verify names the fault) and put a backup back: syncd ledger restore FILE",
        )
    return history
