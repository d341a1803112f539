"""An Entra tenant: objects, memberships, the recycle bin, and a journal of every change. No HTTP.

    tenant = EntraTenant([a_person("ann@corp.example"), a_group("Zoom Users")], {"Zoom Users": ["ann@corp.example"]}, now=now)
    tenant.update("ann@corp.example", account_enabled=False)     # disabled, still a member
    tenant.leave("Zoom Users", "ann@corp.example")               # out of the group, still a user
    tenant.delete("ann@corp.example")                            # soft-deleted: in the recycle bin, memberships kept
    tenant.restore(...) / tenant.purge(...)                      # back with its memberships / gone for good

Objects are named by id, user principal name, mail or display name. The journal lets a replica be some time behind
(``as_of``) and delta queries tell what happened since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from syncd.lab.entra.objects import EntraGroup, EntraUser, Thing, guid

#: Microsoft's clouds: sign-in host and Graph root. A tenant is in one of them.
CLOUDS: Mapping[str, tuple[str, str]] = {
    "public": ("login.microsoftonline.com", "https://graph.microsoft.com"),
    "us_gov": ("login.microsoftonline.us", "https://graph.microsoft.us"),
    "us_dod": ("login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": ("login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
}


class Kind(StrEnum):
    """What can happen to an object, or (JOINED, LEFT) between a group and a member."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"  # soft: into the recycle bin
    RESTORED = "restored"
    PURGED = "purged"  # for good
    JOINED = "joined"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the journal. *id* is the object's, or the group's with *member* beside it."""

    at: datetime
    kind: Kind
    id: str
    before: Thing | None = None
    after: Thing | None = None
    member: str = ""


@dataclass
class State:
    """The tenant at one moment."""

    objects: dict[str, Thing] = field(default_factory=dict)
    bin: dict[str, Thing] = field(default_factory=dict)  # soft-deleted
    members: dict[str, dict[str, None]] = field(default_factory=dict)  # of a group, direct, in the order of joining
    parents: dict[str, dict[str, None]] = field(default_factory=dict)  # groups a member is directly in

    def copy(self) -> State:
        """An independent copy."""
        return State(
            dict(self.objects),
            dict(self.bin),
            {key: dict(value) for key, value in self.members.items()},
            {key: dict(value) for key, value in self.parents.items()},
        )

    def link(self, group: str, member: str) -> None:
        """Puts a member into a group."""
        self.members.setdefault(group, {})[member] = None
        self.parents.setdefault(member, {})[group] = None

    def unlink(self, group: str, member: str) -> None:
        """Takes a member out of a group."""
        self.members.get(group, {}).pop(member, None)
        self.parents.get(member, {}).pop(group, None)

    def apply(self, change: Change) -> None:
        """Carries *change* out."""
        if change.kind is Kind.JOINED:
            self.link(change.id, change.member)
        elif change.kind is Kind.LEFT:
            self.unlink(change.id, change.member)
        else:
            self._put(change.id, change.after)

    def undo(self, change: Change) -> None:
        """Takes *change* back; only the latest one can be."""
        if change.kind is Kind.JOINED:
            self.unlink(change.id, change.member)
        elif change.kind is Kind.LEFT:
            self.link(change.id, change.member)
        else:
            self._put(change.id, change.before)

    def _put(self, id_: str, thing: Thing | None) -> None:
        if thing is None or thing.deleted_date_time:
            self.objects.pop(id_, None)
        if thing is None or not thing.deleted_date_time:
            self.bin.pop(id_, None)
        if thing is not None:  # in place, so that a change does not move it in a list
            (self.bin if thing.deleted_date_time else self.objects)[id_] = thing

    def of(self, type_: type[Thing]) -> Iterator[Thing]:
        """The objects of one type that are not deleted."""
        return (thing for thing in self.objects.values() if isinstance(thing, type_))

    def below(self, group: str, *, through: Callable[[str], bool] = lambda _: True) -> list[str]:
        """Ids of everything in *group* on any level, nested groups included, each once. *through*: which groups are opened."""
        found: dict[str, None] = {}
        open_ = [group] if through(group) else []
        seen = {group}
        while open_:
            for member in self.members.get(open_.pop(), ()):
                found[member] = None
                if member not in seen and isinstance(self.objects.get(member), EntraGroup):
                    seen.add(member)
                    if through(member):
                        open_.append(member)
        return list(found)

    def above(self, member: str, *, through: Callable[[str], bool] = lambda _: True) -> set[str]:
        """Ids of every group *member* is in, directly or through others. *through*: which memberships may be looked at."""
        found: set[str] = set()
        open_ = [member]
        while open_:
            for group in self.parents.get(open_.pop(), ()):
                if group not in found and group in self.objects and through(group):
                    found.add(group)
                    open_.append(group)
        return found


class EntraTenant:
    """One tenant and everything that ever happened in it. Change it through its methods only."""

    def __init__(
        self,
        objects: Iterable[Thing] = (),
        members: Mapping[str, Iterable[str]] | None = None,
        *,
        now: Callable[[], datetime],
        id_: str = "",
        domains: tuple[str, ...] = ("corp.example", "corpexample.onmicrosoft.com"),
        cloud: str = "public",
    ) -> None:
        self.id = id_ or guid(f"tenant {domains[0]}")
        self.domains = domains
        self.cloud = cloud
        self.managers: dict[str, str] = {}  # user -> who manages them, by id; Graph tells both while they exist
        self.state = State()
        self.journal: list[Change] = []
        self.now = now
        self._names: dict[str, str] = {}
        self._past: tuple[tuple[int, int], State] | None = None
        for thing in objects:
            self.state.objects[thing.id] = thing
            self._name(thing)
        for group, names in (members or {}).items():
            group_id = self.resolve(group)
            for name in names:
                self.state.link(group_id, self.resolve(name))

    # --------------------------------------------------------------------------------------------------- looking

    def resolve(self, name: str) -> str:
        """The id behind an id, UPN, mail or display name. Raises KeyError."""
        if name in self.state.objects or name in self.state.bin:
            return name
        return self._names[name.lower()]

    def user(self, name: str) -> EntraUser:
        """The user, deleted ones included. Raises KeyError."""
        thing = self._thing(name)
        if not isinstance(thing, EntraUser):
            raise KeyError(name)
        return thing

    def group(self, name: str) -> EntraGroup:
        """The group, deleted ones included. Raises KeyError."""
        thing = self._thing(name)
        if not isinstance(thing, EntraGroup):
            raise KeyError(name)
        return thing

    def members_of(self, group: str) -> list[str]:
        """Ids of the direct members, those in the recycle bin included."""
        return list(self.state.members.get(self.resolve(group), ()))

    @property
    def user_count(self) -> int:
        """How many users there are."""
        return sum(isinstance(thing, EntraUser) for thing in self.state.objects.values())

    def visible(self, moment: datetime | None) -> int:
        """How many lines of the journal a replica knows that is as old as *moment* (None: up to date)."""
        if moment is None or not self.journal or self.journal[-1].at <= moment:
            return len(self.journal)
        return next(number for number, change in enumerate(self.journal) if change.at > moment)

    def as_of(self, moment: datetime | None) -> State:
        """The tenant as a replica shows it that is as old as *moment* (None: up to date). Not to be changed."""
        known, count = self.visible(moment), len(self.journal)
        if known == count:
            return self.state
        if self._past is None or self._past[0] != (known, count):
            state = self.state.copy()
            for change in reversed(self.journal[known:]):
                state.undo(change)
            self._past = ((known, count), state)
        return self._past[1]

    # -------------------------------------------------------------------------------------------------- changing

    def add(self, *things: Thing) -> None:
        """New objects. Raises ValueError: an id is taken."""
        for thing in things:
            if thing.id in self.state.objects or thing.id in self.state.bin:
                raise ValueError(f"id {thing.id} is taken")
            self._record(Kind.CREATED, thing.id, None, thing)

    def update(self, name: str, **fields: Any) -> None:
        """Sets fields of an object that is not deleted, e.g. ``account_enabled=False``."""
        before = self.state.objects[self.resolve(name)]
        after: Thing = replace(before, **fields)
        if after != before:
            self._record(Kind.UPDATED, before.id, before, after)

    def join(self, group: str, *names: str) -> None:
        """Adds members. Those already in are passed over."""
        group_id = self.resolve(group)
        for member in map(self.resolve, names):
            if member not in self.state.members.get(group_id, {}):
                self._record(Kind.JOINED, group_id, member=member)

    def leave(self, group: str, *names: str) -> None:
        """Removes members. Those not in are passed over."""
        group_id = self.resolve(group)
        for member in map(self.resolve, names):
            if member in self.state.members.get(group_id, {}):
                self._record(Kind.LEFT, group_id, member=member)

    def delete(self, name: str) -> None:
        """Deletes as an administrator does. Users and Microsoft 365 groups go into the recycle bin for 30 days, memberships
        kept, a user's id without dashes in front of their UPN; everything else, security groups included, is gone at once."""
        before = self.state.objects[self.resolve(name)]
        if not isinstance(before, EntraUser) and not (isinstance(before, EntraGroup) and before.unified):
            self.purge(before.id)
            return
        fields: dict[str, Any] = {"deleted_date_time": self.now()}
        if isinstance(before, EntraUser):
            fields["user_principal_name"] = before.id.replace("-", "") + before.user_principal_name
        self._record(Kind.DELETED, before.id, before, replace(before, **fields))

    def restore(self, name: str) -> None:
        """Takes something out of the recycle bin again."""
        before = self.state.bin[self.resolve(name)]
        fields: dict[str, Any] = {"deleted_date_time": None}
        if isinstance(before, EntraUser):
            fields["user_principal_name"] = before.user_principal_name.removeprefix(before.id.replace("-", ""))
        self._record(Kind.RESTORED, before.id, before, replace(before, **fields))

    def purge(self, name: str) -> None:
        """Deletes for good, from the recycle bin or at once; its memberships end with it."""
        id_ = self.resolve(name)
        for group in list(self.state.parents.get(id_, ())):
            self._record(Kind.LEFT, group, member=id_)
        for member in list(self.state.members.get(id_, ())):
            self._record(Kind.LEFT, id_, member=member)
        before = self.state.objects.get(id_) or self.state.bin[id_]
        self._record(Kind.PURGED, id_, before, None)

    # --------------------------------------------------------------------------------------------------- journal

    def _record(self, kind: Kind, id_: str, before: Thing | None = None, after: Thing | None = None, member: str = "") -> None:
        change = Change(self.now(), kind, id_, before, after, member)
        self.state.apply(change)
        self.journal.append(change)
        if after is not None:
            self._name(after)

    def _thing(self, name: str) -> Thing:
        id_ = self.resolve(name)
        return self.state.objects.get(id_) or self.state.bin[id_]

    def _name(self, thing: Thing) -> None:
        """An address leads to whoever bore it last, also when they have another one now; a display name to the first."""
        for name in (getattr(thing, "mail", None), getattr(thing, "user_principal_name", None)):
            if name:
                self._names[name.lower()] = thing.id
        if thing.display_name:
            self._names.setdefault(thing.display_name.lower(), thing.id)
