"""Reads both sides whole, side by side, or not at all."""

from __future__ import annotations

from msgspec import structs

from syncd.concurrency import both
from syncd.errors import ConfigError, SourceError
from syncd.events import ClockOffset, ZoomRead
from syncd.ledger.history import History
from syncd.model import ClockStanding, DirectorySnapshot, GroupUse, Policy, ZoomAccount, ZoomSnapshot
from syncd.operations.dependencies import Dependencies, clocked
from syncd.planning.guards import group_measure


async def read_both(deps: Dependencies, cycle_id: str) -> tuple[DirectorySnapshot, ZoomSnapshot, float]:
    """Both snapshots, read side by side, and the seconds the directory took; the first failure ends both. Raises
    SourceError."""
    try:
        (directory, directory_seconds), (zoom, zoom_seconds) = await both(
            clocked(deps, cycle_id, "directory", deps.directory.read()), clocked(deps, cycle_id, "zoom", deps.zoom.read())
        )
    except ConfigError as error:  # a mounted secret that is gone for the moment
        raise SourceError("configuration", error.what, error.do) from None
    deps.tell(ZoomRead(cycle_id, zoom, zoom_seconds))
    clocks = (("zoom", zoom.clock_offset_seconds), (deps.directory_service or directory.source, directory.clock_offset_seconds))
    for service, offset in clocks:
        if offset is not None:
            deps.tell(ClockOffset(service, offset))
    return directory, zoom, directory_seconds


def as_listed(shown: ZoomAccount, zoom: ZoomSnapshot) -> ZoomAccount:
    """An account as a single read showed it, with what only a list tells of it: what protects it never gets lost."""
    listed = zoom.find(shown.zoom_id or "")
    if listed is None:
        return shown
    return structs.replace(
        shown,
        group_ids=tuple(dict.fromkeys((*listed.group_ids, *shown.group_ids))),
        room=shown.room or listed.room,
        department=shown.department or listed.department,
        last_login_at=shown.last_login_at or listed.last_login_at,
        created_at=shown.created_at or listed.created_at,
    )


def demand_groups(directory: DirectorySnapshot, history: History) -> None:
    """A group that nothing shows to exist is a missing one, not an empty one, unless it is known to have had members (then
    ``group-emptied`` judges it). A missing leaver group only means that nobody left. Raises SourceError."""
    for group in directory.groups if directory.people else ():  # nobody at all: directory-empty says so
        if group.exists or group.use in (GroupUse.LEAVERS, GroupUse.HOLDING):
            continue
        if group_measure(group) not in history.measures:
            raise SourceError(
                "directory",
                f"the {group.use.value} group {group.name!r} is configured, but the directory knows no such group",
                "Correct its name in the configuration, or take it out if it is not needed.",
            )


def clock_standing(offset_seconds: float | None, policy: Policy) -> ClockStanding:
    """What Zoom's time, asked now, says of this machine's clock; nothing when it told none."""
    if offset_seconds is None:
        return ClockStanding.UNASKED
    wrong = abs(offset_seconds) > policy.limits.max_clock_skew.total_seconds()
    return ClockStanding.REFUTED if wrong else ClockStanding.VERIFIED


async def ask_clock(deps: Dependencies, policy: Policy) -> None:
    """For a person's verb: what it writes down is marked, or refused, by what Zoom says of this machine's clock."""
    offset = await deps.zoom.ask_clock()
    deps.ledger.clock_is(ClockStanding.UNKNOWN if offset is None else clock_standing(offset, policy))
