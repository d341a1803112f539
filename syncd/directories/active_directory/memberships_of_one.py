"""Which groups one person is in, read from the person up: the independent half of a second look.

Asked is which groups name the person as ``member``, then which groups name those: the same attribute, and therefore the same
right, that a whole read has proved, and that is proved again here. ``memberOf``, the other end of the same links, is a witness
only: many domains hide it, but where it names a group that a whole read went through and the question did not find, one of
the two is not telling everything. Two things are taken from it, for Samba's sake, which goes through 45,000 members for each
question: the first look of the watch begins with the groups that somebody names, and of a known leaver (disabled, or in a group
of leavers) the second look believes a group that keeps accounts, which can only speak against a deactivation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from ldap3.utils.conv import escape_bytes, escape_filter_chars

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.back_links import groups_named
from syncd.directories.active_directory.groups import FILTER_SIZE, OF_GROUPS, ConfiguredGroup, filterfuls, name_of, search_roots
from syncd.directories.active_directory.people import FoundPerson, dn_key, guid_of, sid_bytes
from syncd.directories.active_directory.session import Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.active_directory.transport import Unusable
from syncd.directories.membership import GroupNode
from syncd.model import GroupUse, Person

#: True of every object whose ``member`` may be read; of others never true of Samba's, which calls that undefined.
MEMBER_READABLE = "(|(member=*)(!(member=*)))"

#: So many questions about one object each are cheaper than searching the domain for each group.
PAIRS_MAX = 50


class GroupsAbove:
    """Fills the graph from single people up, by ``member`` and the primary group, through every group above them."""

    def __init__(
        self,
        session: Session,
        settings: ActiveDirectorySettings,
        configured: Sequence[ConfiguredGroup],
        gone_through: Mapping[str, str],
        *,
        first: bool = False,
    ) -> None:
        """*gone_through*: id and name of every group of the last whole read. *first*: begins with what people name."""
        self.nodes = {group.id: GroupNode(group.id, group.name, people=set()) for group in configured}
        self._session = session
        self._settings = settings
        self._first = first
        self._roots = search_roots(session, settings)
        self._leavers = {group.id: group.dn for group in configured if group.use is GroupUse.LEAVERS}
        self._keeping = {group.id: group.seen for group in configured if group.id not in self._leavers}
        self._relevant = {dn_key(dn): dn for dn in (*gone_through.values(), *(group.dn for group in configured))}
        self._matter = set(self.nodes)  # groups from which a way may lead to a configured one

    def read(self, entry: Entry, found: FoundPerson) -> None:
        """Adds the groups above one person. *entry* was asked for ``memberOf`` too. Raises Unusable; Untold of a *first* look."""
        named = {dn_key(raw.decode()): raw.decode() for raw in self._session.values(entry.dn, "memberof", entry)}
        if self._first:
            direct = groups_named(self._session, self._settings.page_size, entry, named, self._relevant.values())
        else:
            direct = self._believed(found.person, named)
            direct |= self._naming([entry.dn], direct)
            self._demand_agreement(entry, named, direct)
        primary = self._primary_group(found.primary_group_sid)
        if primary is not None:
            direct[guid_of(primary)] = primary
        for id_, group in direct.items():
            node = self._node(id_, group)
            node.people = {*node.people, found.person.id}
        if self._settings.nested:
            self._walk_up(direct)

    def _believed(self, person: Person, named: Mapping[str, str]) -> dict[str, Entry]:
        """Groups of which it is enough that a leaver names them: being in one of these never ends an account."""
        if person.enabled and not any(dn_key(dn) in named for dn in self._leavers.values()):
            return {}
        return {id_: group for id_, group in self._keeping.items() if dn_key(group.dn) in named}

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
        for part in filterfuls(dns):
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

    def _demand_agreement(self, entry: Entry, named: Mapping[str, str], direct: Mapping[str, Entry]) -> None:
        found = {dn_key(group.dn) for group in direct.values()}
        for key, dn in named.items():
            if key in self._relevant and key not in found:
                raise Unusable(
                    f"{entry.dn} names the group {dn}, which does not name its member",
                    "Let the bind account read the attribute 'member' of this group.",
                )

    def _primary_group(self, sid: str | None) -> Entry | None:
        domain = self._session.domain_dn
        if sid is None or domain is None:
            return None
        filter_ = f"(objectSid={escape_bytes(sid_bytes(sid))})"
        for page in self._session.pages(domain, filter_, OF_GROUPS, page_size=10):
            for entry in page:
                return entry
        return None


def demand_members_readable(
    session: Session,
    settings: ActiveDirectorySettings,
    configured: Sequence[ConfiguredGroup],
    gone_through: Mapping[str, str],
    with_members: AbstractSet[str],
) -> None:
    """Raises Unusable unless the ``member`` of every group that matters may be read now: else nobody would be in them. A
    group that is gone by now holds nobody. One *with_members* in the last whole read must show some: to Windows a value that may
    not be read does not exist, in a filter neither (MS-ADTS 3.1.1.4.3), so only those prove the right. Not one of leavers, in
    which fewer people do no harm."""
    names = {**gone_through, **{group.id: group.dn for group in configured}}
    must_show = with_members - {group.id for group in configured if group.use is GroupUse.LEAVERS}
    readable: set[str] = set()
    for shown, ids in (("(member=*)", names.keys() & must_show), (MEMBER_READABLE, names.keys() - must_show)):
        for part in filterfuls(sorted(ids)):
            filter_ = "".join(f"(objectGUID={escape_bytes(UUID(id_).bytes_le)})" for id_ in part)
            for root in search_roots(session, settings):
                for page in session.pages(root, f"(&(|{filter_}){shown})", ["objectGUID"], settings.page_size):
                    readable.update(map(guid_of, page))
    for id_ in names.keys() - readable:
        entry = session.entry(f"<GUID={id_}>", ["objectGUID"])
        if entry is not None:
            raise Unusable(
                f"the members of the group {entry.dn} may not be read any more",
                "Let the bind account read the attribute 'member' of this group.",
            )
