"""Noticing changes at one domain controller: its own update numbers tell that something changed and what, and never how.

Asked is one number (highestCommittedUSN) a second. Where it grew, the objects changed since are asked for, people and groups: a
membership touches the group, not the person. A number is good for one database only, which ``Session.view`` names; another
database behind the same address begins anew. Deleted objects show no change to a plain account: where the number grew and nothing
shows, it is looked whether everybody is still there, not more often than every ten seconds. What is read again is read from this
same controller; no other one may know yet.

Source: Microsoft, "Polling for Changes Using USNChanged".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.groups import classes_of, search_roots
from syncd.directories.active_directory.people import PEOPLE_FILTER, attributes_to_ask, guid_of
from syncd.directories.active_directory.reader import ActiveDirectory
from syncd.directories.active_directory.session import Session, generalized_time
from syncd.directories.active_directory.transport import Line, ServerAddress, Unusable
from syncd.errors import SourceError
from syncd.model import DirectorySnapshot, Hint, Person, Reread
from syncd.ports import Clock, Tell
from syncd.reading import End, in_one_piece

T = TypeVar("T")

#: It is not looked more often than this whether everybody is still there.
GONE_SECONDS = 10.0

#: More people than this are cheaper to read with everybody.
ONE_BY_ONE_MAX = 300

#: Up to so many update numbers are asked for one by one.
NAMED_MAX = 50

#: Changes of an object that concern nobody's account, and change all the time.
_NOT_COMPARED = frozenset({"usnchanged", "whenchanged"})


def changed_since(before: int, now: int) -> str:
    """A filter for objects whose update number is one of those after *before*, up to *now*. Few are named one by one: every
    controller has an index for that question, while Samba answers the one with >= by going through the whole domain."""
    if now - before <= NAMED_MAX:
        return f"(|{''.join(f'(uSNChanged={number})' for number in range(before + 1, now + 1))})"
    return f"(uSNChanged>={before + 1})"


@dataclass
class _Place:
    """What is known of one database: up to which number its changes were followed, how people looked, who was in which group."""

    view: str
    number: int
    people: dict[str, int] = field(default_factory=dict)  # id -> hash of what was shown
    members: dict[str, frozenset[str]] = field(default_factory=dict)  # group id -> DNs
    gone_pending: bool = False


class ControllerWatcher:
    """Implements ``ports.Watcher`` for one server of *whole*, the directory that cycles read."""

    source = "active_directory"

    def __init__(self, whole: ActiveDirectory, server: ServerAddress, clock: Clock) -> None:
        self.directory = whole.at(server)
        self.name = str(server)
        self._whole, self._server, self._clock = whole, server, clock
        self._session: Session | None = None
        self._place: _Place | None = None
        self._looked_for_gone = float("-inf")

    async def changes(self) -> Hint:
        """What changed at this server since the last time. Raises SourceError."""
        return await self.directory.in_thread(lambda line, tell: self._through(self._changes, line, tell))

    async def read_again(self, hint: Hint, base: DirectorySnapshot) -> Reread:
        """Those concerned, one by one, or everybody where that is cheaper. Raises SourceError."""
        if hint.anybody or len(hint.people) > ONE_BY_ONE_MAX:
            return Reread.of_whole(await self.directory.read(), base, hint)
        read_at = self._clock.now()
        # As the last whole read went.
        self.directory.gone_through, self.directory.with_members = self._whole.gone_through, self._whole.with_members
        people = hint.people
        if hint.gone:
            there = await self.directory.in_thread(lambda line, tell: self._through(self._everybody, line, tell))
            people |= {one.id for one in base.people} - there
        found: dict[str, Person] = {}
        for id_ in sorted(people):
            found.update((one.id, one) for one in await self.directory.look_first(id_) if one.id == id_)
        view = self._place.view if self._place is not None else ""
        changed = {id_: hint.changed[id_] for id_ in people if id_ in hint.changed}
        return Reread(read_at, view, people, in_one_piece(found.values(), End.EACH_ASKED), changed=changed)

    async def close(self) -> None:
        """Hangs up."""
        self._hang_up()
        await self.directory.close()

    # ----------------------------------------------------------------------------------------------------- connections

    def _through(self, work: Callable[[Session], T], line: Line, tell: Tell) -> T:
        """What *work* gives over the connection at hand, or over a new one when that is gone. Raises SourceError."""
        try:
            if self._session is not None:
                try:
                    return work(self._session)
                except (Unusable, ValueError):
                    self._hang_up()
            self._session = self.directory.open(self._server, line, tell)
            return work(self._session)
        except (Unusable, ValueError) as fault:
            self._hang_up()
            do = fault.do if isinstance(fault, Unusable) else ""
            raise SourceError("directory", f"{self.name} cannot tell changes: {fault}", do) from None

    def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    # ---------------------------------------------------------------------------------------------------------- asking

    def _changes(self, session: Session) -> Hint:
        root = session.entry("", ["highestCommittedUSN"])
        told = root.first("highestcommittedusn") if root is not None else None
        if told is None:
            raise Unusable("it does not tell its highestCommittedUSN", "Is it a domain controller?")
        number, place = int(told), self._place
        if place is None or place.view != session.view or number < place.number:
            self._place = _Place(session.view, number)
            return Hint(anybody=place is not None)  # another database: who knows what came between
        hint = self._since(session, place, number) if number > place.number else Hint()
        for id_, dn in self._whole.gone_through.items():
            if id_ not in place.members:
                place.members[id_] = self._members(session, dn)
        place.number = number
        now = self._clock.monotonic()
        if place.gone_pending and now - self._looked_for_gone >= GONE_SECONDS:
            place.gone_pending, self._looked_for_gone = False, now
            hint |= Hint(gone=True)
        return hint

    def _since(self, session: Session, place: _Place, number: int) -> Hint:
        """Whom the objects are about that changed since the number that was followed, up to this *number* at least."""
        settings = self._whole.settings
        asked = tuple(dict.fromkeys((*attributes_to_ask(*settings.of_people()), "objectClass", "uSNChanged")))
        people: dict[str, Entry] = {}
        groups: dict[str, Entry] = {}
        any_hit = False
        for entry in self._below(session, changed_since(place.number, number), asked):
            any_hit = True
            classes = classes_of(entry)
            if "group" in classes:
                groups[guid_of(entry)] = entry
            elif "user" in classes and "computer" not in classes:
                people[guid_of(entry)] = session.complete(entry)
        place.gone_pending |= not any_hit
        hint = Hint(people=frozenset(id_ for id_, entry in people.items() if self._looks_different(place, id_, entry)))
        for id_, entry in groups.items():
            if id_ in self._whole.gone_through or id_ in place.members:
                hint |= self._group_changed(session, place, id_, entry)
        return hint

    @staticmethod
    def _looks_different(place: _Place, id_: str, entry: Entry) -> bool:
        """Whether anything that is read of people is another: a logon also gives an object a new number."""
        shown = hash(
            tuple(sorted((name, tuple(sorted(values))) for name, values in entry.attributes.items() if name not in _NOT_COMPARED))
        )
        known = place.people.get(id_)
        place.people[id_] = shown
        return known != shown

    def _group_changed(self, session: Session, place: _Place, id_: str, entry: Entry) -> Hint:
        before, now = place.members.get(id_), self._members(session, entry.dn)
        place.members[id_] = now
        if before is None:
            return Hint(anybody=True)
        people: set[str] = set()
        gone = False
        for dn in before ^ now:
            gone |= not self._add_people(session, place, dn, people, set())
            if len(people) > ONE_BY_ONE_MAX:
                return Hint(anybody=True)
        raw = entry.first("whenchanged")
        changed = dict.fromkeys(people, generalized_time(raw)) if raw else {}
        return Hint(frozenset(people), frozenset({id_}), gone=gone, changed=changed)

    def _add_people(self, session: Session, place: _Place, dn: str, people: set[str], seen: set[str]) -> bool:
        """Adds who is meant by a member: a person, or everybody below a group. False: it is not there (any more)."""
        entry = session.entry(dn, ["objectClass", "objectGUID"])
        if entry is None:
            return False
        id_ = guid_of(entry)
        if "group" not in classes_of(entry):
            people.add(id_)
        elif id_ not in seen and self._whole.settings.nested and len(people) <= ONE_BY_ONE_MAX:
            seen.add(id_)
            place.members[id_] = self._members(session, entry.dn)
            for member in place.members[id_]:
                self._add_people(session, place, member, people, seen)
        return True

    @staticmethod
    def _members(session: Session, dn: str) -> frozenset[str]:
        entry = session.entry(dn, ["member", "uSNChanged"])
        return frozenset(value.decode() for value in session.values(dn, "member", entry)) if entry is not None else frozenset()

    def _everybody(self, session: Session) -> frozenset[str]:
        settings = self._whole.settings
        found: set[str] = set()
        for base in settings.base_dns:
            session.walk(base, PEOPLE_FILTER, ["objectGUID"], settings.page_size, lambda entry: found.add(guid_of(entry)))
        return frozenset(found)

    def _below(self, session: Session, filter_: str, attributes: tuple[str, ...]) -> Iterator[Entry]:
        for root in search_roots(session, self._whole.settings):
            for page in session.pages(root, filter_, attributes, self._whole.settings.page_size):
                yield from page
