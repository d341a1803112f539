"""In-memory stand-ins for every port, that behave as the ports promise and can be told to misbehave.

They keep the state of a small world (people, accounts, entries), so tests look at what became of it, not at calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from syncd.errors import LedgerError, NotLeader, SyncdError
from syncd.events import Event
from syncd.ledger.history import History, fold
from syncd.model import (
    ClockStanding,
    DirectoryGroup,
    DirectorySnapshot,
    Draft,
    GroupUse,
    Head,
    LedgerEntry,
    Person,
    Status,
    ZoomAccount,
    ZoomSnapshot,
    address_key,
    canonical_json,
    sha256_of,
)
from syncd.operations.cycle import Dependencies
from syncd.planning.windows import ANY_TIME
from tests import whole

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

ROLES = {"0": "Owner", "1": "Admin", "2": "Member"}


class FakeClock:
    """Time passes only when somebody sleeps, or by ``pass_time``."""

    def __init__(self, now: datetime = START) -> None:
        self.time = now
        self._made = 0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.pass_time(timedelta(seconds=max(seconds, 0.0)))
        await asyncio.sleep(0)

    def random(self) -> float:
        return 0.5

    def unique(self) -> str:
        self._made += 1
        return f"unique{self._made:06}"

    def pass_time(self, span: timedelta) -> None:
        self.time += span


@dataclass
class FakeDirectory:
    """People by id. A group counts as members whoever has its name in one of their paths."""

    clock: FakeClock
    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, GroupUse] = field(default_factory=lambda: {"Zoom Users": GroupUse.ENTITLING})
    group_ids: dict[str, str] = field(default_factory=dict)  # name -> the object it means, where that is not the name
    unresolved: tuple[str, ...] = ()
    as_of: datetime | None = None
    offset_seconds: float | None = None
    fails: SyncdError | None = None  # the whole read
    look_fails: SyncdError | None = None  # the second look
    before_look: Callable[[], None] = lambda: None  # what happens in the directory between plan and look

    async def read(self) -> DirectorySnapshot:
        if self.fails is not None:
            raise self.fails
        groups = [
            DirectoryGroup(
                self.group_ids.get(name, name.lower()),
                name,
                use,
                sum(name in (*person.entitled_by, *person.leaver_by, *person.protected_by) for person in self.people.values()),
            )
            for name, use in self.groups.items()
        ]
        return whole.directory(
            "file",
            self.clock.now(),
            self.people.values(),
            groups,
            unresolved=self.unresolved,
            as_of=self.as_of,
            clock_offset_seconds=self.offset_seconds,
        )

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        await asyncio.sleep(0)
        self.before_look()
        if self.look_fails is not None:
            raise self.look_fails
        return tuple(
            person for id_, person in sorted(self.people.items()) if id_ == directory_id or set(addresses) & set(person.addresses)
        )

    async def deleted(self, addresses: Sequence[str]) -> tuple[tuple[str, datetime], ...]:
        """Nobody."""
        return ()

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        return [("directory", True, "in memory")]

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class FakeZoom:
    """Accounts by id. ``answers`` makes single writes misbehave: an error to raise, before or (*after*) doing it."""

    clock: FakeClock
    accounts: dict[str, ZoomAccount] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    offset_seconds: float | None = None
    fails: SyncdError | None = None
    look_fails: SyncdError | None = None
    odd: dict[str, SyncdError] = field(default_factory=dict)  # id -> what a read of this one account raises
    answers: dict[tuple[str, str], tuple[SyncdError, bool]] = field(default_factory=dict)  # (id, operation) -> error, after
    pending: dict[str, ZoomAccount] = field(default_factory=dict)  # by address
    unlisted: set[str] = field(default_factory=set)  # ids that the list leaves out; "*": everybody
    listed: dict[str, ZoomAccount] = field(default_factory=dict)  # by id, how the list shows them whatever was changed since
    writes: list[tuple[str, str]] = field(default_factory=list)  # (operation, id), as sent
    before_look: Callable[[], None] = lambda: None
    before_write: Callable[[int], None] = lambda _: None  # told how many were sent
    ignores: set[str] = field(default_factory=set)  # answers 2xx, does nothing

    async def read(self) -> ZoomSnapshot:
        if self.fails is not None:
            raise self.fails
        return whole.zoom(
            "zoom-account",
            self.clock.now(),
            [
                self.listed.get(one.zoom_id or "", one)
                for one in (*self.accounts.values(), *self.pending.values())
                if not {one.zoom_id, "*"} & self.unlisted
            ],
            roles=ROLES,
            groups=self.groups,
            clock_offset_seconds=self.offset_seconds,
        )

    async def list_roles_and_groups(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return ROLES, self.groups

    async def get_account(self, user: str) -> ZoomAccount | None:
        await asyncio.sleep(0)
        self.before_look()
        if self.look_fails is not None:
            raise self.look_fails
        by_address = {address_key(one.email): one for one in (*self.accounts.values(), *self.pending.values())}
        found = self.accounts.get(user) or by_address.get(address_key(user))
        if found is not None and found.zoom_id in self.odd:
            raise self.odd[found.zoom_id]
        return found

    async def set_status(self, zoom_id: str, *, active: bool) -> None:
        account = self.accounts[zoom_id]
        # Deactivated users lose their licence and do not get it back by being activated.
        changed = replace(account, status=Status.ACTIVE) if active else replace(account, status=Status.INACTIVE, type=1)
        await self._write("set_status", zoom_id, changed)

    async def restore_licence(self, zoom_id: str, *, type_: int, plan: str | None) -> None:
        await self._write("restore_licence", zoom_id, replace(self.accounts[zoom_id], type=type_, plan=plan))

    async def revoke_sessions(self, zoom_id: str) -> None:
        await self._write("revoke_sessions", zoom_id, self.accounts[zoom_id])

    async def ask_clock(self) -> float | None:
        return self.offset_seconds

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        return [("zoom", True, "in memory")]

    async def close(self) -> None:
        """Nothing is held."""

    async def _write(self, operation: str, zoom_id: str, changed: ZoomAccount) -> None:
        await asyncio.sleep(0)
        self.before_write(len(self.writes))
        self.writes.append((operation, zoom_id))
        error, after = self.answers.get((zoom_id, operation)) or self.answers.get(("*", operation)) or (None, False)
        if (error is None or after) and zoom_id not in self.ignores:
            self.accounts[zoom_id] = changed
        if error is not None:
            raise error


class MemoryLedger:
    """Entries in a list, folded as they come. ``refuse_after``: so many entries are taken, then none."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.entries: list[LedgerEntry] = []
        self.people: dict[str, dict[str, str]] = {}
        self.state: dict[str, Any] = {}
        self.refuse_after: int | None = None
        self._history = History()
        self._term = 0
        self.standing = ClockStanding.UNASKED

    async def history(self) -> History:
        return self._history

    async def append(self, drafts: Sequence[Draft], *, term: int = 0) -> tuple[LedgerEntry, ...]:
        if self._history.broken:
            raise LedgerError(f"the ledger does not verify: {self._history.broken}")
        if self.refuse_after is not None and len(self.entries) + len(drafts) > self.refuse_after:
            raise LedgerError("no space left on device")
        if 0 < term < self._history.term:
            raise NotLeader(f"term {self._history.term} has written")
        made = []
        for draft in drafts:
            body = dict(draft.body)
            if draft.personal is not None:
                body["who"] = sha256_of(dict(draft.personal))
                self.people[body["who"]] = dict(draft.personal)
            before = self.entries[-1].hash if self.entries else ""
            content = (
                len(self.entries) + 1,
                self.clock.now().isoformat(),
                draft.cycle,
                term,
                draft.kind,
                draft.subject,
                canonical_json(body),
                before,
            )
            entry = LedgerEntry(*content, sha256_of(content))
            self.entries.append(entry)
            self._history = fold(self._history, entry)
            made.append(entry)
        return tuple(made)

    def clock_is(self, standing: ClockStanding) -> None:
        self.standing = standing

    async def head(self) -> Head:
        return Head(len(self.entries), self.entries[-1].hash if self.entries else "")

    @asynccontextmanager
    async def writer(self, wait_seconds: float | None, lease: int = 0) -> AsyncIterator[int]:
        self._term = max(self._term, self._history.term) + 1
        yield self._term

    async def personal(self, refs: Sequence[str]) -> dict[str, dict[str, str]]:
        return {ref: self.people[ref] for ref in refs if ref in self.people}

    async def get_state(self, key: str) -> Any:
        return self.state.get(key)

    async def set_state(self, key: str, value: Any) -> None:
        self.state[key] = value

    async def close(self) -> None:
        """Nothing is held."""

    def kinds(self) -> list[str]:
        """What was written, in order."""
        return [entry.kind for entry in self.entries]

    def replayed(self) -> History:
        """The history somebody gets who starts now."""
        history = History()
        for entry in self.entries:
            history = fold(history, entry)
        return history


class FakeLeadership:
    """Leads until told otherwise."""

    def __init__(self) -> None:
        self.leading = True

    def leads(self) -> bool:
        return self.leading

    async def lead(self) -> int:
        return 0


class Company:
    """All the fakes together: a world to run cycles in, with people and accounts added by short names."""

    def __init__(self, domain: str = "corp.example") -> None:
        self.domain = domain
        self.clock = FakeClock()
        self.directory = FakeDirectory(self.clock)
        self.zoom = FakeZoom(self.clock)
        self.ledger = MemoryLedger(self.clock)
        self.leadership = FakeLeadership()
        self.events: list[Event] = []
        self.stopping = False
        self.credential = "app-1"
        self.concurrency = 4
        self.windows = ANY_TIME

    @property
    def deps(self) -> Dependencies:
        return Dependencies(
            self.directory,
            self.zoom,
            self.ledger,
            self.leadership,
            self.clock,
            self.events.append,
            "0.test",
            credential=lambda: self.credential,
            stopping=lambda: self.stopping,
            concurrency=self.concurrency,
            windows=self.windows,
        )

    def address(self, name: str) -> str:
        return name if "@" in name else f"{name}@{self.domain}"

    def person(self, name: str, *, entitled: bool = True, addresses: Iterable[str] = (), mains: int = 1, **more: Any) -> Person:
        """Adds or replaces somebody; their id is ``p-NAME``. The first *mains* addresses are main ones."""
        keys = tuple(address_key(self.address(address)) for address in addresses) or (address_key(self.address(name)),)
        person = Person(
            f"p-{name}", keys[:mains], name.title(), entitled_by=("Zoom Users",) if entitled else (), aliases=keys[mains:], **more
        )
        self.directory.people[person.id] = person
        return person

    def account(self, name: str, status: Status = Status.ACTIVE, role: str | None = "2", **more: Any) -> ZoomAccount:
        """Adds or replaces an account; its id is ``z-NAME``, an invitation has none."""
        email = more.pop("email", None) or self.address(name)
        more.setdefault("type", 2 if status is Status.ACTIVE else 1)
        zoom_id = None if status is Status.PENDING else f"z-{name}"
        account = ZoomAccount(zoom_id, email, status, name.title(), role, ROLES.get(role or ""), **more)
        if zoom_id is None:
            self.zoom.pending[email] = account
        else:
            self.zoom.accounts[zoom_id] = account
        return account

    def employ(self, *names: str) -> None:
        """People who are entitled and have an active account."""
        for name in names:
            self.person(name)
            self.account(name)

    def crowd(self, count: int) -> None:
        """So many colleagues in step, so that shares are small."""
        self.employ(*(f"crowd{number:03}" for number in range(count)))

    def status(self, name: str) -> str:
        """What Zoom has."""
        return self.zoom.accounts[f"z-{name}"].status.value
