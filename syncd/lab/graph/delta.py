"""Delta queries: what changed among users or groups since a token was made.

As documented: a soft-deleted user is ``@removed`` with reason ``changed`` here and unchanged in their groups; a member that left
a group is ``@removed`` with reason ``deleted``; a large group comes in several pieces; a page has a nextLink or a deltaLink.
Only selected fields are watched. Tokens live seven days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import asdict

from syncd.lab.entra.objects import FIELDS, GROUP, USER, EntraGroup, EntraUser, Thing
from syncd.lab.entra.tenant import Change, EntraTenant, Kind, State
from syncd.lab.graph.answers import GraphRefused, bad_request
from syncd.lab.graph.paging import expired_page
from syncd.lab.graph.query import ids_of
from syncd.lab.graph.views import Row, changed_row, context, fields_of
from syncd.lab.graph.wire import Call

LIFETIME = timedelta(days=7)
IDS_MAX = 50
_REMOVED = {"changed": {"reason": "changed"}, "deleted": {"reason": "deleted"}}


@dataclass(frozen=True, slots=True)
class Query:
    """What a delta query watches: fixed by its first request and carried in its tokens."""

    kind: str  # USER or GROUP
    select: tuple[str, ...] | None
    ids: frozenset[str] | None

    @property
    def collection(self) -> str:
        """The name in the path."""
        return "users" if self.kind == USER else "groups"

    @property
    def watched(self) -> frozenset[str]:
        """Attributes whose changes are reported."""
        return frozenset(attribute for _, attribute in fields_of(self.kind, self.select))

    @property
    def members(self) -> bool:
        """Whether memberships are reported."""
        return self.kind == GROUP and (self.select is None or "members" in self.select)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One object to report. *only*: the fields that changed (None: it is new or whole)."""

    id: str
    only: frozenset[str] | None = None
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        return max(1, len(self.joined) + len(self.left))


@dataclass(frozen=True, slots=True)
class _Position:
    """What a token stands for. *entries* None: a delta token, everything up to *cursor* was told."""

    query: Query
    cursor: int
    made_at: datetime
    entries: Sequence[_Entry] | None = None
    start: int = 0


@dataclass
class Deltas:
    """Every delta query going on in a tenant. *page_size* counts objects and members."""

    tenant: EntraTenant
    page_size: int = 200
    lifetime: timedelta = LIFETIME
    _positions: dict[str, _Position] = field(default_factory=dict, repr=False)
    _reset: frozenset[str] = frozenset()
    _count: int = 0

    def page(self, call: Call, query: Query | None, root: str, moment: datetime | None, *, shown: frozenset[str] | None) -> Row:
        """The answer's body. *query* is that of a first request, None for a later one. *moment*: how much of the journal has
        arrived. *shown*: groups whose members may be seen (None: all). Raises GraphRefused."""
        known = self.tenant.visible(moment)
        state = self.tenant.as_of(moment)
        if query is None:
            return self._further(call, root, known, state, shown)
        fields = query.select and tuple(name for name in query.select if name != "members")
        first = context(root, query.collection, fields)
        if call.query.get("$deltatoken") == "latest":
            return {"@odata.context": first, "@odata.deltaLink": self._link(root, _Position(query, known, call.at)), "value": []}
        entries = _pieces(_everything(query, state), self.page_size)
        return self._told(call, root, first, _Position(query, known, call.at, entries), state, shown)

    def query(self, call: Call, kind: str, select: tuple[str, ...] | None) -> Query | None:
        """The query of a first request, None for one with a token. Raises GraphRefused: 400."""
        token = call.query.get("$deltatoken", call.query.get("$skiptoken"))
        if token not in (None, "", "latest"):
            if len(call.query) > 1:
                raise bad_request("A delta link or next link is to be used as it is, without other query options.", "BadRequest")
            return None
        return Query(kind, select, ids_of(call.query.get("$filter", ""), IDS_MAX))

    def reset(self) -> None:
        """The service begins anew: every token so far answers 410."""
        self._reset = frozenset(self._positions)

    def expire_all(self) -> None:
        """Every token so far is too old now: 400 syncStateNotFound."""
        self._positions = {
            token: _Position(at.query, at.cursor, at.made_at - self.lifetime * 2, at.entries, at.start)
            for token, at in self._positions.items()
        }

    # ---------------------------------------------------------------------------------------------------------- pages

    def _further(self, call: Call, root: str, known: int, state: State, shown: frozenset[str] | None) -> Row:
        delta = "$deltatoken" in call.query
        token = call.query["$deltatoken" if delta else "$skiptoken"]
        position = self._positions.get(token)
        collection = call.operation.partition("_")[0]
        if position is None or position.query.collection != collection or (position.entries is None) is not delta:
            raise bad_request("Badly formed token.", "BadRequest")
        if token in self._reset:
            raise resync(f"{root}/{collection}/delta?$deltatoken=")
        if call.at - position.made_at > self.lifetime:
            raise sync_state_not_found() if delta else expired_page()
        if delta:
            since = self.tenant.journal[position.cursor : known]
            entries = _pieces(_changes(position.query, since, state), self.page_size)
            position = _Position(position.query, max(known, position.cursor), call.at, entries)
        return self._told(call, root, context(root, collection, None), position, state, shown)

    def _told(self, call: Call, root: str, about: str, position: _Position, state: State, shown: frozenset[str] | None) -> Row:
        entries = position.entries or ()
        end, weight = position.start, 0
        while end < len(entries) and (weight == 0 or weight + entries[end].weight <= self.page_size):
            weight += entries[end].weight
            end += 1
        minimal = "return=minimal" in call.headers.get("prefer", "")
        rows = [_row(entry, position.query, state, minimal=minimal, shown=shown) for entry in entries[position.start : end]]
        if end < len(entries):
            link = self._link(root, _Position(position.query, position.cursor, position.made_at, entries, end))
            return {"@odata.context": about, "@odata.nextLink": link, "value": rows}
        link = self._link(root, _Position(position.query, position.cursor, call.at))
        return {"@odata.context": about, "@odata.deltaLink": link, "value": rows}

    def _link(self, root: str, position: _Position) -> str:
        self._count += 1
        seed = f"{self.tenant.id}/{self._count}/{position.cursor}/{position.start}"
        token = hashlib.blake2b(seed.encode(), digest_size=40).hexdigest()
        self._positions[token] = position
        option = "$deltatoken" if position.entries is None else "$skiptoken"
        return f"{root}/{position.query.collection}/delta?{option}={token}"


def _everything(query: Query, state: State) -> Iterator[_Entry]:
    """A first answer: all objects, those in the recycle bin as removed, as it may happen."""
    wanted = EntraUser if query.kind == USER else EntraGroup
    for thing in (*state.objects.values(), *state.bin.values()):
        if isinstance(thing, wanted) and (query.ids is None or thing.id in query.ids):
            yield _Entry(thing.id, None, tuple(state.members.get(thing.id, ())) if query.members else ())


def _changes(query: Query, journal: Iterable[Change], state: State) -> Iterator[_Entry]:
    """What the journal has for the query, one entry per object, in the order of the first change."""
    changed: dict[str, set[str] | None] = {}
    members: dict[str, dict[str, None]] = {}
    for change in journal:
        if query.ids is not None and change.id not in query.ids:
            continue
        if change.kind in (Kind.JOINED, Kind.LEFT):
            if query.members:
                members.setdefault(change.id, {})[change.member] = None
                changed.setdefault(change.id, set())
            continue
        thing = change.after or change.before
        if thing is None or thing.kind != query.kind:
            continue
        if change.kind is not Kind.UPDATED:
            changed[thing.id] = None  # new, restored or gone: told whole
        elif names := _differing(change.before, change.after, query):
            known = changed.setdefault(thing.id, set())
            if known is not None:
                known |= names
    for id_, names_ in changed.items():
        now = state.members.get(id_, {})
        touched = members.get(id_, {})
        yield _Entry(
            id_,
            None if names_ is None else frozenset(names_),
            tuple(member for member in touched if member in now),
            tuple(member for member in touched if member not in now),
        )


def _differing(before: Thing | None, after: Thing | None, query: Query) -> set[str]:
    """Wire names of the watched fields that differ."""
    old: dict[str, Any] = asdict(before) if before is not None else {}
    new: dict[str, Any] = asdict(after) if after is not None else {}
    return {
        name
        for name, attribute in FIELDS[query.kind].items()
        if attribute in query.watched and old.get(attribute) != new.get(attribute)
    }


def _pieces(entries: Iterable[_Entry], size: int) -> list[_Entry]:
    """Entries with more members than go on a page, cut into several."""
    pieces: list[_Entry] = []
    for entry in entries:
        if entry.weight <= size:
            pieces.append(entry)
            continue
        for start in range(0, entry.weight, size):
            left = entry.left[start : start + size]
            first = max(0, start - len(entry.left))  # what is left of the piece goes to those who joined
            pieces.append(_Entry(entry.id, entry.only, entry.joined[first : first + size - len(left)], left))
    return pieces


def _row(entry: _Entry, query: Query, state: State, *, minimal: bool, shown: frozenset[str] | None) -> Row:
    thing = state.objects.get(entry.id)
    if thing is None:
        return {"id": entry.id, "@removed": _REMOVED["changed" if entry.id in state.bin else "deleted"]}
    row = changed_row(thing, query.select, entry.only if minimal else None)
    members = (
        []
        if shown is not None and entry.id not in shown
        else [
            *({**_member(member, state), "@removed": _REMOVED["deleted"]} for member in entry.left),
            *(_member(member, state) for member in entry.joined),
        ]
    )
    if members:
        row["members@delta"] = members
    return row


def _member(id_: str, state: State) -> Row:
    thing = state.objects.get(id_) or state.bin.get(id_)
    return {"@odata.type": thing.kind if thing is not None else USER, "id": id_}


# ------------------------------------------------------------------------------------------------------------ refusals


def sync_state_not_found() -> GraphRefused:
    """400: the delta token is too old."""
    return GraphRefused(
        400,
        "syncStateNotFound",
        "The sync state generation is not found. The delta token is expired and data must be synchronized again.",
    )


def resync(location: str) -> GraphRefused:
    """410: the service begins anew, at *location*."""
    return GraphRefused(410, "resyncRequired", "The data must be synchronized again.", headers={"Location": location})
