"""Whether anything changed since the last whole read: delta queries as a dirty flag, never as data.

Graph reports changes late, in any order, more than once, and some not at all (a soft deletion shows with the users only, what
changes below a nested group with that group only). So a report is never applied to anything. It says "read again", and silence
is believed for some hours at most. Both queries cover the whole tenant and begin "from now" before the whole read does, so
that no change falls between the two.

The cursor (two opaque links) lies in the ledger's side table: after a restart the tracking goes on where it was, and a change
that replicas showed late is still seen.
Source: https://learn.microsoft.com/en-us/graph/delta-query-overview
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.directories.entra.graph import Entry, Graph, WirePage
from syncd.directories.entra.people import what_to_ask
from syncd.directories.entra.settings import EntraSettings
from syncd.errors import CredentialsRefused, SourceError
from syncd.events import Noted
from syncd.http.pacer import BudgetStore
from syncd.model import sha256_of
from syncd.ports import Clock, Tell

#: Graph keeps them for seven days.
CURSOR_AGE_MAX = timedelta(days=6)

#: So many pages of changes are cheaper to read again than to look through.
PAGES_MAX = 6


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the tracking stands. The links are opaque and never printed."""

    users: str = field(repr=False)
    groups: str = field(repr=False)
    made_at: datetime


class Resync(Exception):
    """The tracking cannot go on from here; the text says why."""


class Changes:
    """The tracking of one tenant. *store* is the ledger's side table."""

    def __init__(self, graph: Graph, settings: EntraSettings, clock: Clock, tell: Tell, store: BudgetStore) -> None:
        self._graph, self._clock, self._tell, self._store = graph, clock, tell, store
        self._key = f"entra:{settings.tenant_id}:cursor".lower()
        self._selects = {"users": what_to_ask(settings)["$select"], "groups": "id,displayName,members"}
        self._tracks = sha256_of([settings.graph, self._selects])
        self._cursor: Cursor | None = None
        self._looked = False
        self._told = False
        self.changed_at: datetime | None = None  # when something relevant was last reported

    async def seen(self, users: Callable[[Entry], bool], groups: Callable[[Entry], bool]) -> str:
        """Why everything must be read again, or empty: nothing that *users* or *groups* call relevant was reported. A
        tracking that cannot go on begins anew; one that cannot be had costs whole reads, nothing else. Raises
        CredentialsRefused."""
        cursor = await self._restored()
        if cursor is None:
            await self.begin()
            return "no change tracking yet"
        try:
            user_changes, users_link = await self._follow("users", cursor.users, users)
            group_changes, groups_link = await self._follow("groups", cursor.groups, groups)
        except Resync as why:
            self._tell(Noted("changes.begun_again", "info", {"why": str(why)}))
            await self.begin()
            return str(why)
        except CredentialsRefused:
            raise
        except SourceError as error:
            self._not_tracked(error)
            return "the changes could not be asked for"
        self._cursor, self._told = Cursor(users_link, groups_link, self._clock.now()), False
        if not user_changes and not group_changes:
            return ""
        self.changed_at = self._clock.now()
        return f"{user_changes} changed users, {group_changes} changed groups"

    @property
    def tracking(self) -> bool:
        """Whether there is something to go on from."""
        return self._cursor is not None and not self._told

    async def begin(self) -> None:
        """Tracks from now on. A tenant that cannot (External ID has no delta queries) is read whole every time."""
        self._cursor = None
        try:
            links = {kind: await self._latest(kind) for kind in self._selects}
        except CredentialsRefused:
            raise
        except (SourceError, Resync) as error:
            self._not_tracked(error)
            return
        self._cursor = Cursor(links["users"], links["groups"], self._clock.now())

    async def keep(self) -> None:
        """Writes the cursor down; to be called when what it stands for has been read."""
        cursor = self._cursor
        await self._store.set_state(
            self._key,
            None
            if cursor is None
            else {
                "users": cursor.users,
                "groups": cursor.groups,
                "made_at": cursor.made_at.isoformat(),
                "tracks": self._tracks,
            },
        )

    # ----------------------------------------------------------------------------------------------------------------

    def _not_tracked(self, error: Exception) -> None:
        if not self._told:  # once, not in every cycle
            self._told = True
            self._tell(Noted("changes.not_tracked", "warning", {"why": str(error)}))

    async def _restored(self) -> Cursor | None:
        if not self._looked:
            self._looked = True
            self._cursor = self._understood(await self._store.get_state(self._key))
        if self._cursor is not None and self._clock.now() - self._cursor.made_at > CURSOR_AGE_MAX:
            self._cursor = None
        return self._cursor

    def _understood(self, kept: Any) -> Cursor | None:
        if not isinstance(kept, dict) or kept.get("tracks") != self._tracks:
            return None
        try:
            return Cursor(str(kept["users"]), str(kept["groups"]), datetime.fromisoformat(kept["made_at"]))
        except (KeyError, TypeError, ValueError):
            return None

    async def _follow(self, kind: str, link: str, relevant: Callable[[Entry], bool]) -> tuple[int, str]:
        """How many relevant entries were reported since *link*, and the next link. Raises Resync."""
        count = 0
        for _ in range(PAGES_MAX):
            page = await self._page(kind, link)
            count += sum(map(relevant, page.value))
            if page.delta is not None:
                return count, page.delta
            if page.next is None:
                raise Resync(f"the changes of {kind} ended without a link to go on from")
            link = page.next
        raise Resync(f"more than {PAGES_MAX} pages of changed {kind}")

    async def _latest(self, kind: str) -> str:
        page = await self._page(kind, f"/{kind}/delta", {"$deltatoken": "latest", "$select": self._selects[kind]})
        for _ in range(PAGES_MAX):
            if page.delta is not None:
                return page.delta
            if page.next is None:
                break
            page = await self._page(kind, page.next)
        raise Resync(f"no link to the changes of {kind} was given")

    async def _page(self, kind: str, link: str, params: dict[str, str] | None = None) -> WirePage:
        page = await self._graph.changes(f"{kind}_delta", link, params)
        if page is None:
            raise Resync(f"Graph does not know the changes of {kind} from there any more")
        return page
