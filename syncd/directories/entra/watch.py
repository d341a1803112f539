"""Noticing changes of a tenant: the two delta queries, asked every half minute, as a signal about ids and nothing else.

The watch has a cursor of its own, in memory: the one of cycles stands for what a cycle has read. Graph reports late, in any order
and more than once; how late is Graph's. Whoever is named is read again from Graph one by one, memberships included. A report that
names a group in a group, or a tracking that had to begin anew, names nobody for certain: then everybody is read.
"""

from __future__ import annotations

from typing import Any

from syncd.directories.entra.changes import Changes
from syncd.directories.entra.graph import Entry
from syncd.directories.entra.people import id_of
from syncd.directories.entra.reader import EntraDirectory
from syncd.errors import SourceError
from syncd.events import Event, Noted
from syncd.model import DirectorySnapshot, Hint, Person, Reread
from syncd.reading import End, in_one_piece

#: More people than this are cheaper to read with everybody.
ONE_BY_ONE_MAX = 100


class _Nowhere:
    """Keeps no cursor: after a restart a whole cycle comes first anyway."""

    async def get_state(self, key: str) -> Any:
        """Nothing was kept."""

    async def set_state(self, key: str, value: Any) -> None:
        """Nothing is kept."""


class TenantWatcher:
    """Implements ``ports.Watcher``."""

    source = "entra"

    def __init__(self, directory: EntraDirectory, name: str) -> None:
        self.whole, self.name = directory, name
        self.directory = directory.looking_directly()
        self._trouble = ""
        self._changes = Changes(directory.graph, directory.settings, directory.clock, self._hear, _Nowhere())
        self._began = False

    async def changes(self) -> Hint:
        """Whom the reports since the last time name. Raises SourceError when they cannot be had."""
        people: set[str] = set()
        anybody = False

        def user(entry: Entry) -> bool:
            if self.whole.differs(entry):
                people.add(id_of(entry))
            return False

        def group(entry: Entry) -> bool:
            nonlocal anybody
            if self.whole.tracks(id_of(entry)):
                named = entry.get("members@delta")
                for member in named if isinstance(named, list) else ():
                    anybody |= not str(member.get("@odata.type", "#microsoft.graph.user")).endswith(".user")
                    people.add(id_of(member))
                anybody |= "@removed" in entry
            return False

        self._trouble = ""
        again = await self._changes.seen(user, group)
        if self._trouble or not self._changes.tracking:
            raise SourceError(
                "directory",
                f"{self.name} cannot tell changes: {self._trouble or again}",
                "The app needs the permissions that syncd check names; tenants of External ID report no changes.",
            )
        began, self._began = self._began, True
        return Hint(people=frozenset(people), anybody=anybody or bool(again and began))

    async def read_again(self, hint: Hint, base: DirectorySnapshot) -> Reread:
        """Those concerned one by one, or everybody where nobody is named for certain. Raises SourceError."""
        if hint.anybody or len(hint.people) > ONE_BY_ONE_MAX:
            return Reread.of_whole(await self.whole.read(), base, hint)
        read_at = self.whole.clock.now()
        found: dict[str, Person] = {}
        for id_ in sorted(hint.people):
            found.update((one.id, one) for one in await self.directory.recheck_person(id_, ()) if one.id == id_)
        return Reread(read_at, base.view, hint.people, in_one_piece(found.values(), End.EACH_ASKED))

    async def close(self) -> None:
        """The connections are the directory's."""

    def _hear(self, event: Event) -> None:
        """What the tracking would say into the log is this watch's trouble, which is said by whoever watches."""
        if isinstance(event, Noted) and event.event == "changes.not_tracked":
            self._trouble = str(event.facts.get("why"))
