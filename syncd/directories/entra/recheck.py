"""A second, independent look at single people right before a change: by id, by address, and at their groups as they are now.

Three questions per person, none of which the whole read asks: ``GET /users/{id}``, a filtered search for whoever claims the
address, and ``checkMemberGroups``, which follows nested groups on Microsoft's side (``memberOf`` where only direct members
count). The way into a group is for people to read; it is the one last read, where there is one.
Source: https://learn.microsoft.com/en-us/graph/api/directoryobject-checkmembergroups
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import structs

from syncd.concurrency import side_by_side
from syncd.directories.entra.graph import PAGE_SIZE, Entry, Graph
from syncd.directories.entra.groups import ALTERNATIVES_MAX, ConfiguredGroup
from syncd.directories.entra.people import filter_for, id_of, is_guid, is_hidden, person_of, what_to_ask
from syncd.directories.entra.settings import EntraSettings
from syncd.directories.entra.whole_read import get_user
from syncd.directories.membership import Path
from syncd.errors import SourceError
from syncd.model import GroupUse, Person, address_key

#: ``checkMemberGroups`` takes so many groups at once.
GROUPS_AT_ONCE = 20


async def look(
    graph: Graph,
    settings: EntraSettings,
    configured: Sequence[ConfiguredGroup],
    before: Mapping[str, Person],
    directory_id: str | None,
    addresses: Sequence[str],
) -> tuple[Person, ...]:
    """Whoever has this object id or claims one of these addresses. *before*: people by id as last read, for the ways into
    groups. Raises SourceError."""
    keys = sorted({address_key(address) for address in addresses})
    found = await side_by_side([_by_id(graph, settings, directory_id), _by_addresses(graph, settings, keys)])
    people = {person.id: person for some in found for person in some}
    return tuple(await side_by_side(_placed(graph, settings, people[id_], configured, before.get(id_)) for id_ in sorted(people)))


async def _by_id(graph: Graph, settings: EntraSettings, directory_id: str | None) -> list[Person]:
    if directory_id is None or not is_guid(directory_id):
        return []  # an id of another kind of directory: nobody here has it
    person = await get_user(graph, settings, directory_id)
    return [person] if person is not None else []


async def _by_addresses(graph: Graph, settings: EntraSettings, keys: Sequence[str]) -> list[Person]:
    asked = settings.address_attributes
    found: dict[str, Person] = {}

    def make(entry: Entry) -> Person | None:
        # Whoever comes without attributes was found by one of these addresses all the same: unclear, and no nobody.
        person = person_of(entry, settings)
        return person if is_hidden(entry) or not set(keys).isdisjoint(person.addresses) else None

    for filter_ in filters(keys, asked):
        params = {"$filter": filter_, **what_to_ask(settings), "$top": str(PAGE_SIZE)}
        some = await graph.whole("users found", partial(graph.walk, "search", "/users", params, make))
        found.update((person.id, person) for person in some if person is not None)
    return list(found.values())


def filters(keys: Sequence[str], attributes: Sequence[str]) -> list[str]:
    """The fewest filters that find whoever claims one of the address *keys*, each within Graph's limit of alternatives."""
    whole: list[list[str]] = []
    for key in keys:
        alternatives = filter_for(key, attributes)
        if whole and len(whole[-1]) + len(alternatives) <= ALTERNATIVES_MAX:
            whole[-1] += alternatives
        else:
            whole.append(alternatives)
    return [" or ".join(alternatives) for alternatives in whole]


async def _placed(
    graph: Graph, settings: EntraSettings, person: Person, configured: Sequence[ConfiguredGroup], before: Person | None
) -> Person:
    member_of = await (
        _transitive(graph, person.id, list(dict.fromkeys(group.id for group in configured)))
        if settings.nested
        else _direct(graph, person.id)
    )
    ways: dict[GroupUse, Path] = {}
    for group in configured:
        if group.id in member_of:
            ways.setdefault(group.use, _way(group, before))
    return structs.replace(
        person,
        entitled_by=ways.get(GroupUse.ENTITLING, ()),
        leaver_by=ways.get(GroupUse.LEAVERS, ()),
        protected_by=ways.get(GroupUse.PROTECTING, ()),
        held_by=ways.get(GroupUse.HOLDING, ()),
    )


async def _transitive(graph: Graph, id_: str, groups: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(groups), GROUPS_AT_ONCE):
        answer = await graph.post(
            "member_groups", f"/users/{id_}/checkMemberGroups", {"groupIds": list(groups[start : start + GROUPS_AT_ONCE])}
        )
        value = answer.get("value") if answer is not None else None
        if not isinstance(value, list):
            raise SourceError(
                "directory",
                f"graph member_groups: the groups of {id_} could not be told.",
                "They may have been deleted this moment; the next cycle looks again.",
            )
        found.update(str(one).lower() for one in value)
    return found


async def _direct(graph: Graph, id_: str) -> set[str]:
    return set(
        await graph.whole(
            "groups of one user",
            lambda: graph.walk("member_groups", f"/users/{id_}/memberOf", {"$select": "id", "$top": str(PAGE_SIZE)}, id_of),
        )
    )


def _way(group: ConfiguredGroup, before: Person | None) -> Path:
    known = (before.entitled_by, before.leaver_by, before.protected_by, before.held_by) if before is not None else ()
    return next((path for path in known if path and path[0] == group.name), (group.name,))
