"""Members of the configured groups of which nothing may be concluded: what the operator said, and what to say to them. Pure but
for the question which domains are trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncd.directories.active_directory.foreign import Trusts, means_anybody, shown
from syncd.directories.active_directory.members import Stray
from syncd.directories.active_directory.settings import ActiveDirectorySettings
from syncd.errors import SourceError

NAMED_MAX = 5


def unresolved_of(strays: Iterable[Stray], settings: ActiveDirectorySettings, trusts: Trusts) -> tuple[str, ...]:
    """The names of members that make unmatched accounts unclear. Raises SourceError when the operator wants none of a kind, and
    for stand-ins that mean whoever logs on, whatever they want."""
    everybody: list[Stray] = []
    foreign: list[Stray] = []
    lost: list[Stray] = []
    for stray in strays:
        if stray.sid in settings.ignored_sids and not means_anybody(stray.sid):
            continue
        kind = lost if not stray.sid else everybody if means_anybody(stray.sid) else foreign
        kind.append(stray)
    if everybody:
        raise SourceError(
            "directory",
            f"{_named([f'{shown(one.sid)} is a member of {one.group}' for one in everybody])}: that is whoever logs "
            "on, and no list of people",
            "Take it out of the group and put people or groups of people into it.",
        )
    if foreign and settings.foreign_members == "refuse":
        raise _foreign(foreign, trusts)
    if lost and settings.unresolved_members == "refuse":
        raise SourceError(
            "directory",
            f"{len(lost)} member(s) of the groups cannot be found or read: "
            f"{_named([f'{one.dn} (in {one.group}) {one.why}' for one in lost])}",
            "Let the bind account read these objects, take them out of the groups, or set unresolved_members: unknown.",
        )
    kept = lost if settings.foreign_members == "elsewhere" else [*lost, *foreign]
    return tuple(stray.dn for stray in kept)


def _foreign(foreign: Sequence[Stray], trusts: Trusts) -> SourceError:
    orphans = [one for one in foreign if not trusts.knows(one.sid)]
    rest = [one for one in foreign if trusts.knows(one.sid)]
    said, do = [], []
    if rest:
        said.append(
            f"{len(rest)} member(s) of the groups are accounts of another forest: "
            + _named([f"{one.sid} (in {one.group})" for one in rest])
        )
        do.append(
            "Set foreign_members: elsewhere if another instance looks after them, or unknown to keep every account that "
            "matches nobody; accounts that were deleted over there must be taken out of the groups."
        )
    if orphans:
        said.append(
            f"{len(orphans)} member(s) of the groups are orphans, of a domain that no trust leads to (any more): "
            + _named([f"{one.sid} (in {one.group})" for one in orphans])
        )
        do.append("Take the orphans out of the groups; nobody can log on as them.")
    return SourceError("directory", "; ".join(said), " ".join(do))


def _named(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - NAMED_MAX} more" if len(texts) > NAMED_MAX else ""
    return "; ".join(texts[:NAMED_MAX]) + more
