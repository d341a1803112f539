"""Which groups one person is in, by ``memberOf``: the end of the links that a controller has at hand.

Which groups name somebody as a ``member`` is a search, for which Samba goes through the members of every group (half a second
beside one of 45,000). ``memberOf`` is stored with the person, but tells of groups of the person's own domain only, and many
domains hide it. So it is asked first where the watch has noticed somebody, and nothing hangs on it: where it may not be read or
cannot tell all, ``member`` is asked for, as it is by the second look before anything is written to Zoom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ldap3.utils.conv import escape_filter_chars

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.groups import ConfiguredGroup, is_below, name_of
from syncd.directories.active_directory.memberships_of_one import OF_GROUPS, parts, primary_group
from syncd.directories.active_directory.people import FoundPerson, dn_key, guid_of
from syncd.directories.active_directory.session import Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.membership import GroupNode

#: True of every object whose ``memberOf`` may be read, and undefined (so never true) of others.
MEMBER_OF_READABLE = "(|(memberOf=*)(!(memberOf=*)))"


class Untold(Exception):
    """The end of the links that was asked may not be read, or does not tell all."""


class GroupsNamed:
    """Fills the graph from single people up, by their ``memberOf`` and the primary group, through every group above them."""

    def __init__(
        self,
        session: Session,
        settings: ActiveDirectorySettings,
        configured: Sequence[ConfiguredGroup],
        gone_through: Mapping[str, str],
    ) -> None:
        """*gone_through*: id and name of every group of the last whole read. Raises Untold where one of them, or a configured
        one, is of another domain."""
        self._domain = (session.domain_dn,) if session.domain_dn else ()
        if not all(is_below(dn, self._domain) for dn in (*gone_through.values(), *(group.dn for group in configured))):
            raise Untold
        self.nodes = {group.id: GroupNode(group.id, group.name, people=set()) for group in configured}
        self._session, self._settings = session, settings
        self._known: dict[str, Entry] = {}  # groups by the key of their name

    def read(self, entry: Entry, found: FoundPerson) -> None:
        """Adds the groups above one person. *entry* was asked for ``memberOf`` too. Raises Untold, Unusable."""
        if not is_below(entry.dn, self._domain) or self._session.entry(entry.dn, ["1.1"], MEMBER_OF_READABLE) is None:
            raise Untold
        level = self._groups(self._names(entry))
        primary = primary_group(self._session, found.primary_group_sid)
        if primary is not None:
            level |= self._groups([primary.dn])
        for group in level.values():
            node = self._node(group)
            node.people = {*node.people, found.person.id}
        walked: set[str] = set()
        while self._settings.nested and level:
            walked |= level.keys()
            above = self._groups(name for group in level.values() for name in self._names(group))
            for child in level.values():
                for name in self._names(child):
                    self._node(above[dn_key(name)]).groups.add(guid_of(child))
            level = {key: group for key, group in above.items() if key not in walked}

    def _names(self, entry: Entry) -> list[str]:
        return [raw.decode() for raw in self._session.values(entry.dn, "memberof", entry)]

    def _groups(self, names: Iterable[str]) -> dict[str, Entry]:
        """The groups of these names, by the keys of those. Raises Untold when one is hidden, or hides its own ``memberOf``."""
        wanted = {dn_key(name): name for name in names}
        for part in parts([name for key, name in wanted.items() if key not in self._known]):
            filter_ = "".join(f"(distinguishedName={escape_filter_chars(name)})" for name in part)
            attributes = (*OF_GROUPS, "memberOf", "uSNChanged")
            for root in self._domain:
                for page in self._session.pages(
                    root, f"(&(objectClass=group)(|{filter_}){MEMBER_OF_READABLE})", attributes, self._settings.page_size
                ):
                    self._known.update((dn_key(entry.dn), entry) for entry in page)
        if not wanted.keys() <= self._known.keys():
            raise Untold
        return {key: self._known[key] for key in wanted}

    def _node(self, entry: Entry) -> GroupNode:
        id_ = guid_of(entry)
        return self.nodes.setdefault(id_, GroupNode(id_, name_of(entry), people=set()))
