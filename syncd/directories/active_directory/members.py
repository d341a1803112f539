"""Who is in the configured groups, read from the groups down.

Members of the primary group stand in no ``member`` list and are found by number. Whoever is found and readable anywhere is a
person, below a base or not: membership entitles. A member who cannot be found or read is named, never dropped; a group that
shows no member must prove that it has none.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ldap3.utils.conv import escape_filter_chars
from msgspec import structs

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.foreign import foreign_sid
from syncd.directories.active_directory.groups import (
    GROUP_ATTRIBUTES,
    ConfiguredGroup,
    classes_of,
    is_below,
    name_of,
    outline,
    search_roots,
)
from syncd.directories.active_directory.people import (
    ALWAYS_THERE,
    PEOPLE_FILTER,
    FoundPerson,
    attributes_to_ask,
    dn_key,
    guid_of,
    person_of,
    sid_text,
)
from syncd.directories.active_directory.session import Session, Unseen
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.active_directory.transport import Unusable
from syncd.directories.membership import GroupNode
from syncd.model import Person
from syncd.reading import Complete, put_together

PRIMARY_CANDIDATE = re.compile(r"S-1-5-21(?:-\d+){3}-(\d+)")  # only a domain's own groups can be primary

#: How a deleted object is called where it still stands in a list (MS-ADTS 3.1.1.5.5): its name, a line feed, DEL: and its id.
#: The name may hold escaped commas, as ``Family\\, Given`` does.
DELETED = re.compile(r"^(?:[^,\\]|\\.)*\\0ADEL:[0-9a-f-]{36},", re.IGNORECASE)

#: People created while the read went on may be met as members first. More than these few means a list with holes.
LATECOMERS_MAX = 5


@dataclass(slots=True)
class Roster:
    """Everybody found, by id, and what memberships are found by. *hidden*: of how many people an attribute was not shown."""

    people: dict[str, Person] = field(default_factory=dict)
    by_dn: dict[str, str] = field(default_factory=dict)
    by_primary_group: dict[str, list[str]] = field(default_factory=dict)
    hidden: Counter[str] = field(default_factory=Counter)
    managers: dict[str, str] = field(default_factory=dict)  # id -> DN of the manager

    def add(self, found: FoundPerson) -> None:
        """Bases may overlap, and somebody may move while the pages come: the first sight counts."""
        self.by_dn[dn_key(found.dn)] = found.person.id
        if found.person.id in self.people:
            return
        self.people[found.person.id] = found.person
        self.hidden.update(found.hidden)
        if found.manager_dn:
            self.managers[found.person.id] = sys.intern(found.manager_dn)
        if found.primary_group_sid is not None:
            self.by_primary_group.setdefault(found.primary_group_sid, []).append(found.person.id)

    def name_managers(self, id_of: Callable[[str], str]) -> None:
        """Puts the id of everybody's manager in the place of a DN; *id_of* looks up who is not on the roster."""
        known: dict[str, str] = {}
        for id_, dn in self.managers.items():
            if dn not in known:
                known[dn] = self.by_dn.get(dn_key(dn)) or id_of(dn)
            self.people[id_] = structs.replace(self.people[id_], manager=known[dn])

    def demand_shown(self) -> None:
        """Raises Unusable when an attribute that everybody has is shown of nobody: that is a right which is not granted."""
        lacking = [name for name in ALWAYS_THERE if self.people and self.hidden[name] == len(self.people)]
        if lacking:
            raise Unusable(
                f"the bind account may not read {' and '.join(lacking)} of any of {len(self.people)} people",
                f"Grant the bind account the right 'Read {'' if len(lacking) > 1 else 'property '}{', '.join(lacking)}' on the "
                "user objects below the bases (a port that leads to a global catalog does not show them either: use port 636).",
            )


@dataclass(frozen=True, slots=True)
class Stray:
    """A member of a group of which nothing may be concluded, and why. *sid*: of a stand-in for somebody elsewhere."""

    dn: str
    group: str
    why: str
    sid: str = ""


class GroupsBelow:
    """Fills the graph from the configured groups down. *strays*: members that could not be found or read, by DN."""

    def __init__(self, session: Session, settings: ActiveDirectorySettings, roster: Roster, bases: Sequence[str]) -> None:
        """*bases*: as this server spells them."""
        self.nodes: dict[str, GroupNode] = {}
        self.lists: list[Complete[None]] = []
        self.strays: dict[str, Stray] = {}
        self.gone_through: dict[str, str] = {}  # id -> DN
        self.with_members: set[str] = set()  # those of them, by id, that showed some
        self._session = session
        self._settings = settings
        self._roster = roster
        self._bases = bases
        self._roots = search_roots(session, settings)
        self._whole_domain_read = session.domain_dn is not None and is_below(session.domain_dn, bases)
        self._looked_up: dict[str, Entry | Unseen] = {}
        self._attributes = tuple(dict.fromkeys((*GROUP_ATTRIBUTES, "member", *attributes_to_ask(*settings.of_people()))))
        self._latecomers = 0

    def read(self, group: ConfiguredGroup) -> None:
        """Adds *group* and, when nested, every group below it. Raises Unusable."""
        waiting = [group.dn]
        while waiting:
            entry = self._looked_up_entry(waiting.pop())
            if isinstance(entry, Unseen):
                raise Unusable(f"the group {group.dn} vanished while it was read")
            id_ = guid_of(entry)
            if id_ in self.nodes:
                continue
            node = self.nodes[id_] = GroupNode(id_, name_of(entry))
            self.gone_through[id_] = entry.dn
            below = self._fill(node, entry)
            self._looked_up[dn_key(entry.dn)] = outline(entry)  # 50,000 member names need not be kept
            if self._settings.nested:
                waiting += below

    def _fill(self, node: GroupNode, entry: Entry) -> list[str]:
        """Puts members into *node*; gives the names of the groups among them."""
        people: set[str] = set()
        groups: list[str] = []
        members = self._session.values(entry.dn, "member", entry)
        self.lists.append(put_together((), members))  # the evidence, without 50,000 names
        if members:
            self.with_members.add(node.id)
        else:
            self._demand_really_empty(entry)
        for raw in members:
            dn = raw.decode()
            id_ = self._roster.by_dn.get(dn_key(dn)) or self._otherwise(dn, node, groups)
            if id_ is not None:
                people.add(id_)
        people.update(self._by_primary_group(entry))
        node.people = people
        return groups

    def _otherwise(self, dn: str, node: GroupNode, groups: list[str]) -> str | None:
        """The id of a person whom the list did not show under this name; None for every other member, noted as it must."""
        if DELETED.match(dn):
            return None  # the directory itself says that this one is deleted
        found = self._looked_up_entry(dn)
        entry = None if isinstance(found, Unseen) else found
        classes = classes_of(entry) if entry else frozenset()
        if entry is not None and "group" in classes:
            node.groups.add(guid_of(entry))
            groups.append(entry.dn)
        elif sid := foreign_sid(dn, entry):
            self._stray(dn, node, "stands in for somebody elsewhere", sid)
        elif isinstance(found, Unseen):
            self._stray(dn, node, found.why)
        elif not classes:
            self._stray(dn, node, "does not show what it is (objectClass)")
        elif "user" in classes and "computer" not in classes:
            return self._person(found)
        return None  # a contact, a computer or another thing that is nobody

    def _stray(self, dn: str, node: GroupNode, why: str, sid: str = "") -> None:
        self.strays.setdefault(dn, Stray(dn, node.name, why, sid))

    def _person(self, entry: Entry) -> str:
        id_ = guid_of(entry)
        if id_ in self._roster.people:
            return id_  # renamed while the read went on, or spelled differently
        if is_below(entry.dn, self._bases):
            self._latecomers += 1
            if self._latecomers > LATECOMERS_MAX:
                raise Unusable(f"more than {LATECOMERS_MAX} members lie below a base but were not in its list of people")
        self._roster.add(person_of(self._session.complete(entry), *self._settings.of_people(), self._settings.ignored_sids))
        return id_

    def _by_primary_group(self, entry: Entry) -> list[str]:
        raw = entry.first("objectsid")
        if raw is None:
            raise Unusable(
                f"the group {entry.dn} shows no objectSid, by which its members by primary group are found",
                "Let the bind account read objectSid of this group.",
            )
        sid = sid_text(raw)
        candidate = PRIMARY_CANDIDATE.fullmatch(sid)
        if candidate is None:
            return []
        domain = self._session.domain_dn
        if domain is not None and not self._whole_domain_read:
            filter_ = f"(&{PEOPLE_FILTER}(primaryGroupID={candidate.group(1)}))"
            asked = self._settings.of_people()
            for page in self._session.pages(domain, filter_, attributes_to_ask(*asked), self._settings.page_size):
                for other in page:
                    self._roster.add(person_of(self._session.complete(other), *asked, self._settings.ignored_sids))
        return self._roster.by_primary_group.get(sid, [])

    def _demand_really_empty(self, entry: Entry) -> None:
        """A group whose members may not be read looks exactly like an empty one. Two questions tell them apart: Samba does not
        affirm "has no member" of an attribute one may not read (Windows does: MS-ADTS 3.1.1.4.3), and the other end of each
        link may be visible. With both ends hidden by Windows it is for the guards that no group may be emptied unasked."""
        readable = self._session.entry(entry.dn, ["1.1"], "(!(member=*))") is not None
        pointing = f"(memberOf={escape_filter_chars(entry.dn)})"
        if not readable or any(self._session.exists(root, pointing) for root in self._roots):
            raise Unusable(
                f"the members of the group {entry.dn} cannot be read: it shows none, yet it is not empty",
                "Let the bind account read the attribute 'member' of this group.",
            )

    def _looked_up_entry(self, dn: str) -> Entry | Unseen:
        key = dn_key(dn)
        if key not in self._looked_up:
            self._looked_up[key] = self._session.find(dn, self._attributes)
        return self._looked_up[key]
