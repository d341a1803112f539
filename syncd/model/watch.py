"""What a watch on a directory notices (a hint, never data), and what a second reading of those concerned shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.model.directory import DirectoryGroup, DirectorySnapshot, Person
from syncd.reading import Complete


@dataclass(frozen=True, slots=True)
class Hint:
    """Something changed. *people* are directory ids, as far as the source names them; *groups* ids of groups whose members
    may be others now; *anybody*: it does not say who (a file was replaced); *gone*: somebody may have been deleted.
    *changed*: when it happened, where the source says so of somebody it names."""

    people: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    anybody: bool = False
    gone: bool = False
    changed: Mapping[str, datetime] = field(default_factory=dict)

    def __or__(self, other: Hint) -> Hint:
        """Both, to be looked at together."""
        return Hint(
            self.people | other.people,
            self.groups | other.groups,
            self.anybody or other.anybody,
            self.gone or other.gone,
            {**self.changed, **other.changed},
        )

    def __bool__(self) -> bool:
        return bool(self.people or self.groups or self.anybody or self.gone)


@dataclass(frozen=True, slots=True)
class Reread:
    """Some people as the source shows them now. *asked* names all who were asked for; whoever of them is not among *people* is
    not there. *changed* says since when, where the source tells (directory id -> time). *view* as of a snapshot. *groups*:
    configured groups that were read again; None: as they were. *as_of* as of a snapshot."""

    read_at: datetime
    view: str
    asked: frozenset[str]
    people: Complete[Person]
    groups: Complete[DirectoryGroup] | None = None
    changed: Mapping[str, datetime] = field(default_factory=dict)
    as_of: datetime | None = None

    @classmethod
    def of_whole(cls, snapshot: DirectorySnapshot, base: DirectorySnapshot, hint: Hint) -> Reread:
        """Where everybody was read again: those of the *hint*, and whoever differs or is in one of the two only."""
        other = [(one, now) for one, now in zip(base.people, snapshot.people, strict=False) if one is not now]
        if len(base.people) == len(snapshot.people) and all(one.id == now.id for one, now in other):  # nobody came or went
            differing = {one.id for one, now in other if one != now}
        else:
            before, after = {one.id: one for one in base.people}, {one.id: one for one in snapshot.people}
            differing = {id_ for id_ in before.keys() | after.keys() if before.get(id_) != after.get(id_)}
        asked = hint.people | differing
        changed = {} if snapshot.as_of is None else dict.fromkeys(asked, snapshot.as_of)
        return cls(snapshot.read_at, snapshot.view, asked, snapshot.people, snapshot.groups, changed, snapshot.as_of)
