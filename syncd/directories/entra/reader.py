"""Entra ID as a ``ports.Directory``: everybody of the tenant, whole, with the way they got into each group.

This file says when to read; how is in ``entra_whole`` (everybody), ``entra_look`` (one person) and ``entra_changes``.

With a place to keep a cursor, change tracking tells cheaply that nothing happened, and the last whole read is given again. It
is trusted for some hours, never right after a change (replicas lag), and never with a change to Zoom at stake: the first second
look of a cycle reads everything again and ends the cycle if it differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from syncd.directories.entra.changes import Changes
from syncd.directories.entra.check import check
from syncd.directories.entra.expiry import secret_ends_at
from syncd.directories.entra.graph import Entry, Graph
from syncd.directories.entra.groups import ConfiguredGroup, find_configured
from syncd.directories.entra.managers import Managers
from syncd.directories.entra.people import claims_of, id_of, person_of, what_to_ask
from syncd.directories.entra.recheck import look
from syncd.directories.entra.settings import (
    Certificate,
    ClientSecret,
    Credential,
    EntraSettings,
    FederatedToken,
    ManagedIdentity,
)
from syncd.directories.entra.tokens import EntraTokens
from syncd.directories.entra.whole_read import Whole, read_recycle_bin, read_whole
from syncd.errors import SourceError
from syncd.events import CredentialExpires, Noted
from syncd.http.pacer import BudgetStore
from syncd.model import DirectorySnapshot, Person, address_key
from syncd.ports import Clock, Tell

__all__ = ["Certificate", "ClientSecret", "Credential", "EntraDirectory", "EntraSettings", "FederatedToken", "ManagedIdentity"]

T = TypeVar("T")

#: The configured groups are looked up again for second looks after this.
GROUPS_SECONDS_MAX = 60.0

#: A credential that ends sooner than this is warned of, once a day.
EXPIRY_WARNING = timedelta(days=30)

#: A change is read once more when replicas have surely caught up with it.
SETTLES_AFTER = timedelta(minutes=10)


class EntraDirectory:
    """Implements ``ports.Directory``. *state* keeps the change tracking's cursor; without it every read is a whole one."""

    def __init__(self, settings: EntraSettings, clock: Clock, tell: Tell, *, state: BudgetStore | None = None) -> None:
        self.settings, self.clock, self._tell = settings, clock, tell
        self._tokens = EntraTokens(settings, clock, tell)
        self.graph = Graph(settings, self._tokens, clock, tell)
        self._changes = Changes(self.graph, settings, clock, tell, state) if state is not None else None
        self._managers = Managers(clock, tell)
        self._one_read = asyncio.Lock()
        self._last: Whole | None = None  # None: the next read is a whole one
        self._unproved: DirectorySnapshot | None = None  # given out again without a whole read of its own
        self._disproved: SourceError | None = None  # and a whole read showed something else
        self._secret_ends_at: datetime | None = None
        self._warned_on: date | None = None
        self._looked_up: tuple[float, tuple[ConfiguredGroup, ...]] | None = None

    # ------------------------------------------------------------------------------------------------------- the port

    async def read(self) -> DirectorySnapshot:
        """Everybody, whole. Raises SourceError (CredentialsRefused, ScopeMissing, LimitReached) on any doubt."""
        async with self._one_read:
            return await self._in_time(self._read())

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        """Whoever has this object id or claims one of these address keys, asked for one by one, memberships included.
        Raises SourceError, also when a whole read shows that change tracking missed something."""
        async with self._one_read:
            await self._in_time(self._demand_read_whole())
        return await self._in_time(self._look(directory_id, addresses))

    async def deleted(self, addresses: Iterable[str]) -> tuple[tuple[str, datetime], ...]:
        """Who of these addresses lies in the recycle bin: (object id, when they were deleted). Raises SourceError."""
        keys = frozenset(map(address_key, addresses))
        asked = self.settings.address_attributes

        def make(entry: Entry) -> tuple[str, datetime] | None:
            if keys.isdisjoint(claims_of(entry, asked).keys()):
                return None
            with suppress(ValueError):
                return id_of(entry), datetime.fromisoformat(str(entry.get("deletedDateTime")))
            return None

        select = f"{what_to_ask(self.settings)['$select']},deletedDateTime"
        found = await self._in_time(read_recycle_bin(self.graph, select, make))
        return tuple(sorted(one for one in found if one is not None))

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        """One line per item: credential, token, permissions, groups, users, second look, clock."""
        return await check(self.settings, self._tokens, self.graph, self._tell, self.clock)

    async def close(self) -> None:
        """Gives connections back."""
        await self.graph.close()
        await self._tokens.close()

    # ------------------------------------------------------------------------------------------------------- the watch

    def looking_directly(self) -> EntraDirectory:
        """The same directory for second looks at people who were just read by themselves: there is no list given again that a
        whole read would have to prove."""
        return _Directly(self)

    def differs(self, entry: Entry) -> bool:
        """Whether a reported user is anything but what the last whole read showed. Raises SourceError without an id."""
        return self._last is None or _differs(entry, self._last.by_id, self.settings)

    def tracks(self, group: str) -> bool:
        """Whether a group is a configured one, or below one, as of the last whole read."""
        return self._last is None or group in self._last.tracked_groups

    # ----------------------------------------------------------------------------------------- when to read everything

    async def _read(self) -> DirectorySnapshot:
        self.graph.restart_clock()
        ends_at = self._tokens.credential_ends_at()
        self._tell_end(ends_at or self._secret_ends_at)
        self._unproved = self._disproved = None
        asked_at = self.clock.now()  # what comes later may not be in the answer
        why = await self._why_read_whole()
        if self._last is not None and not why:
            snapshot = self._unproved = replace(
                self._last.snapshot, read_at=asked_at, clock_offset_seconds=self.graph.clock_offset_seconds
            )
        else:
            self._tell(Noted("directory.read_whole", "debug", {"why": why or "the first read"}))
            snapshot = await self._read_whole_anew()
        if self._changes is not None:
            await self._changes.keep()
        return snapshot

    async def _read_whole_anew(self) -> DirectorySnapshot:
        self._last = None  # should this fail, nothing old is given again
        self._last = await read_whole(self.graph, self._tokens, self.settings, self.clock, self._tell, self._managers)
        self._looked_up = (self.clock.monotonic(), self._last.configured)
        ends_at = await secret_ends_at(self.graph, self.settings, self._tokens.roles, self.clock.now())
        if ends_at != self._secret_ends_at:
            self._secret_ends_at = ends_at
            self._tell_end(ends_at)
        return self._last.snapshot

    def _tell_end(self, ends_at: datetime | None) -> None:
        self._tell(CredentialExpires("entra", ends_at))
        now = self.clock.now()
        if ends_at is not None and ends_at - now < EXPIRY_WARNING and self._warned_on != now.date():
            self._warned_on = now.date()
            self._tell(
                Noted(
                    "credential.ends_soon", "warning", {"credential": "entra", "ends_at": ends_at, "days": (ends_at - now).days}
                )
            )

    async def _why_read_whole(self) -> str:
        """Why the last whole read will not do; empty when it will."""
        if self._changes is None:
            return "changes are not tracked"
        last, now = self._last, self.clock.now()
        settings = self.settings

        def user_counts(entry: Entry) -> bool:
            return last is None or _differs(entry, last.by_id, settings)

        def group_counts(entry: Entry) -> bool:
            return last is None or id_of(entry) in last.tracked_groups

        reported = await self._changes.seen(user_counts, group_counts)
        if reported or last is None:
            return reported or "the first read"
        read_at = last.snapshot.read_at
        if now - read_at >= timedelta(seconds=settings.whole_read_every_seconds):
            return "the last whole read is too long ago"
        if self._changes.changed_at is not None and read_at < self._changes.changed_at + SETTLES_AFTER:
            return "a change may not have been everywhere yet"
        return ""

    async def _demand_read_whole(self) -> None:
        """Before the first change of a cycle: what was given again must be what a whole read shows."""
        if self._disproved is not None:
            raise self._disproved
        if self._unproved is None:
            return
        found = await self._read_whole_anew()
        if found.digest != self._unproved.digest:
            if self._changes is not None:
                self._changes.changed_at = self.clock.now()
            self._disproved = SourceError(
                "directory",
                "entra: changes were missed: a whole read differs from what change tracking called unchanged "
                f"({len(self._unproved.people)} people then, {len(found.people)} now).",
                "Nothing is changed on such grounds; the next cycle reads everything and decides afresh.",
            )
            raise self._disproved
        self._unproved = None

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.settings.total_timeout_seconds):
                return await work
        except TimeoutError:
            raise SourceError(
                "directory",
                f"entra: not read whole within {self.settings.total_timeout_seconds:.0f} s.",
                "See whether Graph is slow or throttles; the next cycle tries again.",
            ) from None

    # ------------------------------------------------------------------------------------------------- the second look

    async def _look(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        await self._tokens.get()
        if self._looked_up is None or self.clock.monotonic() - self._looked_up[0] >= GROUPS_SECONDS_MAX:
            configured = await find_configured(self.graph, self.settings, self._tokens.roles, self._tell)
            self._looked_up = (self.clock.monotonic(), configured)
        before = self._last.by_id if self._last is not None else {}
        return await look(self.graph, self.settings, self._looked_up[1], before, directory_id, addresses)


class _Directly(EntraDirectory):
    """``EntraDirectory.looking_directly``. It shares everything with the one it was made of."""

    def __init__(self, of: EntraDirectory) -> None:
        self.__dict__ = of.__dict__

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        """As of ``ports.Directory``."""
        return await self._in_time(self._look(directory_id, addresses))


#: What a change of a user may change here.
_OF_INTEREST = ("mains", "aliases", "enabled", "guest", "unclear", "number")


def _differs(entry: Entry, people: Mapping[str, Person], settings: EntraSettings) -> bool:
    """Whether a reported user is anything but what was read. Reports repeat themselves and name changes of no interest."""
    known = people.get(id_of(entry))
    if "@removed" in entry:
        return known is not None
    if known is None or "accountEnabled" not in entry or "userPrincipalName" not in entry:
        return True
    now = person_of(entry, settings)
    return any(getattr(now, name) != getattr(known, name) for name in _OF_INTEREST)
