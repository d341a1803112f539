"""Who is in the configured groups, read from the groups down.

Members of the primary group stand in no ``member`` list and are found by number. A member who is found below no base is
named, never dropped; a group that shows no member must prove that it has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ldap3.utils.conv import escape_filter_chars

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
    PEOPLE_FILTER,
    FoundPerson,
    attributes_to_ask,
    dn_key,
    guid_of,
    person_of,
    sid_text,
)
from syncd.directories.active_directory.session import Entry, Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.active_directory.transport import Unusable
from syncd.directories.membership import GroupNode
from syncd.model import Person
from syncd.reading import Complete, put_together

PRIMARY_CANDIDATE = re.compile(r"S-1-5-21(?:-\d+){3}-(\d+)")       # only a domain's own groups can be primary

#: People created while the read went on may be met as members first. More than these few means a list with holes.
LATECOMERS_MAX = 5


@dataclass(slots=True)
class Roster:
    """Everybody found below the bases, by id, and what memberships are found by."""

    people: dict[str, Person] = field(default_factory=dict)
    by_dn: dict[str, str] = field(default_factory=dict)
    by_primary_group: dict[str, list[str]] = field(default_factory=dict)

    def add(self, found: FoundPerson) -> None:
        """Bases may overlap, and somebody may move while the pages come: the first sight counts."""
        self.by_dn[dn_key(found.dn)] = found.person.id
        if found.person.id in self.people:
            return
        self.people[found.person.id] = found.person
        if found.primary_group_sid is not None:
            self.by_primary_group.setdefault(found.primary_group_sid, []).append(found.person.id)


class GroupsBelow:
    """Fills the graph from the configured groups down. *unresolved*: member DN -> the group it stands in."""

    def __init__(self, session: Session, settings: ActiveDirectorySettings, roster: Roster) -> None:
        self.nodes: dict[str, GroupNode] = {}
        self.lists: list[Complete[None]] = []
        self.unresolved: dict[str, str] = {}
        self._session = session
        self._settings = settings
        self._roster = roster
        self._roots = search_roots(session, settings)
        self._whole_domain_read = session.domain_dn is not None and is_below(session.domain_dn, settings.base_dns)
        self._looked_up: dict[str, Entry | None] = {}
        self._latecomers = 0

    def read(self, group: ConfiguredGroup) -> None:
        """Adds *group* and, when nested, every group below it. Raises Unusable."""
        waiting = [group.dn]
        while waiting:
            entry = self._looked_up_entry(waiting.pop())
            if entry is None:
                raise Unusable(f"the group {group.dn} vanished while it was read")
            id_ = guid_of(entry)
            if id_ in self.nodes:
                continue
            node = self.nodes[id_] = GroupNode(id_, name_of(entry))
            below = self._fill(node, entry)
            self._looked_up[dn_key(entry.dn)] = outline(entry)      # 50,000 member names need not be kept
            if self._settings.nested:
                waiting += below

    def _fill(self, node: GroupNode, entry: Entry) -> list[str]:
        """Puts members into *node*; gives the names of the groups among them."""
        people: set[str] = set()
        groups: list[str] = []
        members = self._session.values(entry.dn, "member", entry)
        self.lists.append(put_together((), members))           # the evidence, without 50,000 names
        if not members:
            self._demand_really_empty(entry)
        for raw in members:
            dn = raw.decode()
            id_ = self._roster.by_dn.get(dn_key(dn)) or self._otherwise(dn, node, groups)
            if id_ is not None:
                people.add(id_)
        people.update(self._by_primary_group(entry, node))
        node.people = people
        return groups

    def _otherwise(self, dn: str, node: GroupNode, groups: list[str]) -> str | None:
        """The id of a person whom the list did not show under this name; None for every other member, noted as it must."""
        entry = self._looked_up_entry(dn)
        classes = classes_of(entry) if entry else frozenset()
        if entry is not None and "group" in classes:
            node.groups.add(guid_of(entry))
            groups.append(entry.dn)
        elif entry is None or "foreignsecurityprincipal" in classes or not classes:
            self.unresolved.setdefault(dn, node.name)
        elif "user" in classes and "computer" not in classes:
            return self._person(entry, node)
        return None      # a contact, a computer or another thing that is nobody

    def _person(self, entry: Entry, node: GroupNode) -> str | None:
        id_ = guid_of(entry)
        if id_ in self._roster.people:
            return id_                          # renamed while the read went on, or spelled differently
        if not is_below(entry.dn, self._settings.base_dns):
            self.unresolved.setdefault(entry.dn, node.name)
            return None
        asked = self._settings.address_attributes
        late = self._session.entry(entry.dn, attributes_to_ask(asked), PEOPLE_FILTER)
        if late is None:
            return None                         # of the class user, but not of the category person
        self._latecomers += 1
        if self._latecomers > LATECOMERS_MAX:
            raise Unusable(f"more than {LATECOMERS_MAX} members lie below a base but were not in its list of people")
        self._roster.add(person_of(late, asked))
        return id_

    def _by_primary_group(self, entry: Entry, node: GroupNode) -> list[str]:
        raw = entry.first("objectsid")
        sid = sid_text(raw) if raw else ""
        candidate = PRIMARY_CANDIDATE.fullmatch(sid)
        if candidate is None:
            return []
        domain = self._session.domain_dn
        if domain is not None and not self._whole_domain_read:
            filter_ = f"(&{PEOPLE_FILTER}(primaryGroupID={candidate.group(1)}))"
            for page in self._session.pages(domain, filter_, ["objectGUID"], self._settings.page_size):
                for other in page:
                    if guid_of(other) not in self._roster.people:
                        self.unresolved.setdefault(other.dn, node.name)
        return self._roster.by_primary_group.get(sid, [])

    def _demand_really_empty(self, entry: Entry) -> None:
        """A group whose members may not be read looks exactly like an empty one. Two questions tell them apart: Windows
        does not affirm "has no member" of an attribute one may not read, and the other end of each link may be visible."""
        readable = self._session.entry(entry.dn, ["1.1"], "(!(member=*))") is not None
        pointing = f"(memberOf={escape_filter_chars(entry.dn)})"
        if not readable or any(self._session.exists(root, pointing) for root in self._roots):
            raise Unusable(f"the members of the group {entry.dn} cannot be read: it shows none, yet it is not empty",
                           "Let the bind account read the attribute 'member' of this group.")

    def _looked_up_entry(self, dn: str) -> Entry | None:
        key = dn_key(dn)
        if key not in self._looked_up:
            entry = self._session.entry(dn, [*GROUP_ATTRIBUTES, "member"])
            if entry is not None and "group" not in classes_of(entry):
                entry = outline(entry)
            self._looked_up[key] = entry
        return self._looked_up[key]
