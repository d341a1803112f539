"""The configured groups and who is in them, read from the groups down so that the way to everybody is known.

A group is found once, by object id or unique display name, and known by its id from then on; one that is missing, ambiguous,
hidden from us or not kept up by Entra makes the read fail, because a group read as empty is a mass leaver. Devices, contacts
and service principals are nobody.
Source: https://learn.microsoft.com/en-us/graph/api/group-list-members
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from syncd.concurrency import side_by_side
from syncd.directories.entra.graph import MISSING_TRIES, PAGE_SIZE, Entry, Graph, quoted
from syncd.directories.entra.people import id_of, is_guid
from syncd.directories.entra.refusals import READ_GROUPS, READ_HIDDEN, granted, permission_missing
from syncd.directories.entra.settings import EntraSettings
from syncd.directories.membership import GroupNode
from syncd.errors import SourceError
from syncd.events import Noted
from syncd.model import GroupUse
from syncd.model.near import near_names
from syncd.ports import Tell
from syncd.reading import Complete, NotWhole

USER, GROUP = "#microsoft.graph.user", "#microsoft.graph.group"

#: Members of these types are nobody. Of one that is not known it is asked whether there is a user.
NOBODY = frozenset(f"#microsoft.graph.{name}" for name in ("device", "orgContact", "servicePrincipal"))

GROUP_ATTRIBUTES = "id,displayName,visibility,membershipRuleProcessingState,onPremisesProvisioningErrors"

#: accountEnabled and displayName are there to see whether users and groups may be read at all, the last two for groups.
MEMBER_ATTRIBUTES = "id,displayName,accountEnabled,visibility,membershipRuleProcessingState"

#: So many groups are looked up one by one, which tells best what is wrong; more are asked for in few requests.
ONE_BY_ONE_MAX = 6

#: Names that begin with as many letters of one that is not found are looked through for near ones.
NEAR_LETTERS = 3

#: Graph's limit for alternatives in one filter.
ALTERNATIVES_MAX = 15


@dataclass(frozen=True, slots=True)
class ConfiguredGroup:
    """A group the operator named, as found."""

    use: GroupUse
    id: str
    name: str
    entry: str  # as the configuration writes it


# ----------------------------------------------------------------------------------------------------------- finding


async def find_configured(
    graph: Graph, settings: EntraSettings, roles: Collection[str] | None, tell: Tell
) -> tuple[ConfiguredGroup, ...]:
    """Every configured group once per use, in the order of the configuration. Raises SourceError naming all those that
    are missing or ambiguous, ScopeMissing for hidden ones."""
    asked = list(dict.fromkeys(name.strip() for _, name in settings.configured()))
    entries = await _entries_named(graph, asked)
    found: dict[tuple[GroupUse, str], ConfiguredGroup] = {}
    problems: list[str] = []
    for use, raw in settings.configured():
        name = raw.strip()
        candidates = entries[name]
        if len(candidates) != 1:
            problem = (
                f"{name!r} does not exist or the app may not see it{await _near(graph, name)}"
                if not candidates
                else (f"{name!r} is the name of {len(candidates)} groups ({', '.join(sorted(map(id_of, candidates))[:5])})")
            )
            problems += [problem] if problem not in problems else []
            continue
        group = ConfiguredGroup(use, id_of(candidates[0]), name_of(candidates[0]), name)
        demand_visible(candidates[0], roles)
        _demand_kept_up(candidates[0])
        if candidates[0].get("onPremisesProvisioningErrors"):
            tell(Noted("group.synchronisation_troubled", "warning", {"group": group.id}))
        found.setdefault((use, group.id), group)
    if problems:
        raise SourceError(
            "directory",
            f"{len(problems)} configured group(s) cannot be read: {'; '.join(problems)}",
            "Correct the names in directory.entra and protect.directory_groups; an object id survives renames.",
        )
    return tuple(found.values())


async def _near(graph: Graph, name: str) -> str:
    """Which groups have a name like this one, as the end of a sentence; nothing when none has, or when that cannot be told: a
    hint never hides the finding."""
    begins = name[:NEAR_LETTERS].strip()
    if is_guid(name) or not begins:
        return ""
    params = {"$filter": f"startswith(displayName,{quoted(begins)})", "$select": "id,displayName", "$top": str(PAGE_SIZE)}
    try:
        page = await graph.page("group", "/groups", params)
    except (SourceError, NotWhole):
        return ""
    names = [str(entry.get("displayName")) for entry in page.value if entry.get("displayName")]
    close = near_names(name, names, 3)
    return f" (there is {', '.join(map(repr, close))})" if close else ""


async def _entries_named(graph: Graph, asked: Sequence[str]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {name: [] for name in asked}
    ids = [name for name in asked if is_guid(name)]
    names = [name for name in asked if not is_guid(name)]
    if len(asked) > ONE_BY_ONE_MAX:
        parts = [
            (attribute, several[start : start + ALTERNATIVES_MAX])
            for attribute, several in (("id", ids), ("displayName", names))
            for start in range(0, len(several), ALTERNATIVES_MAX)
        ]
    else:
        parts = [("displayName", [name]) for name in names]
    await side_by_side(_look_up(graph, attribute, part, found) for attribute, part in parts)
    # One by one, and a second question about those a list did not show.
    await side_by_side(_get(graph, id_, found) for id_ in ids if not found[id_])
    return found


async def _get(graph: Graph, id_: str, found: dict[str, list[Entry]]) -> None:
    entry = await graph.get("group", f"/groups/{id_}", {"$select": GROUP_ATTRIBUTES}, tries=MISSING_TRIES)
    found[id_] = [entry] if entry is not None else []


async def _look_up(graph: Graph, attribute: str, values: Sequence[str], found: dict[str, list[Entry]]) -> None:
    """Groups by id or name: Graph compares names without regard to case."""
    filter_ = " or ".join(f"{attribute} eq {quoted(value)}" for value in values)
    params = {"$filter": filter_, "$select": GROUP_ATTRIBUTES, "$top": str(PAGE_SIZE)}
    listed = await graph.whole("groups", lambda: graph.walk("group", "/groups", params, lambda entry: entry))
    entries = {id_of(entry): entry for entry in listed}
    for value in values:
        found[value] = [entry for entry in entries.values() if str(entry.get(attribute) or "").casefold() == value.casefold()]


def name_of(entry: Entry) -> str:
    """The group's name. Every group has one, so a null is a missing permission: raises ScopeMissing."""
    name = entry.get("displayName")
    if not isinstance(name, str) or not name:
        raise permission_missing(
            f"graph: the group {id_of(entry)} came without its attributes (null): the app may not read groups.", READ_GROUPS
        )
    return name


def demand_visible(entry: Entry, roles: Collection[str] | None) -> None:
    """Hidden memberships are left out without a word. Raises ScopeMissing unless the token surely allows them."""
    if entry.get("visibility") == "HiddenMembership" and not granted(READ_HIDDEN, roles):
        raise permission_missing(
            f"graph: the members of the group {name_of(entry)!r} ({id_of(entry)}) are hidden "
            "(HiddenMembership), and the app may not see them.",
            READ_HIDDEN,
        )


def _demand_kept_up(entry: Entry) -> None:
    """Raises SourceError for a dynamic group whose members are from another day."""
    state = entry.get("membershipRuleProcessingState")
    if state not in (None, "On"):
        raise SourceError(
            "directory",
            f"graph: Entra does not keep the dynamic group {name_of(entry)!r} up to date (its rule processing is {state!r}).",
            "Resume the processing of its rule in the Entra admin center, or name another group.",
        )


# -------------------------------------------------------------------------------------------------------------- down


class GroupsBelow:
    """Fills the graph from the configured groups down; lists of several groups are read side by side."""

    def __init__(self, graph: Graph, settings: EntraSettings, roles: Collection[str] | None) -> None:
        self.nodes: dict[str, GroupNode] = {}
        self.lists: list[Complete[str | Entry | None]] = []
        self.odd_types: dict[str, str] = {}  # member id -> a type that is none of those we know
        self.hidden: set[str] = set()  # members of type user without attributes (null)
        self.untyped: dict[str, str] = {}  # member id -> the group it stands in, of those without a type
        self._graph, self._settings, self._roles = graph, settings, roles

    async def read(self, configured: Sequence[ConfiguredGroup]) -> None:
        """Adds the groups and, when nested, every group below them. Raises SourceError."""
        waiting = {group.id: group.name for group in configured}
        while waiting:
            found = await side_by_side(self._read_one(id_, name) for id_, name in waiting.items())
            below = {id_: name for groups in found for id_, name in groups.items()}
            waiting = {id_: name for id_, name in below.items() if id_ not in self.nodes}

    async def _read_one(self, id_: str, name: str) -> dict[str, str]:
        """Reads one group; gives the groups directly in it."""
        members, groups = await self._graph.whole(f"members of {name!r}", lambda: self._members(id_))
        self.lists.append(members)
        self.nodes[id_] = GroupNode(id_, name, set(groups), {one for one in members if isinstance(one, str)})
        return groups

    async def _members(self, id_: str) -> tuple[Complete[str | Entry | None], dict[str, str]]:
        params = {"$select": MEMBER_ATTRIBUTES, "$top": str(PAGE_SIZE)}
        members = await self._graph.walk("members", f"/groups/{id_}/members", params, lambda entry: self._member(id_, entry))
        return members, await self._named(members)

    async def _named(self, members: Iterable[str | Entry | None]) -> dict[str, str]:
        """The names of groups within a group, after the same questions as for a configured one."""
        names: dict[str, str] = {}
        for entry in members:
            if not isinstance(entry, dict):
                continue
            id_ = id_of(entry)
            told = entry
            if "visibility" not in entry:  # not told here, so the group itself is asked for
                found: dict[str, list[Entry]] = {}
                await _get(self._graph, id_, found)
                if not found[id_]:
                    raise SourceError(
                        "directory",
                        f"graph members: the group {id_} is within another one, but cannot be found.",
                        "Nothing is concluded; the next cycle tries again.",
                    )
                told = found[id_][0]
            names[id_] = name_of(told)
            demand_visible(told, self._roles)
            _demand_kept_up(told)
        return names

    async def try_one(self, id_: str) -> None:
        """Whether a group's members can be read, judged by the first few. Raises what a read would raise, or NotWhole."""
        page = await self._graph.page("members", f"/groups/{id_}/members", {"$select": MEMBER_ATTRIBUTES, "$top": "10"})
        await self._named([self._member(id_, entry) for entry in page.value])

    def _member(self, group: str, entry: Entry) -> str | Entry | None:
        """The id of what may be a person, a group that is followed, or None for whatever is neither."""
        kind, id_ = entry.get("@odata.type"), id_of(entry)
        if kind == GROUP:
            return entry if self._settings.nested else None
        if kind in NOBODY:
            return None
        if not isinstance(kind, str):
            self.untyped[id_] = group
        elif kind != USER:
            self.odd_types[id_] = kind
        elif entry.get("accountEnabled") is None and entry.get("displayName") is None:
            self.hidden.add(id_)
        return id_
