"""The one place where the simulation touches syncd: its ports as the simulated services play them, and a process of it.

A process may be killed between any two steps (calls to the outside): from then on nothing it does reaches anything. It may be
frozen in the same places, and its clock may be wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from syncd import ledgers
from syncd.errors import (
    AccountUnreadable,
    AnswerLost,
    LedgerError,
    LimitReached,
    Refused,
    ScopeMissing,
    SourceError,
    SyncdError,
)
from syncd.events import Event, Noted
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.ledger.storage import checkpoint, personal, store
from syncd.ledger.storage.store import SqlLedger
from syncd.model import (
    CycleReport,
    DirectoryGroup,
    DirectorySnapshot,
    GroupUse,
    Guard,
    Inventory,
    Limits,
    Mode,
    Person,
    Policy,
    Status,
    ZoomAccount,
    ZoomSnapshot,
)
from syncd.operations import daemon
from syncd.operations.dependencies import Dependencies, Doubts
from syncd.operations.schedule import Schedule
from syncd.planning.guards import NOT_APPROVABLE as _NOT_APPROVABLE
from syncd.planning.guards import READ_GUARDS as _READ_GUARDS
from tests import whole
from tests.simulation import handing_over, watching
from tests.simulation.truth import ENTITLING, LEAVERS, VIPS, Account, Entry
from tests.simulation.world import START, View, World

ROLES = {"0": "Owner", "1": "Admin", "2": "Member"}
GUARDS = frozenset(guard.value for guard in Guard)
READ_GUARDS = frozenset(guard.value for guard in _READ_GUARDS)
NOT_APPROVABLE = frozenset(guard.value for guard in _NOT_APPROVABLE)
ACCOUNT_ID, DIRECTORY = "zoom-account", "file:people"


@contextmanager
def sped_up() -> Iterator[None]:
    """Between two cycles the daemon looks for a pause every two seconds, for its metrics alone, and at the wall clock every ten:
    a year of that proves nothing. A checkpoint is made every 200 entries, so that people's verbs begin at one in small companies,
    too. What runs beside or after a simulation does as usual."""
    before = daemon.LOOK_SECONDS, daemon.SLEEP_SECONDS, store.LOCK_POLL_SECONDS, checkpoint.EVERY
    daemon.LOOK_SECONDS, daemon.SLEEP_SECONDS, store.LOCK_POLL_SECONDS, checkpoint.EVERY = 900.0, 60.0, 5.0, 200
    try:
        yield
    finally:
        daemon.LOOK_SECONDS, daemon.SLEEP_SECONDS, store.LOCK_POLL_SECONDS, checkpoint.EVERY = before


def was_killed(error: BaseException) -> bool:
    """Whether a process ended so: killed, maybe in the middle of several requests at once."""
    return isinstance(error, Killed) or (isinstance(error, BaseExceptionGroup) and error.subgroup(Killed) is not None)


class Killed(BaseException):
    """SIGKILL: nothing is caught, nothing is written."""


def seeded_salts(seed: str) -> contextlib.AbstractContextManager[None]:
    """Salts are drawn from the seed while the body runs: equal seeds give equal ledgers."""

    class _Salts:
        """Stands in for ``os`` in the one module that draws salts."""

        drawn = 0

        @classmethod
        def urandom(cls, length: int) -> bytes:
            cls.drawn += 1
            return hashlib.sha256(f"{seed}/{cls.drawn}".encode()).digest()[:length]

    @contextlib.contextmanager
    def replaced() -> Any:
        before, personal.os = personal.os, _Salts  # type: ignore[assignment]
        try:
            yield
        finally:
            personal.os = before

    return replaced()


def policy_of(choices: Mapping[str, Any]) -> Policy:
    """The policy of a company. Names this version of syncd does not know are left out."""
    limits = {name: value for name, value in choices["limits"].items() if name in Limits.__dataclass_fields__}
    fields = {name: value for name, value in choices.items() if name in Policy.__dataclass_fields__ and name != "limits"}
    return Policy(ACCOUNT_ID, fields.pop("domains", ("corp.example",)), limits=Limits(**limits), **fields)


class Process:
    """One syncd process, alive or not."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.clock_offset = 0.0
        self.asks_no_clock = False  # an older syncd
        self.dead = False
        self.steps = 0
        self.kill_at: int | None = None
        self.frozen_until = 0.0
        self.term = 0
        self.view: View | None = None  # what the cycle (or the look) under way was given
        self.looking = False  # a look came last
        self.rechecked: dict[str, View] = {}  # address -> what the second look was given
        self.looked_at: dict[str, float] = {}
        self.history_at = 0.0
        self.cycles = 0
        self.last_cycle_at = world.t
        self.zoom_read_at = 0.0
        self.choices, self.enforce = world.policy, world.enforce  # as the configuration was when it was started
        self.made = 0
        self.wishes: Any = None
        self.task: asyncio.Task[None] | None = None
        self.ledger: SimLedger | None = None
        self.deps: Dependencies | None = None

    # -------------------------------------------------------------------------------------------------- its machine

    def now(self) -> datetime:
        return START + timedelta(seconds=self.world.t + self.clock_offset)

    async def step(self, seconds: float = 0.0) -> None:
        """Between any two calls to the outside: where it may die, freeze, or be overtaken by events."""
        if self.dead:
            raise Killed
        self.steps += 1
        world = self.world
        while world.in_cycle and world.in_cycle[0][0] <= self.steps:
            world.in_cycle.pop(0)[1]()
        if self.kill_at is not None and self.steps >= self.kill_at:
            self.dead, self.kill_at = True, None
            raise Killed
        if self.frozen_until > world.t:
            await asyncio.sleep(self.frozen_until - world.t)
        if seconds:
            await asyncio.sleep(seconds)
        if self.dead:
            raise Killed

    def start(self) -> None:
        """Begins to live, unless the run is over."""
        self.task = self.world.loop.create_task(self._live(), name=self.name)

    def kill(self) -> None:
        """SIGKILL, wherever it is: woken up, it finds itself dead at its next step."""
        self.dead = True
        if self.wishes is not None:
            self.wishes.now.set()

    def terminate(self) -> None:
        """SIGTERM."""
        if self.wishes is not None:
            self.wishes.stop.set()

    async def ended(self) -> None:
        """Waits until it has ended."""
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)

    async def _live(self) -> None:
        world = self.world
        self.dead, self.steps, self.kill_at, self.last_cycle_at = False, 0, None, world.t
        self.choices, self.enforce = world.policy, world.enforce
        self.wishes = daemon.DaemonSignals()
        ledger = None
        try:
            ledger = await open_ledger(self)
            self.ledger = ledger
            policy, mode = policy_of(self.choices), Mode.ENFORCE if self.enforce else Mode.REPORT
            await daemon.run_daemon(
                self.dependencies(ledger),
                policy,
                mode,
                Schedule(timedelta(seconds=world.interval)),
                self.wishes,
                daemon.Liveness(SimClock(self).monotonic),
                self._cycle_ended,
                watching.pace(world),
            )
        except SyncdError as error:
            world.note(f"{self.name} ended: {error.what}")
        except (Killed, asyncio.CancelledError):
            world.note(f"{self.name} was killed")
            if self.looking:
                world.coverage.met("look", "killed")
        except BaseExceptionGroup as group:
            if not was_killed(group):
                world.oracle.fault(self.name, repr(group), group)
            world.note(f"{self.name} was killed")
        except Exception as error:  # noqa: BLE001 - whatever ends a process by itself is a finding
            world.oracle.fault(self.name, f"{type(error).__name__}: {error}", error)
        finally:
            self.term = 0
            self.ledger = None
            if ledger is not None:
                await ledger.inner.close()
            if not world.stopped.is_set():
                world.later(120.0, lambda: self.revive())

    def revive(self) -> None:
        """Somebody (systemd, a kubelet) starts it again."""
        if self in self.world.processes and (self.task is None or self.task.done()):
            self.start()

    def dependencies(self, ledger: SimLedger) -> Dependencies:
        """The real cycle's outside, played by the simulated services."""
        self.deps = deps = Dependencies(
            SimDirectory(self),
            SimZoom(self),
            ledger,
            SimLeadership(self),
            SimClock(self),
            self._tell,
            "0.sim",
            credential=lambda: "app-1",
            concurrency=3,
            doubts=ledger.doubts,
            watchers=tuple(watching.SimWatcher(self, place, SimDirectory(self, place)) for place in watching.places(self.world)),
        )
        return deps

    def _tell(self, event: Event) -> None:
        if isinstance(event, Noted) and event.event == "fault.met":
            self.world.oracle.fault(
                self.name, f"{event.facts.get('fault')}: {event.facts.get('says')} at {event.facts.get('where')}"
            )
        self.world.oracle.told(self, event)
        watching.heard(self, event)
        handing_over.told(self.world, event)

    async def _cycle_ended(self, report: CycleReport, term: int) -> None:
        if report.look is not None:
            watching.look_ended(self, report)
            return
        self.cycles += 1
        if self.ledger is not None and not self.world.suffers("disk_full"):
            with contextlib.suppress(SyncdError):  # as the archive does with each cycle
                await self.ledger.inner.checkpoint(record.checkpointed, term=term)
        if self.deps is not None:
            await handing_over.after_cycle(self, self.deps, report, term)
        self.world.oracle.cycle_ended(self, report)


class SimClock:
    """The machine's clock: wrong by what the process's machine is wrong."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> datetime:
        return self._process.now()

    def monotonic(self) -> float:
        return self._process.world.t

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)
        if self._process.dead:
            raise Killed

    def random(self) -> float:
        return self._process.world.rng.random()

    def unique(self) -> str:
        process = self._process
        process.made += 1
        return hashlib.sha256(f"{process.world.seed}/{process.name}/{process.made}".encode()).hexdigest()[:16]


class SimLeadership:
    """Leads unless its machine's switches say otherwise."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def leads(self) -> bool:
        return not self._process.world.blowing(f"no_lease_{self._process.name}")

    async def lead(self) -> int:
        while not self.leads():
            await asyncio.sleep(30.0)
        return 0


# ---------------------------------------------------------------------------------------------------------- the ledger


async def open_ledger(process: Process, *, from_checkpoint: bool = False) -> SimLedger:
    """As the program does it: opened, and bound at first use; by a verb of a person *from_checkpoint*. Raises LedgerError."""
    if process.world.suffers("disk_full"):
        raise LedgerError("no space left on device")
    path = process.world.folder / "ledger.db"
    skew = None if process.asks_no_clock else Limits().max_clock_skew.total_seconds()
    inner = SqlLedger.open(
        f"sqlite:///{path}",
        SimClock(process),
        process._tell,
        create=True,
        max_clock_skew_seconds=skew,
        from_checkpoint=from_checkpoint,
    )
    ledger = SimLedger(process, inner)
    try:
        history = await inner.history()
        if not history.ledger_id and not history.broken:
            mode = "enforce" if process.world.enforce else "report"
            await inner.begin(record.opened(SimClock(process).unique(), ACCOUNT_ID, DIRECTORY, mode))
    except BaseException:
        await inner.close()
        raise
    return ledger


class SimLedger:
    """The real ledger on a disk that may be full, in a process that may die before or after any of its commits."""

    def __init__(self, process: Process, inner: SqlLedger) -> None:
        self._process, self.inner = process, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def history(self) -> History:
        await self._process.step()
        self._process.history_at = self._process.world.t
        return await self.inner.history()

    async def append(self, drafts: Sequence[Any], *, term: int = 0) -> Any:
        process = self._process
        await process.step()
        if process.world.suffers("disk_full"):
            raise LedgerError("no space left on device")
        entries = await self.inner.append(drafts, term=term)
        process.world.oracle.appended(process, term, [(entry.kind, entry.subject, json.loads(entry.body)) for entry in entries])
        await process.step()
        return entries

    async def doubts(self, history: History) -> Doubts:
        """By the head that lies beside the ledger, as the program does it."""
        missing = await ledgers.missing_heads(self.inner, history, self.inner.published())
        return Doubts(ledgers.why_new(history), tuple(f"entry {head.seq}" for head in missing))

    async def accept(self) -> None:
        """``syncd ledger accept``: it is meant as it is."""
        missing = await ledgers.missing_heads(self.inner, await self.inner.history(), self.inner.published())
        await self.append([record.accepted(by="Ann", because="it is meant", missing=missing)])

    @asynccontextmanager
    async def writer(self, wait_seconds: float | None, lease: int = 0) -> AsyncIterator[int]:
        process, world = self._process, self._process.world
        async with self.inner.writer(wait_seconds, lease) as term:
            process.term = term
            process.steps = 0
            world.oracle.writer_taken(process, term)
            try:
                yield term
            finally:
                world.writers.remove(process.name)


# ------------------------------------------------------------------------------------------------------- the directory


def person_of(entry: Entry) -> Person:
    """An entry as an adapter reads it."""
    return Person(
        entry.id,
        (entry.mail,) if entry.mail else (),
        entry.human,
        entry.enabled,
        entry.expires_at,
        aliases=entry.aliases,
        entitled_by=(ENTITLING,) if ENTITLING in entry.groups else (),
        leaver_by=(LEAVERS,) if LEAVERS in entry.groups else (),
        protected_by=(VIPS,) if VIPS in entry.groups else (),
        department=entry.department,
        unclear=entry.unclear,
        manager=entry.manager,
        held_by=(handing_over.TRIAL,) if handing_over.TRIAL in entry.groups else (),
    )


class SimDirectory:
    """A directory that shows what somebody typed, late, in part or not at all. *place*: as the watch sees it there."""

    def __init__(self, process: Process, place: watching.Place | None = None) -> None:
        self._process, self._place = process, place

    async def read(self) -> DirectorySnapshot:
        process, world = self._process, self._process.world
        process.looking = False
        await process.step(2.0)
        if world.suffers("directory_down"):
            raise SourceError("directory", "the directory cannot be read")
        view = process.view = replace(self._seen(), ghosts=self._ghosts)
        process.rechecked.clear()
        return self.shows(view)

    @property
    def _ghosts(self) -> tuple[str, ...]:
        return ("CN=Ghost",) if self._process.world.suffers("directory_ghost") else ()

    def _seen(self) -> View:
        return self._place.view() if self._place is not None else self._process.world.view()

    def shows(self, view: View) -> DirectorySnapshot:
        """A view as an adapter reads it."""
        process, world = self._process, self._process.world
        people = [person_of(entry) for entry in view.entries.values()]
        groups = [
            DirectoryGroup(id_, name, use, sum(name in entry.groups for entry in view.entries.values()), entry=name)
            for id_, name, use in (
                (view.group_id, ENTITLING, GroupUse.ENTITLING),
                ("group-l", LEAVERS, GroupUse.LEAVERS),
                ("group-v", VIPS, GroupUse.PROTECTING),
                *handing_over.groups(world),
            )
        ]
        file = world.policy["source"] == "file"
        offset = -process.clock_offset if world.policy["directory_tells_time"] and not file else None
        name = self._place.name if self._place is not None else "dc2" if world.blowing("directory_lags") else "dc1"
        return whole.directory(
            world.policy["source"],
            process.now(),
            people,
            groups,
            clock_offset_seconds=offset,
            view="" if file else name,
            as_of=START + timedelta(seconds=view.as_of) if file else None,
            unresolved=self._ghosts,
        )

    async def look_again(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        process, world = self._process, self._process.world
        await process.step(0.2)
        if world.suffers("directory_down") or world.suffers("recheck_down"):
            raise SourceError("directory", "the directory cannot be read")
        view = self._seen()
        wanted = set(addresses)
        for address in addresses:
            process.rechecked[address] = view
        return tuple(
            person_of(entry)
            for _, entry in sorted(view.entries.items())
            if entry.id == directory_id or wanted & {entry.mail, *entry.aliases}
        )

    recheck_person = look_again

    async def deleted(self, addresses: Sequence[str]) -> tuple[tuple[str, datetime], ...]:
        return ()

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        return [("directory", True, "simulated")]

    async def close(self) -> None:
        """Nothing is held."""


# ------------------------------------------------------------------------------------------------------------ Zoom


def account_of(account: Account, status: str) -> ZoomAccount:
    """An account as the adapter reads it."""
    if account.pending:
        return ZoomAccount(None, account.email, Status.PENDING)
    return ZoomAccount(
        account.zoom_id,
        account.email,
        Status(status),
        account.owner or "service",
        account.role_id,
        ROLES[account.role_id],
        account.type,
        room=account.room,
    )


class SimZoom:
    """Zoom with its refusals, lost answers and lies."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def read(self) -> ZoomSnapshot:
        process, world = self._process, self._process.world
        await process.step(3.0)
        if world.suffers("zoom_down"):
            raise SourceError("zoom", "Zoom cannot be read")
        process.zoom_read_at = world.t
        accounts = [] if world.suffers("zoom_blind") else list(world.truth.accounts.values())
        old = self._older_statuses()
        return whole.zoom(
            ACCOUNT_ID,
            process.now(),
            [account_of(one, old.get(one.zoom_id, one.status)) for one in accounts],
            roles=ROLES,
            groups={},
            clock_offset_seconds=-process.clock_offset,
        )

    def _older_statuses(self) -> dict[str, str]:
        """Lists lag behind: what they still show."""
        world = self._process.world
        if not world.suffers("zoom_list_lags"):
            return {}
        return {
            one.zoom_id: one.shows[0]
            for one in world.truth.accounts.values()
            if one.shows is not None and world.t - one.changed_at < 1800.0
        }

    async def frame(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        await self._process.step(0.2)
        if self._process.world.suffers("zoom_down"):
            raise SourceError("zoom", "Zoom cannot be read")
        return ROLES, {}

    list_roles_and_groups = frame

    async def look(self, user: str) -> ZoomAccount | None:
        process, world = self._process, self._process.world
        await process.step(0.2)
        if world.suffers("zoom_down") or world.suffers("zoom_looks_down"):
            raise SourceError("zoom", "Zoom cannot be read")
        account = world.truth.accounts.get(user) or next(
            (one for one in world.truth.accounts.values() if one.email.lower() == user.lower()), None
        )
        if account is None:
            return None
        if account.odd:
            world.coverage.met("weather", "odd_account")
            raise odd_answer(account.zoom_id)
        process.looked_at[account.zoom_id] = world.t
        shows = account.shows
        return account_of(account, shows[0] if shows is not None and shows[1] > world.t else account.status)

    get_account = look

    async def content_of(self, account: ZoomAccount) -> Inventory:
        await self._process.step(0.2)
        return handing_over.inventory_of(self._process.world, account)

    async def set_status(self, zoom_id: str, *, active: bool) -> None:
        account = await self._arrives(zoom_id, "reactivate" if active else "deactivate")
        self._refusals(account, zoom_id)
        await self._effect(zoom_id, lambda one: _switched(self._process, one, active=active))

    async def restore_licence(self, zoom_id: str, *, type_: int, plan: str | None) -> None:
        account = await self._arrives(zoom_id, "restore_licence")
        self._refusals(account, zoom_id)
        world = self._process.world
        if type_ == 2 and world.truth.seats_free <= 0:
            world.seats_ran_out = True
            world.coverage.met("refusal", "no_licence")
            raise Refused("no seat is free", kind="no_licence", code=3412, status=400)

        def give(one: Account) -> None:
            one.type = type_

        await self._effect(zoom_id, give)

    async def revoke_sessions(self, zoom_id: str) -> None:
        account = await self._arrives(zoom_id, "revoke_sessions")
        self._refusals(account, zoom_id)
        await self._effect(zoom_id, lambda _: None)

    async def ask_clock(self) -> float | None:
        """What Zoom's clock says against this machine's; None: nobody answers."""
        return None if self._process.world.suffers("zoom_down") else -self._process.clock_offset

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        return [("zoom", True, "simulated")]

    async def close(self) -> None:
        """Nothing is held."""

    async def _arrives(self, zoom_id: str, operation: str) -> Account | None:
        process, world = self._process, self._process.world
        if process.dead:
            raise Killed
        world.oracle.writing(process, zoom_id, operation)  # as it is when the request leaves
        await process.step(0.3)
        if world.suffers("zoom_down"):
            raise SourceError("zoom", "Zoom cannot be reached; nothing was sent")
        return world.truth.accounts.get(zoom_id)

    def _refusals(self, account: Account | None, zoom_id: str) -> None:
        world = self._process.world

        def met(word: str) -> None:
            world.coverage.met("refusal", word)

        if account is None:
            met("gone")
            raise Refused("user does not exist", kind="gone", code=1001, status=404)
        if account.odd:
            met("odd")
            raise odd_answer(zoom_id)
        if account.refuses or account.room or account.role_id != "2":
            met("account")
            raise Refused("can not deactivate this user", kind="account", code=200, status=400)
        if world.suffers("zoom_scope_missing"):
            met("scope_missing")
            raise ScopeMissing("zoom", "a scope is missing", scope="user:update:status:admin")
        if world.suffers("zoom_limit"):
            met("limit")
            raise LimitReached("zoom", "the daily limit is used up")
        chance = world.rng.random()
        if world.suffers("zoom_throttles") and chance < 0.5:
            met("throttled")
            raise Refused("too many requests", kind="throttled", code=429, status=429)
        if world.suffers("zoom_refuses_some") and chance < 0.5:
            met("events" if chance < 0.25 else "other")
            raise Refused("not now", kind="events" if chance < 0.25 else "other", code=300, status=400)

    async def _effect(self, zoom_id: str, change: Any) -> None:
        """Does it, or says so, or does it later: as the weather is."""
        process, world = self._process, self._process.world
        account = world.truth.accounts[zoom_id]
        luck = world.rng.random()
        if world.suffers("zoom_loses_answers"):
            if luck < 0.3:
                world.coverage.met("refusal", "lost_before")
                raise AnswerLost("no answer")
            if luck < 0.6:
                world.coverage.met("refusal", "lost_after")
                change(account)
                raise AnswerLost("no answer")
            if luck < 0.8:
                world.coverage.met("refusal", "lands_late")
                world.later(5.0, lambda: change(account))
                raise AnswerLost("no answer")
        if world.suffers("zoom_lies") and luck < 0.5:
            world.coverage.met("refusal", "lie")
            return
        change(account)
        if world.suffers("zoom_reads_lag"):
            account.shows = ("active" if account.status == "inactive" else "inactive", world.t + 2.5)
        await process.step()


def _switched(process: Process, account: Account, *, active: bool) -> None:
    """Zoom carries a change out: it strips the licence and does not give it back."""
    world = process.world
    world.oracle.carried_out(process, account, active=active)
    account.shows = (account.status, world.t)
    account.status = "active" if active else "inactive"
    account.changed_by, account.changed_at = "syncd", world.t
    account.type = 1
    if active and account.zoom_id in world.on_activation:
        world.on_activation.pop(account.zoom_id)(process)


def odd_answer(zoom_id: str) -> SyncdError:
    """What the Zoom adapter raises when an answer about one account cannot be understood."""
    return AccountUnreadable(f"the answer about {zoom_id} cannot be understood", zoom_id=zoom_id, answer="400/1010")
