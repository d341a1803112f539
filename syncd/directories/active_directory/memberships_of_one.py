"""Which groups one person is in, read from the person up: the independent half of a second look.

Asked is which groups name the person as ``member``, then which groups name those: the same attribute, and therefore the same
right, that a whole read has proved, and that is proved again here. ``memberOf``, the other end of the same links, is a witness
only: many domains hide it, but where it names a group that a whole read went through and the question did not find, one of
the two is not telling everything. Where it names a configured group that keeps accounts (not one of leavers), it is taken at
its word, so that Samba need not go through 45,000 members for what can only speak against a deactivation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from ldap3.utils.conv import escape_bytes, escape_filter_chars

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.groups import ConfiguredGroup, name_of, search_roots
from syncd.directories.active_directory.people import FoundPerson, dn_key, guid_of, sid_bytes
from syncd.directories.active_directory.session import Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.active_directory.transport import Unusable
from syncd.directories.membership import GroupNode
from syncd.model import GroupUse

#: True of every object whose ``member`` may be read, and undefined (so never true) of others.
MEMBER_READABLE = "(|(member=*)(!(member=*)))"

#: What is asked of groups on the way up.
OF_GROUPS = ("objectGUID", "objectSid", "cn")

#: So many questions about one object each are cheaper than searching the domain for each group.
PAIRS_MAX = 50

#: How many names or ids one filter holds.
FILTER_SIZE = 50


class GroupsAbove:
    """Fills the graph from single people up, by ``member`` and the primary group, through every group above them."""

    def __init__(
        self,
        session: Session,
        settings: ActiveDirectorySettings,
        configured: Sequence[ConfiguredGroup],
        gone_through: Mapping[str, str],
    ) -> None:
        """*gone_through*: id and name of every group of the last whole read."""
        self.nodes = {group.id: GroupNode(group.id, group.name, people=set()) for group in configured}
        self._session = session
        self._settings = settings
        self._roots = search_roots(session, settings)
        self._relevant = {dn_key(group.dn) for group in configured} | {dn_key(dn) for dn in gone_through.values()}
        leaving = {group.id for group in configured if group.use is GroupUse.LEAVERS}
        self._keeping = {group.id: group.seen for group in configured if group.id not in leaving}
        self._matter = set(self.nodes)  # groups from which a way may lead to a configured one

    def read(self, entry: Entry, found: FoundPerson) -> None:
        """Adds the groups above one person. *entry* was asked for ``memberOf`` too. Raises Unusable."""
        memberships = {dn_key(raw.decode()): raw.decode() for raw in self._session.values(entry.dn, "memberof", entry)}
        direct = {id_: group for id_, group in self._keeping.items() if dn_key(group.dn) in memberships}
        direct |= self._naming([entry.dn], direct)
        self._demand_agreement(entry, memberships, direct)
        primary = primary_group(self._session, found.primary_group_sid)
        if primary is not None:
            direct[guid_of(primary)] = primary
        for id_, group in direct.items():
            node = self._node(id_, group)
            node.people = {*node.people, found.person.id}
        if self._settings.nested:
            self._walk_up(direct)

    def _walk_up(self, direct: Mapping[str, Entry]) -> None:
        """Level by level, with one question each: what lies above all of these? Which of them lies below which is asked only
        where that way leads to a configured group; above most people's groups lies nothing that matters."""
        links: list[tuple[Mapping[str, Entry], Mapping[str, Entry]]] = []
        walked: dict[str, Entry] = {}
        level = direct
        while waiting := {id_: group for id_, group in level.items() if id_ not in walked}:
            walked.update(waiting)
            level = self._naming([group.dn for group in waiting.values()], walked)
            links.append((waiting, level))
        if any(id_ in self._matter for _, above in links for id_ in above):
            for below, above in links:
                self._matter.update(below)
                self._link(below, above)

    def _link(self, below: Mapping[str, Entry], above: Mapping[str, Entry]) -> None:
        for id_, parent in above.items():
            self._node(id_, parent)
        if len(below) * len(above) > PAIRS_MAX:
            for child, group in below.items():
                for id_, parent in self._naming([group.dn]).items():
                    self._node(id_, parent).groups.add(child)
            return
        for id_, parent in above.items():
            found = {child for child, group in below.items() if self._names(id_, group)}
            if not found:  # it named one of them a moment ago
                raise Unusable(f"the group {parent.dn} changed while it was read")
            self.nodes[id_].groups.update(found)

    def _names(self, id_: str, member: Entry) -> bool:
        """Whether this group names that one as a member: one object is looked at, not the whole domain."""
        return self._session.entry(f"<GUID={id_}>", ["1.1"], f"(member={escape_filter_chars(member.dn)})") is not None

    def _node(self, id_: str, entry: Entry) -> GroupNode:
        return self.nodes.setdefault(id_, GroupNode(id_, name_of(entry), people=set()))

    def _naming(self, dns: Sequence[str], walked: Mapping[str, Entry] | None = None) -> dict[str, Entry]:
        """The groups that name any of these objects as a member, by id. Those *walked* may be missing: whoever is that near to
        the person gives no shorter way through one that is farther, and a server that compares name by name (Samba does, where
        Windows has an index) needs not go through 50,000 members of theirs again."""
        found: dict[str, Entry] = {}
        others = self._others_than(walked or {})
        for part in parts(dns):
            members = "".join(f"(member={escape_filter_chars(dn)})" for dn in part)
            for root in self._roots:
                for page in self._session.pages(
                    root, f"(&(objectClass=group){others}(|{members}))", OF_GROUPS, self._settings.page_size
                ):
                    found.update((guid_of(entry), entry) for entry in page)
        return found

    def _others_than(self, walked: Mapping[str, Entry]) -> str:
        """A part of a filter that is false of those *walked* which the last whole read went through, the ones that may be large.
        By two attributes: of a group that hides one, "not the same" is neither true nor false, and it would be missing."""
        known = [entry for entry in walked.values() if dn_key(entry.dn) in self._relevant][:FILTER_SIZE]
        return "".join(
            f"(!(&(objectGUID={escape_bytes(guid)})(objectSid={escape_bytes(sid)})))"
            for entry in known
            if (guid := entry.first("objectguid")) and (sid := entry.first("objectsid"))
        )

    def _demand_agreement(self, entry: Entry, memberships: Mapping[str, str], direct: Mapping[str, Entry]) -> None:
        named = {dn_key(group.dn) for group in direct.values()}
        for key, dn in memberships.items():
            if key in self._relevant and key not in named:
                raise Unusable(
                    f"{entry.dn} names the group {dn}, which does not name its member",
                    "Let the bind account read the attribute 'member' of this group.",
                )


def primary_group(session: Session, sid: str | None) -> Entry | None:
    """The group of this SID in the server's own domain: membership by ``primaryGroupID`` is no link. Raises Unusable."""
    domain = session.domain_dn
    if sid is None or domain is None:
        return None
    for page in session.pages(domain, f"(objectSid={escape_bytes(sid_bytes(sid))})", OF_GROUPS, page_size=10):
        for entry in page:
            return entry
    return None


def demand_members_readable(
    session: Session, settings: ActiveDirectorySettings, configured: Sequence[ConfiguredGroup], gone_through: Mapping[str, str]
) -> None:
    """Raises Unusable unless the ``member`` of every group that matters may be read now: else nobody would be in them. A
    group that is gone by now holds nobody."""
    names = {**gone_through, **{group.id: group.dn for group in configured}}
    readable: set[str] = set()
    for part in parts(tuple(names)):
        ids = "".join(f"(objectGUID={escape_bytes(UUID(id_).bytes_le)})" for id_ in part)
        for root in search_roots(session, settings):
            for page in session.pages(root, f"(&(|{ids}){MEMBER_READABLE})", ["objectGUID"], settings.page_size):
                readable.update(map(guid_of, page))
    for id_ in names.keys() - readable:
        entry = session.entry(f"<GUID={id_}>", ["objectGUID"])
        if entry is not None:
            raise Unusable(
                f"the members of the group {entry.dn} may not be read any more",
                "Let the bind account read the attribute 'member' of this group.",
            )


def parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one filter holds, again and again."""
    for at in range(0, len(items), FILTER_SIZE):
        yield items[at : at + FILTER_SIZE]
