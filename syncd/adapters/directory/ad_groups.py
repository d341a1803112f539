"""The configured groups, and who is in them: read from the groups down, or for one person from him up.

A group is found once, by DN, sAMAccountName or objectGUID, and known by its objectGUID from then on; one that is
missing or ambiguous makes the read fail, because a group read as empty is a mass leaver. Members of the primary group
stand in no ``member`` list and are found by number. A member who is found below no base is named, never dropped.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ldap3.utils.conv import escape_bytes, escape_filter_chars

from syncd.adapters.directory.ad_people import (
    PEOPLE_FILTER,
    FoundPerson,
    attributes_to_ask,
    dn_key,
    guid_of,
    person_of,
    sid_text,
)
from syncd.adapters.directory.ad_settings import ActiveDirectorySettings
from syncd.adapters.directory.ldap_session import Entry, Session
from syncd.adapters.directory.ldap_transport import Unusable
from syncd.adapters.directory.membership import GroupNode
from syncd.errors import SourceError
from syncd.model import GroupUse, Person

GROUP_ATTRIBUTES = ("objectClass", "objectGUID", "objectSid", "cn", "uSNChanged")
PRIMARY_CANDIDATE = re.compile(r"S-1-5-21(?:-\d+){3}-(\d+)")       # only a domain's own groups can be primary

#: People created while the read went on may be met as members first. More than these few means a list with holes.
LATECOMERS_MAX = 5


@dataclass(frozen=True, slots=True)
class ConfiguredGroup:
    """A group the operator named, as found."""

    use: GroupUse
    id: str
    name: str
    dn: str


# ----------------------------------------------------------------------------------------------------------- finding


def find_configured(session: Session, settings: ActiveDirectorySettings) -> tuple[ConfiguredGroup, ...]:
    """Every configured group once per use, in the order of the configuration. Raises SourceError naming all those that
    are missing, ambiguous or no group."""
    found: dict[tuple[GroupUse, str], ConfiguredGroup] = {}
    problems: list[str] = []
    for use, asked in settings.configured():
        entries = _entries_named(session, settings, asked)
        if len(entries) > 1:
            problems.append(f"{asked!r} is ambiguous: {', '.join(sorted(entry.dn for entry in entries.values())[:5])}")
        elif not entries:
            problems.append(f"{asked!r} does not exist or the bind account may not see it")
        else:
            id_, entry = entries.popitem()
            if "group" not in _classes(entry):
                problems.append(f"{asked!r} is no group")
            found.setdefault((use, id_), ConfiguredGroup(use, id_, _name(entry), entry.dn))
    if problems:
        raise SourceError(
            "directory", f"{len(problems)} configured group(s) cannot be read: {'; '.join(problems)}",
            "Correct the names (an objectGUID survives renames and moves), or let the bind account read these groups.",
        )
    return tuple(found.values())


def _entries_named(session: Session, settings: ActiveDirectorySettings, asked: str) -> dict[str, Entry]:
    guid = _guid_asked(asked)
    if guid is not None or "=" in asked:
        entry = session.entry(f"<GUID={guid}>" if guid else asked, GROUP_ATTRIBUTES)
        return {guid_of(entry): entry} if entry else {}
    filter_ = f"(&(objectCategory=group)(sAMAccountName={escape_filter_chars(asked)}))"
    return {
        guid_of(entry): entry
        for root in search_roots(session, settings)
        for page in session.pages(root, filter_, GROUP_ATTRIBUTES, settings.page_size)
        for entry in page
    }


def _guid_asked(asked: str) -> uuid.UUID | None:
    text = asked.strip()
    return uuid.UUID(text) if re.fullmatch(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?", text) else None


def search_roots(session: Session, settings: ActiveDirectorySettings) -> tuple[str, ...]:
    """The domain's root, and every base that does not lie below it: where groups and stray members may be."""
    domain = (session.domain_dn,) if session.domain_dn else ()
    return domain + tuple(base for base in settings.base_dns if not is_below(base, domain))


def is_below(dn: str, bases: Iterable[str]) -> bool:
    """Whether *dn* is one of *bases* or lies below one."""
    key = _spelled(dn)
    return any(key == _spelled(base) or key.endswith("," + _spelled(base)) for base in bases)


def _spelled(dn: str) -> str:
    return re.sub(r"\s*([,=])\s*", r"\1", dn_key(dn.strip()))


# --------------------------------------------------------------------------------------------------------------- down


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
        self.unresolved: dict[str, str] = {}
        self._session = session
        self._settings = settings
        self._roster = roster
        self._roots = search_roots(session, settings)
        self._whole_domain_read = session.domain_dn is not None and is_below(session.domain_dn, settings.base_dns)
        self._looked_up: dict[str, Entry | None] = {}
        self._latecomers = 0

    def read(self, group: ConfiguredGroup) -> None:
        """Adds *group* and, when nested, every group below it. Raises Unusable, SourceError."""
        waiting = [group.dn]
        while waiting:
            entry = self._looked_up_entry(waiting.pop())
            if entry is None:
                raise Unusable(f"the group {group.dn} vanished while it was read")
            id_ = guid_of(entry)
            if id_ in self.nodes:
                continue
            node = self.nodes[id_] = GroupNode(id_, _name(entry))
            below = self._fill(node, entry)
            self._looked_up[dn_key(entry.dn)] = _outline(entry)      # 50,000 member names need not be kept
            if self._settings.nested:
                waiting += below

    def _fill(self, node: GroupNode, entry: Entry) -> list[str]:
        """Puts members into *node*; gives the names of the groups among them."""
        people: set[str] = set()
        groups: list[str] = []
        members = self._session.values(entry.dn, "member", entry)
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
        classes = _classes(entry) if entry else frozenset()
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
            raise SourceError(
                "directory", f"the members of the group {entry.dn} cannot be read: it shows none, yet it is not empty",
                "Let the bind account read the attribute 'member' of this group.",
            )

    def _looked_up_entry(self, dn: str) -> Entry | None:
        key = dn_key(dn)
        if key not in self._looked_up:
            entry = self._session.entry(dn, [*GROUP_ATTRIBUTES, "member"])
            if entry is not None and "group" not in _classes(entry):
                entry = _outline(entry)
            self._looked_up[key] = entry
        return self._looked_up[key]


# ----------------------------------------------------------------------------------------------------------------- up


class GroupsAbove:
    """Fills the graph from single people up, by ``memberOf`` and the primary group, through every group above them."""

    def __init__(self, session: Session, settings: ActiveDirectorySettings, configured: Sequence[ConfiguredGroup]) -> None:
        self.nodes = {group.id: GroupNode(group.id, group.name, people=set()) for group in configured}
        self._session = session
        self._settings = settings
        self._known: dict[str, str | None] = {}

    def read(self, entry: Entry, found: FoundPerson) -> None:
        """Adds the groups above one person. *entry* was asked for ``memberOf`` too. Raises Unusable."""
        direct = [raw.decode() for raw in self._session.values(entry.dn, "memberof", entry)]
        primary = self._primary_group(found.primary_group_sid)
        for dn in (*direct, *([primary.dn] if primary else ())):
            id_ = self._group(dn)
            if id_ is not None:
                node = self.nodes[id_]
                node.people = {*node.people, found.person.id}

    def _group(self, dn: str) -> str | None:
        """The id of a group, with every group above it in the graph; None when it is not for our eyes."""
        waiting: list[tuple[str, str | None]] = [(dn, None)]
        while waiting:
            name, child_id = waiting.pop()
            if dn_key(name) not in self._known:
                parents = self._read_group(name)
                waiting += [(parent, self._known[dn_key(name)]) for parent in parents]
            id_ = self._known[dn_key(name)]
            if child_id is not None and id_ is not None:
                self.nodes[id_].groups.add(child_id)
        return self._known[dn_key(dn)]

    def _read_group(self, dn: str) -> list[str]:
        entry = self._session.entry(dn, ["objectGUID", "cn", "memberOf", "uSNChanged"])
        if entry is None:
            self._known[dn_key(dn)] = None
            return []
        id_ = self._known[dn_key(dn)] = guid_of(entry)
        self.nodes.setdefault(id_, GroupNode(id_, _name(entry), people=set()))
        if not self._settings.nested:
            return []
        return [raw.decode() for raw in self._session.values(entry.dn, "memberof", entry)]

    def _primary_group(self, sid: str | None) -> Entry | None:
        domain = self._session.domain_dn
        if sid is None or domain is None:
            return None
        filter_ = f"(objectSid={escape_bytes(sid_bytes(sid))})"
        for page in self._session.pages(domain, filter_, ["objectGUID"], page_size=10):
            for entry in page:
                return entry
        return None


def sid_bytes(sid: str) -> bytes:
    """The binary form of ``S-1-5-…``."""
    revision, authority, *parts = (int(part) for part in sid.split("-")[1:])
    return bytes([revision, len(parts)]) + authority.to_bytes(6, "big") + b"".join(part.to_bytes(4, "little") for part in parts)


def _classes(entry: Entry) -> frozenset[str]:
    return frozenset(value.decode("utf-8", "replace").lower() for value in entry.attributes.get("objectclass", ()))


def _outline(entry: Entry) -> Entry:
    return Entry(entry.dn, {name: entry.attributes.get(name, []) for name in ("objectclass", "objectguid")})


def _name(entry: Entry) -> str:
    raw = entry.first("cn")
    return raw.decode("utf-8", "replace") if raw else entry.dn
