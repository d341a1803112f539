"""Who stands in a group, and by which way: the graph of nested groups and the walk through it.

Pure. The walk is the same for a whole read, which fills the graph from the configured groups down, and for a second
look at one person, which fills it from the person up: equal edges give equal paths. Cycles are harmless.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from msgspec import structs

from syncd.model import GroupUse, Person


@dataclass(slots=True)
class GroupNode:
    """One group: its name, the groups directly in it, and the people directly in it (both by id)."""

    id: str
    name: str
    groups: set[str] = field(default_factory=set)
    people: Collection[str] = ()


Path = tuple[str, ...]


def paths_from(root: str, nodes: Mapping[str, GroupNode], *, nested: bool) -> dict[str, Path]:
    """For everybody in the group *root*: the names from it down to the group they stand in directly.

    Of several ways the shortest counts, of equally short ones the first in alphabetical order: so the answer does not
    depend on the order in which a server lists members. Without *nested* only direct members count.
    """
    reached: dict[str, Path] = {}
    seen = {root}
    level: dict[str, Path] = {root: (nodes[root].name,)}
    while level:
        following: dict[str, Path] = {}
        for group, path in sorted(level.items(), key=lambda item: item[1]):
            node = nodes[group]
            for person in node.people:
                reached.setdefault(person, path)
            for child in node.groups - seen if nested else ():
                way = (*path, nodes[child].name)
                following[child] = min(way, following.get(child, way))
        seen.update(following)
        level = following
    return reached


class Configured(Protocol):
    """A group of the configuration, found in the directory."""

    @property
    def id(self) -> str:
        """Its id in the directory."""

    @property
    def use(self) -> GroupUse:
        """What it is for."""


G = TypeVar("G", bound=Configured)


def add_paths(
    people: MutableMapping[str, Person],
    configured: Sequence[G],
    nodes: Mapping[str, GroupNode],
    *,
    nested: bool,
) -> dict[G, int]:
    """Gives *people* (by id) the way they got into a group of each use (the first configured one counts); says how many people
    each configured group has. In place, one by one: nobody is held twice, and of a large directory all are."""
    ways: dict[GroupUse, dict[str, Path]] = {use: {} for use in GroupUse}
    counts: dict[G, int] = {}
    for group in configured:
        reached = paths_from(group.id, nodes, nested=nested)
        counts[group] = len(reached)
        for id_, path in reached.items():
            ways[group.use].setdefault(id_, path)
    for id_ in set().union(*ways.values()):
        people[id_] = structs.replace(
            people[id_],
            entitled_by=ways[GroupUse.ENTITLING].get(id_, ()),
            leaver_by=ways[GroupUse.LEAVERS].get(id_, ()),
            protected_by=ways[GroupUse.PROTECTING].get(id_, ()),
            held_by=ways[GroupUse.HOLDING].get(id_, ()),
        )
    return counts
