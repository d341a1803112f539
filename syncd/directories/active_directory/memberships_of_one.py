"""Which groups one person is in, read from the person up: the independent half of a second look.

Asked are ``memberOf`` and the primary group, where a whole read asks ``member``: the two ends of the same links.
"""

from __future__ import annotations

from collections.abc import Sequence

from ldap3.utils.conv import escape_bytes

from syncd.directories.active_directory.groups import ConfiguredGroup, name_of
from syncd.directories.active_directory.people import FoundPerson, dn_key, guid_of, sid_bytes
from syncd.directories.active_directory.session import Entry, Session
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.directories.membership import GroupNode


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
        self.nodes.setdefault(id_, GroupNode(id_, name_of(entry), people=set()))
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
