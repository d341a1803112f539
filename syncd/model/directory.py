"""A directory as one whole read showed it: people, the configured groups, and how they tie."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

import msgspec

from syncd.reading import Complete, demand_complete, put_together


class Person(msgspec.Struct, frozen=True, gc=False):
    """One person of the directory, as one read showed them.

    *mains* and *aliases* are address keys (see ``address_key``), each once: what they claim accounts by. Main are ``mail``,
    ``userPrincipalName`` and the ``SMTP:`` value of proxyAddresses, in a file the first address; every other one is an alias.

    The three paths name groups from the configured one down to the one they stand in directly; empty: not a member.
    ``expires_at`` None: never. ``unclear`` says why this person could not be read; then nothing may be concluded from their
    state. It is also said of whoever has an *unclean* value.

    A struct and no dataclass, as ``Decision``: one is made for every person of a company. Another with other fields:
    ``msgspec.structs.replace``.
    """

    id: str  # objectGUID, Entra object id, or the id column of a file
    mains: tuple[str, ...] = ()
    display_name: str = ""
    enabled: bool = True
    expires_at: datetime | None = None
    entitled_by: tuple[str, ...] = ()
    leaver_by: tuple[str, ...] = ()
    protected_by: tuple[str, ...] = ()
    guest: bool = False
    department: str = ""
    unclear: str = ""
    changed_at: datetime | None = None  # last change in the directory, where it tells
    aliases: tuple[str, ...] = ()
    unclean: tuple[str, ...] = ()  # values as they stand that are not exactly one address, though they should be
    membership_unknown: bool = False  # which groups they are in could not be read (then they are unclear, too)
    number: str = ""  # match.person_number as the directory holds it; never written down as it is
    manager: str | None = ""  # directory id or DN, as the directory names them; None: it was not told
    held_by: tuple[str, ...] = ()  # the path to a group of handover.legal_hold
    mailbox: str = ""  # shared | room | equipment | linked; empty: a person's own, or not told
    ignored: bool = False  # match.ignore_people names them otherwise than by id (a SID)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address key, the main ones first."""
        return self.mains + self.aliases if self.aliases else self.mains

    @property
    def cause(self) -> str:
        """Why they could not be read, without a word of their data; nothing when they could."""
        return self.unclear or ("an address value is not exactly one address" if self.unclean else "")

    @property
    def mailbox_hint(self) -> str:
        """What to say to an operator about a mailbox that is nobody's own; nothing for a person's."""
        return (
            (
                f"a {self.mailbox} mailbox, whose directory account is disabled by design: protect its Zoom account "
                "(protect.accounts) or make it somebody's"
            )
            if self.mailbox
            else ""
        )

    @property
    def matters_unclear(self) -> bool:
        """Whether it matters that this person could not be read: they are entitled or protected by a group, or may be."""
        return bool((self.unclear or self.unclean) and (self.entitled_by or self.protected_by or self.membership_unknown))


def ignored_ids(people: Iterable[Person], configured: Sequence[str]) -> frozenset[str]:
    """The ids of whoever match.ignore_people names, by id or, where the directory has such, by SID."""
    if not configured:
        return frozenset()
    return frozenset(configured).union(person.id for person in people if person.ignored)


def unclear_limit(entitled: int) -> int:
    """How many unclear people who matter a read may have and still be believed: the larger of 3 and 1 % of the entitled."""
    return max(3, entitled // 100)


class GroupUse(StrEnum):
    """What a configured directory group is for."""

    ENTITLING = "entitling"
    LEAVERS = "leavers"
    PROTECTING = "protecting"
    HOLDING = "holding"  # a legal hold on content; it protects nobody's access


#: So many members who cannot be looked up are named.
UNRESOLVED_NAMED = 5


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """A configured group as read: *members* counts the people in it, nested ones included. *exists* false: nothing in the
    directory shows that there is such a group (a file names groups only beside their members). *entry*: the group as the
    configuration names it, whatever object that means now."""

    id: str
    name: str
    use: GroupUse
    members: int
    exists: bool = True
    entry: str = ""

    def counts(self, person: Person) -> bool:
        """Whether the path of this person leads through this group: the one of several that it names."""
        path = {
            GroupUse.ENTITLING: person.entitled_by,
            GroupUse.LEAVERS: person.leaver_by,
            GroupUse.PROTECTING: person.protected_by,
            GroupUse.HOLDING: person.held_by,
        }[self.use]
        return bool(path) and path[0] == self.name


@dataclass(frozen=True, slots=True)
class DirectorySnapshot:
    """Everybody of the directory, provably whole. *unresolved* names members that could not be looked up although the
    read may go on (``unresolved_members: unknown``): then nobody may be called absent. *view* names the copy of the directory
    that was read, where there are several that may differ for a while (the controller's database, the file); empty: only one."""

    source: str  # active_directory | entra | file
    read_at: datetime
    people: Complete[Person]  # sorted by id, ids unique
    groups: Complete[DirectoryGroup]
    digest: str
    unresolved: tuple[str, ...] = ()
    clock_offset_seconds: float | None = None  # the directory's clock minus ours
    view: str = ""
    as_of: datetime | None = None  # when what was read was written, where the source says so (a file)

    def __post_init__(self) -> None:
        demand_complete(self.people, self.groups)

    @property
    def unresolved_says(self) -> str:
        """What it means that members could not be looked up, naming a few of them; nothing when all could."""
        if not self.unresolved:
            return ""
        more = f" and {len(self.unresolved) - UNRESOLVED_NAMED:,} more" if len(self.unresolved) > UNRESOLVED_NAMED else ""
        return (
            f"{len(self.unresolved):,} member(s) of groups cannot be resolved ({'; '.join(self.unresolved[:UNRESOLVED_NAMED])}"
            f"{more}): while they stand there, no account that nobody claims is called absent"
        )

    @classmethod
    def whole(
        cls,
        source: str,
        read_at: datetime,
        people: Complete[Person],
        groups: Complete[DirectoryGroup],
        *,
        unresolved: Iterable[str] = (),
        clock_offset_seconds: float | None = None,
        view: str = "",
        as_of: datetime | None = None,
    ) -> DirectorySnapshot:
        """Builds a snapshot of lists that came whole. Raises ValueError on an id given twice."""
        ordered = put_together(sorted(people, key=_order), people)
        for before, after in pairwise(ordered):
            if before.id == after.id:
                raise ValueError(f"two people with the id {after.id}")
        listed = put_together(sorted(groups, key=lambda group: (group.use, group.id)), groups)
        digest = hashlib.sha256()
        for person in ordered:
            digest.update(
                repr(
                    (
                        person.id,
                        person.mains,
                        person.aliases,
                        person.enabled,
                        person.expires_at and person.expires_at.isoformat(),
                        person.entitled_by,
                        person.leaver_by,
                        person.protected_by,
                        person.guest,
                        person.unclear,
                        person.unclean,
                        person.membership_unknown,
                        person.number,
                        person.manager,
                        *((person.held_by,) if person.held_by else ()),
                    )
                ).encode()
            )
        digest.update(repr([(group.id, group.use.value, group.members) for group in listed]).encode())
        return cls(
            source, read_at, ordered, listed, digest.hexdigest(), tuple(sorted(unresolved)), clock_offset_seconds, view, as_of
        )

    def find(self, id_: str) -> Person | None:
        """The one with this id."""
        at = bisect_left(self.people, id_, key=_order)
        return self.people[at] if at < len(self.people) and self.people[at].id == id_ else None

    def with_people(
        self,
        asked: Collection[str],
        people: Complete[Person],
        groups: Complete[DirectoryGroup] | None = None,
    ) -> DirectorySnapshot:
        """The same directory, with those *asked* for as a later reading of them shows: whoever of them is not among *people*
        is not there any more. *groups*: as read again; None: their sizes follow the people, by the path each has. The moment
        of reading stays that of the whole read: a part makes nothing else younger."""
        asked = frozenset(asked)  # somebody named twice must not take the next one along
        found = {one.id: one for one in people if one.id in asked}
        before = [one for id_ in asked if (one := self.find(id_)) is not None]
        now = list(self.people)  # in order, and few of very many change
        for one in before:
            at = bisect_left(now, one.id, key=_order)
            now[at : at + 1] = [found[one.id]] if one.id in found else []
        for id_ in found.keys() - {one.id for one in before}:
            insort(now, found[id_], key=_order)
        ordered = put_together(now, self.people, people)
        sizes = (
            groups
            if groups is not None
            else put_together(
                [
                    replace(
                        group,
                        members=max(
                            0,
                            group.members
                            + sum(group.counts(one) for one in found.values())
                            - sum(group.counts(one) for one in before),
                        ),
                    )
                    for group in self.groups
                ],
                self.groups,
            )
        )
        digest = hashlib.sha256(
            repr(
                [
                    self.digest,
                    sorted(asked),
                    sorted(map(repr, found.values())),
                    [(group.id, group.use.value, group.members) for group in sizes],
                ]
            ).encode()
        )
        return replace(self, people=ordered, groups=sizes, digest=digest.hexdigest())


def _order(person: Person) -> str:
    return person.id
