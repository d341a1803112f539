"""One whole read: the list of all users, the members of each group, and both put together, or SourceError.

The two lists must agree. A member whom the list of users does not show is in the recycle bin (then they are nobody: Entra keeps
memberships for 30 days), new since the list was read, or unclear; they are never just dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from syncd.concurrency import both, side_by_side
from syncd.directories.entra.graph import MISSING_TRIES, PAGE_SIZE, Entry, Graph
from syncd.directories.entra.groups import ConfiguredGroup, GroupsBelow, find_configured
from syncd.directories.entra.managers import Managers
from syncd.directories.entra.people import id_of, is_hidden, person_of, unreadable_user, what_to_ask
from syncd.directories.entra.refusals import READ_USERS, permission_missing
from syncd.directories.entra.settings import EntraSettings
from syncd.directories.entra.tokens import EntraTokens
from syncd.directories.membership import add_paths
from syncd.errors import ScopeMissing, SourceError
from syncd.events import Noted, ReadProgress
from syncd.model import DirectoryGroup, DirectorySnapshot, Person
from syncd.ports import Clock, Tell
from syncd.reading import Complete, put_together

T = TypeVar("T")

#: Members who are neither in the list of users nor in the recycle bin: new since the list was read. More is a list with holes.
LATECOMERS_MAX = 20

#: What is said of a member whom Graph does not know.
GHOST = (
    "a member of a group, but Graph knows no such user, deleted ones included: deleted for good, and still listed; take "
    "them out of the group"
)

DELETED_USERS = "/directory/deletedItems/microsoft.graph.user"


@dataclass(frozen=True, slots=True)
class Whole:
    """One whole read, and what second looks and change tracking compare with. *tracked_groups*: ids of the configured
    groups and all below them. *odd_members*: id -> type, of members that are neither users nor of a type we know."""

    snapshot: DirectorySnapshot
    configured: tuple[ConfiguredGroup, ...]
    tracked_groups: frozenset[str]
    odd_members: Mapping[str, str]
    by_id: Mapping[str, Person] = field(repr=False)


async def read_whole(
    graph: Graph, tokens: EntraTokens, settings: EntraSettings, clock: Clock, tell: Tell, managers: Managers | None = None
) -> Whole:
    """Everybody. *managers*: who tells of them where the list does not; None: nobody does.
    Raises SourceError (CredentialsRefused, ScopeMissing, LimitReached) on any doubt."""
    read_at = clock.now()
    await tokens.get()  # tells which permissions there are
    configured = await find_configured(graph, settings, tokens.roles, tell)
    below = GroupsBelow(graph, settings, tokens.roles)
    users, _ = await both(read_people(graph, settings, tell), below.read(configured))
    people = {person.id: person for person in users}
    _demand_shown(people, below)
    await _settle_members(graph, settings, people, below)
    odd = {id_: kind for id_, kind in below.odd_types.items() if id_ not in people}
    if odd:
        tell(
            Noted(
                "group.odd_members",
                "warning",
                {"count": len(odd), "types": ", ".join(sorted(set(odd.values()))), "such_as": min(odd)},
            )
        )
    counts = add_paths(people, configured, below.nodes, nested=settings.nested)
    if managers is not None:
        people = dict(await managers.filled(graph, settings, people))
    snapshot = DirectorySnapshot.whole(
        "entra",
        read_at,
        put_together(people.values(), users, *below.lists),
        put_together(
            [DirectoryGroup(group.id, group.name, group.use, counts[group], entry=group.entry) for group in configured],
            users,
            *below.lists,
        ),
        clock_offset_seconds=graph.clock_offset_seconds,
    )
    return Whole(snapshot, configured, frozenset(below.nodes), odd, people)


async def read_people(graph: Graph, settings: EntraSettings, tell: Tell) -> Complete[Person]:
    """The list of all users, without memberships. Raises SourceError (ScopeMissing when nobody's attributes are shown)."""
    params = {**what_to_ask(settings), "$top": str(PAGE_SIZE)}

    async def once() -> Complete[Person]:
        hidden: set[str] = set()

        def make(entry: Entry) -> Person:
            person = person_of(entry, settings)
            if is_hidden(entry):
                hidden.add(person.id)
            return person

        listed = await graph.walk(
            "list_users",
            "/users",
            params,
            make,
            key=lambda person: person.id,
            progress=lambda came: tell(ReadProgress("directory", came)),
        )
        if listed and len(hidden) == len(listed):
            raise unreadable_user(listed[0].id)
        return listed

    return await graph.whole("users", once)


async def get_user(graph: Graph, settings: EntraSettings, id_: str, *, tries: int = 1) -> Person | None:
    """One user without memberships, by object id; None when Graph knows none (said *tries* times). Raises SourceError."""
    entry = await graph.get("user", f"/users/{id_}", what_to_ask(settings), tries=tries)
    if entry is None:
        return None
    if id_of(entry) != id_.lower():
        raise SourceError(
            "directory",
            f"graph user: asked about {id_}, was told about {id_of(entry)}.",
            "Nothing is concluded from it: see whether something answers in Graph's place.",
        )
    return person_of(entry, settings)


async def read_recycle_bin(graph: Graph, select: str, make: Callable[[Entry], T]) -> Complete[T]:
    """What *make* makes of the users who were deleted within 30 days. Raises SourceError."""
    params = {"$select": select, "$top": str(PAGE_SIZE)}
    return await graph.whole("deleted users", lambda: graph.walk("user", DELETED_USERS, params, make))


def _demand_shown(people: Mapping[str, Person], below: GroupsBelow) -> None:
    """Members who come without a single attribute although the list of users shows them: so it looks where the app may not read
    users through groups, and then others may be left out without a word. Raises ScopeMissing."""
    contradicted = [id_ for id_ in below.hidden if id_ in people and not people[id_].unclear]
    if contradicted:
        raise permission_missing(
            f"graph members: {len(contradicted)} members of the groups came without attributes (null), such as "
            f"{min(contradicted)}, though the list of users shows them: the app may not read users in groups.",
            READ_USERS,
        )


async def _settle_members(graph: Graph, settings: EntraSettings, people: dict[str, Person], below: GroupsBelow) -> None:
    """Whoever is in the list of users is a person, whatever the type a member list gives. The others are looked at one by one:
    in the recycle bin they are nobody, of another type than user too unless Graph knows a user of that id, and a user whom
    Graph does not know any more (deleted for good, and still in a member list) is unclear, never absent."""
    nodes = below.nodes
    unknown = {id_ for node in nodes.values() for id_ in node.people if id_ not in people}
    if not unknown:
        return
    deleted: set[str] = set()
    with suppress(ScopeMissing):
        deleted.update(await read_recycle_bin(graph, "id", id_of))
    late = sorted(unknown - deleted)
    if len(late) > LATECOMERS_MAX:
        raise SourceError(
            "directory",
            f"graph: {len(late)} members of the groups are not in the list of users (such as "
            f"{', '.join(late[:3])}); at most {LATECOMERS_MAX} can be new since it was read.",
            "The list has holes, so nothing is concluded; the next cycle tries again.",
        )
    found = await side_by_side(get_user(graph, settings, id_, tries=MISSING_TRIES) for id_ in late)
    for id_, person in zip(late, found, strict=True):
        if person is not None:
            people[id_] = person
        elif id_ in below.untyped:
            raise SourceError(
                "directory",
                f"graph members: a member of the group {below.untyped[id_]} came without its type, "
                f"and Graph knows no user {id_}.",
                "It may be a group, so nothing is concluded; see whether "
                "something answers in Graph's place, or take it out of the group.",
            )
        elif id_ not in below.odd_types:
            people[id_] = Person(id_, unclear=GHOST)
    for node in nodes.values():
        node.people = {id_ for id_ in node.people if id_ in people}
