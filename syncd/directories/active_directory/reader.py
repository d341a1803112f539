"""Active Directory as a ``ports.Directory``: everybody below the bases, whole, with the way they got into each group.

A read uses one connection to one controller from its first page to its last; whatever goes wrong, the connection is
thrown away and the next server starts from nothing. Refused credentials end it at once. ldap3 runs in a thread; the
deadline of every answer is kept there, and a cancelled read has its socket cut from here.

Everybody of the domain's bases is read, entitled or not, so that "left the groups" can be told from "not there".
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from msgspec import structs

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.back_links import Untold
from syncd.directories.active_directory.binding import RefusalMemory
from syncd.directories.active_directory.check import check_server, password_expiry
from syncd.directories.active_directory.foreign import Trusts
from syncd.directories.active_directory.group_memory import GroupMemory
from syncd.directories.active_directory.groups import (
    ConfiguredGroup,
    demand_base,
    find_configured,
    id_by_dn,
    is_below,
    search_roots,
)
from syncd.directories.active_directory.members import GroupsBelow, Roster
from syncd.directories.active_directory.memberships_of_one import GroupsAbove, demand_members_readable
from syncd.directories.active_directory.people import PEOPLE_FILTER, attributes_to_ask, person_of
from syncd.directories.active_directory.session import Session, comes_in_part
from syncd.directories.active_directory.settings import ActiveDirectorySettings, KerberosBind, SimpleBind
from syncd.directories.active_directory.strays import unresolved_of
from syncd.directories.active_directory.transport import Line, ServerAddress, Unusable
from syncd.directories.active_directory.wanted import Wanted
from syncd.directories.membership import add_paths
from syncd.errors import ConfigError, CredentialsRefused, SourceError
from syncd.events import ClockOffset, CredentialExpires, Event, Noted, ReadProgress
from syncd.model import DirectoryGroup, DirectorySnapshot, Person
from syncd.ports import Clock, Tell
from syncd.reading import Complete, put_together

__all__ = ["ActiveDirectory", "ActiveDirectorySettings", "GroupMemory", "KerberosBind", "SimpleBind"]

T = TypeVar("T")

#: A connection for second looks is not older than this: one bind serves a burst of changes, not the next cycle's.
LOOK_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class _Look:
    """A connection for second looks, with the configured groups as found through it."""

    session: Session
    bases: tuple[str, ...]  # as this server spells them
    configured: tuple[ConfiguredGroup, ...]
    line: Line
    stale_at: float


class ActiveDirectory:
    """Implements ``ports.Directory``. Raises ConfigError at once for settings that could never work."""

    def __init__(
        self,
        settings: ActiveDirectorySettings,
        clock: Clock,
        tell: Tell,
        *,
        memory: GroupMemory | None = None,
    ) -> None:
        """*memory* keeps which objects the configured groups are; without it only for as long as this lives."""
        self.settings = settings
        self._servers = settings.addresses()
        self.clock = clock
        self._tell = tell
        self._refusals = RefusalMemory(clock.monotonic)
        self.gone_through: Mapping[str, str] = {}  # id and name of every group of the last whole read
        self.with_members: AbstractSet[str] = frozenset()  # ids of those that showed members
        self._memory = memory or GroupMemory()
        self._look: _Look | None = None
        self._looking = asyncio.Lock()

    def at(self, server: ServerAddress) -> ActiveDirectory:
        """The same directory as this one server shows it. What is known of refused credentials and of groups is shared."""
        other = copy.copy(self)
        other._servers, other._look, other._looking = (server,), None, asyncio.Lock()  # noqa: SLF001  -- another of the kind
        return other

    @property
    def servers(self) -> tuple[ServerAddress, ...]:
        """The configured servers, in the order in which they are tried."""
        return self._servers

    # --------------------------------------------------------------------------------------------------------- the port

    async def read(self) -> DirectorySnapshot:
        """Everybody, whole. Raises SourceError or CredentialsRefused on any doubt."""
        await self._memory.recall()
        snapshot = await self._read_first_good()
        await self._memory.keep({group.entry: group.id for group in snapshot.groups})
        return snapshot

    async def _read_first_good(self) -> DirectorySnapshot:
        return await self.in_thread(lambda line, tell: self._first_good(lambda s: self._read(s, tell), line, tell))

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        """Whoever has this objectGUID or claims one of these address keys, through a bind of its own, with memberships
        found from the person upwards by ``member``. Raises SourceError."""
        return await self._recheck(directory_id, addresses, first=False)

    async def look_first(self, directory_id: str) -> tuple[Person, ...]:
        """Whoever has this objectGUID, as ``recheck_person`` finds them, but by ``memberOf`` where that tells all: in no time
        where ``member`` has no index (see ``back_links``). For whoever asks ``recheck_person`` before anything is done. Raises
        SourceError."""
        return await self._recheck(directory_id, (), first=True)

    async def _recheck(self, directory_id: str | None, addresses: Sequence[str], *, first: bool) -> tuple[Person, ...]:
        async with self._looking:
            await self._memory.recall()
            try:
                return await self.in_thread(lambda line, tell: self._look_again(directory_id, addresses, line, tell, first=first))
            except asyncio.CancelledError:
                if self._look is not None:
                    self._look.line.cut()
                raise

    async def deleted(self, addresses: Sequence[str]) -> tuple[tuple[str, datetime], ...]:  # noqa: ARG002
        """Nobody: a deleted object keeps no addresses."""
        return ()

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        """One line per server: whether it can be reached, verified, bound and read, or what to do."""
        await self._memory.recall()
        return await self.in_thread(self._check)

    async def close(self) -> None:
        """Hangs up."""
        async with self._looking:
            self._stop_looking()

    # ---------------------------------------------------------------------------------------------- threads and servers

    async def in_thread(self, work: Callable[[Line, Tell], T]) -> T:
        """Does *work* in a thread, for ldap3 waits; what it tells is told in the loop. Cancelled, it cuts the line."""
        loop = asyncio.get_running_loop()
        line = Line()

        def tell(event: Event) -> None:
            if not line.was_cut:  # after that nobody listens, and the loop may be closing
                loop.call_soon_threadsafe(self._tell, event)

        try:
            return await asyncio.to_thread(work, line, tell)
        except asyncio.CancelledError:
            line.cut()
            raise

    def _first_good(self, work: Callable[[Session], T], line: Line, tell: Tell, *, keep: bool = False) -> T:
        """What *work* gives on the first server that can be used from beginning to end. *keep*: leave the connection open."""
        causes: list[tuple[ServerAddress, Unusable]] = []
        for server in self._servers:
            try:
                return self._with_session(server, work, line, tell, keep=keep)
            except Unusable as fault:
                causes.append((server, fault))
            except ValueError as error:
                causes.append((server, Unusable(f"it sent a value that cannot be understood ({error})")))
            if line.was_cut:
                break
            tell(Noted("directory.server_skipped", "warning", {"server": str(server), "why": causes[-1][1].what}))
        raise SourceError(
            "directory",
            "no directory server could be read whole: " + "; ".join(f"{server}: {cause.what}" for server, cause in causes),
            " ".join(dict.fromkeys(cause.do for _, cause in causes if cause.do)),
        )

    def _with_session(self, server: ServerAddress, work: Callable[[Session], T], line: Line, tell: Tell, *, keep: bool) -> T:
        session = self.open(server, line, tell)
        try:
            result = work(session)
        except BaseException:
            session.close()
            raise
        if not keep:
            session.close()
        return result

    def open(self, server: ServerAddress, line: Line, tell: Tell) -> Session:
        """A bound connection to this *server*. Raises Unusable (try another), SourceError (credentials that no server takes)."""
        settings = self.settings
        try:
            fingerprint = settings.bind.fingerprint()
        except ConfigError as error:  # the secret is gone while we run: the next read may find it again
            raise SourceError("directory", error.what, error.do) from None
        self._refusals.check(fingerprint)
        try:
            return Session(
                server,
                settings.bind,
                start_tls=settings.start_tls and not server.tls,
                ca_file=settings.ca_file,
                timeouts=settings.timeouts(),
                clock=self.clock,
                tell=tell,
                line=line,
            )
        except CredentialsRefused as error:
            self._refusals.remember(fingerprint, error)
            raise

    # -------------------------------------------------------------------------------------------------- the whole read

    def _read(self, session: Session, tell: Tell) -> DirectorySnapshot:
        settings = self.settings
        read_at = self.clock.now()
        if session.clock_offset_seconds is not None:
            tell(ClockOffset("ldap", session.clock_offset_seconds))
        tell(CredentialExpires("active_directory", password_expiry(session, settings)))
        tell(CredentialExpires("ldaps", session.certificate_ends_at))
        configured = find_configured(session, settings, self._memory.groups)
        bases = tuple(demand_base(session, base) for base in settings.base_dns)
        roster, lists = self._read_people(session, bases, tell)
        below = GroupsBelow(session, settings, roster, bases)
        for group in configured:
            below.read(group)
        roster.demand_shown()
        roster.name_managers(partial(id_by_dn, session))
        unresolved = unresolved_of(below.strays.values(), settings, Trusts(session, settings.page_size))
        people = roster.people
        counts = add_paths(people, configured, below.nodes, nested=settings.nested)
        self.gone_through, self.with_members = below.gone_through, below.with_members
        return DirectorySnapshot.whole(
            "active_directory",
            read_at,
            put_together(people.values(), *lists, *below.lists),
            put_together(
                [DirectoryGroup(group.id, group.name, group.use, counts[group], entry=group.entry) for group in configured],
                *lists,
                *below.lists,
            ),
            unresolved=unresolved,
            clock_offset_seconds=session.clock_offset_seconds,
            view=session.view,
        )

    def _read_people(self, session: Session, bases: Sequence[str], tell: Tell) -> tuple[Roster, tuple[Complete[None], ...]]:
        """Everybody, and the lists they came in: one for each base."""
        settings = self.settings
        roster = Roster()
        attributes = attributes_to_ask(*settings.of_people())
        in_part: list[Entry] = []

        def add(entry: Entry) -> None:
            if comes_in_part(entry):
                in_part.append(entry)  # the rest of it is asked for when the line is free
            else:
                roster.add(person_of(entry, *settings.of_people(), settings.ignored_sids))

        def progress() -> None:
            tell(ReadProgress("directory", len(roster.people)))

        lists = [session.walk(base, PEOPLE_FILTER, attributes, settings.page_size, add, progress=progress) for base in bases]
        for entry in in_part:
            roster.add(person_of(session.complete(entry), *settings.of_people(), settings.ignored_sids))
        return roster, tuple(lists)

    # ------------------------------------------------------------------------------------------------- the second look

    def _look_again(
        self, directory_id: str | None, addresses: Sequence[str], line: Line, tell: Tell, *, first: bool
    ) -> tuple[Person, ...]:
        wanted = Wanted.of(directory_id, addresses, self.settings.address_attributes)
        if not wanted.filter:
            return ()
        kept = self._look
        if kept is not None and not kept.line.was_cut and self.clock.monotonic() < kept.stale_at:
            try:
                return self._look_through(kept, wanted, first=first)
            except (Unusable, ValueError):
                pass  # the connection may have died between two looks: once more, from nothing
        if not line.was_cut:
            self._stop_looking()

        def look(session: Session) -> tuple[Person, ...]:
            bases = tuple(demand_base(session, base) for base in self.settings.base_dns)
            configured = find_configured(session, self.settings, self._memory.groups)
            demand_members_readable(session, self.settings, configured, self.gone_through, self.with_members)
            fresh = _Look(session, bases, configured, line, self.clock.monotonic() + LOOK_SECONDS_MAX)
            people = self._look_through(fresh, wanted, first=first)
            self._look = fresh
            return people

        return self._first_good(look, line, tell, keep=True)

    def _look_through(self, look: _Look, wanted: Wanted, *, first: bool = False) -> tuple[Person, ...]:
        if first:
            with contextlib.suppress(Untold):
                return self._people_in(look, wanted, first=True)
        return self._people_in(look, wanted, first=False)

    def _people_in(self, look: _Look, wanted: Wanted, *, first: bool) -> tuple[Person, ...]:
        settings = self.settings
        above = GroupsAbove(look.session, settings, look.configured, self.gone_through, first=first)
        people: dict[str, Person] = {}
        outside: set[str] = set()
        attributes = (*attributes_to_ask(*settings.of_people()), "memberOf", "uSNChanged")
        for root in search_roots(look.session, settings):
            for page in look.session.pages(root, wanted.filter, attributes, settings.page_size):
                if first and any(map(comes_in_part, page)):
                    raise Untold  # a change of memberOf between two ranges shows in no number
                for entry in map(look.session.complete, page):
                    found = person_of(entry, *settings.of_people(), settings.ignored_sids)
                    if found.person.id not in people and wanted.includes(found.person):
                        manager = id_by_dn(look.session, found.manager_dn) if found.manager_dn else ""
                        people[found.person.id] = structs.replace(found.person, manager=manager)
                        above.read(entry, found)
                        if not is_below(entry.dn, look.bases):
                            outside.add(found.person.id)
        add_paths(people, look.configured, above.nodes, nested=settings.nested)
        # As in a whole read: somebody below no base is a person by membership alone.
        return tuple(
            person
            for id_, person in sorted(people.items())
            if id_ not in outside or person.entitled_by or person.leaver_by or person.protected_by or person.held_by
        )

    def _stop_looking(self) -> None:
        kept, self._look = self._look, None
        if kept is not None:
            kept.session.close()

    # -------------------------------------------------------------------------------------------------------- checking

    def _check(self, line: Line, tell: Tell) -> list[tuple[str, bool, str]]:
        def check(session: Session) -> tuple[bool, str]:
            snapshot = self._read(session, _no_one)
            bases = tuple(demand_base(session, base) for base in self.settings.base_dns)
            look = _Look(session, bases, find_configured(session, self.settings, self._memory.groups), line, 0.0)
            demand_members_readable(session, self.settings, look.configured, self.gone_through, self.with_members)
            return check_server(
                session,
                self.settings,
                snapshot,
                lambda id_: self._look_through(look, Wanted.of(id_, [], self.settings.address_attributes)),
            )

        lines: list[tuple[str, bool, str]] = []
        refusal = ""
        for server in self._servers:
            name = f"directory {server}"
            if refusal:
                lines.append((name, False, "not tried: the credentials were refused by another server"))
                continue
            try:
                ok, finding = self._with_session(server, check, line, tell, keep=False)
            except CredentialsRefused as error:
                ok, finding = False, _in_one_line(error.what, error.do)
                refusal = finding
            except (Unusable, SourceError) as error:
                ok, finding = False, _in_one_line(error.what, error.do)
            except ValueError as error:
                ok, finding = False, f"it sent a value that cannot be understood ({error})"
            lines.append((name, ok, finding))
        return lines


def _no_one(_: Event) -> None:
    """Whom a check tells of what it reads: it is no read of a cycle."""


def _in_one_line(what: str, do: str) -> str:
    return f"{what}. {do}" if do else what
