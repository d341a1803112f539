"""What ``syncd check`` says about Zoom: token, every scope and what it is for, roles, groups, clock. Changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from syncd.errors import SyncdError
from syncd.zoom import scopes
from syncd.zoom.scopes import OPERATIONS, Operation, allowed

Line = tuple[str, bool, str]

#: What only shows more; nothing is ever decided by it.
OPTIONAL = frozenset({scopes.PLAN_USAGE, scopes.LIST_MEETINGS, scopes.LIST_RECORDINGS})


class Asked(Protocol):
    """What is asked: the Zoom adapter."""

    @property
    def granted_scopes(self) -> frozenset[str] | None:
        """Scopes of the latest token; None before the first one, or when Zoom did not tell."""

    @property
    def clock_offset_seconds(self) -> float | None:
        """Zoom's clock minus ours, in seconds; None: nothing was answered yet."""

    async def get_token(self) -> None:
        """Fetches a fresh token. Raises SourceError, CredentialsRefused."""

    async def read_roles(self) -> dict[str, str]:
        """Role id -> name. Raises SourceError, SetupError."""

    async def read_groups(self) -> dict[str, str]:
        """Group id -> name. Raises SourceError, SetupError."""

    async def check_operation_log(self) -> int:
        """Lines of today on the first page of its log. Raises SourceError, SetupError."""

    async def check_events(self) -> str | None:
        """That events can be had, in words; None: they are not configured. Raises SourceError."""


class Expected(Protocol):
    """What the configuration needs."""

    @property
    def required_groups(self) -> tuple[str, ...]:
        """Names of groups that the configuration needs."""

    @property
    def writes(self) -> bool:
        """Whether accounts are changed."""

    @property
    def restores_licences(self) -> bool:
        """Whether licences are given back."""

    @property
    def revokes_sessions(self) -> bool:
        """Whether sessions are ended."""

    @property
    def max_clock_skew_seconds(self) -> float:
        """How far apart the clocks may be, in seconds."""

    @property
    def operation_log(self) -> bool:
        """Whether Zoom's log is asked what others changed."""


async def check(zoom: Asked, expected: Expected) -> Sequence[Line]:
    """The lines, in the order in which things are needed. Without a token nothing else can be looked at."""
    try:
        await zoom.get_token()
    except SyncdError as error:
        return [_trouble("zoom token", error)]
    lines: list[Line] = [("zoom token", True, "granted")]
    lines += scope_lines(zoom.granted_scopes, needed(expected))
    lines.append(await _names("zoom roles", zoom.read_roles))
    if expected.required_groups:
        lines.append(await _names("zoom groups", zoom.read_groups))
    if expected.operation_log:
        lines.append(await _operation_log(zoom))
    try:
        connected = await zoom.check_events()
        lines += [("zoom events", True, connected)] if connected is not None else []
    except SyncdError as error:
        lines.append(_trouble("zoom events", error))
    lines.append(_clock(zoom.clock_offset_seconds, expected.max_clock_skew_seconds))
    return lines


def needed(expected: Expected) -> frozenset[str]:
    """Names of the operations this configuration makes use of. A dry run needs no write."""
    wanted: Mapping[Operation, bool] = {
        scopes.LIST_USERS: True,
        scopes.LIST_ROLES: True,
        scopes.LIST_GROUPS: bool(expected.required_groups),
        scopes.GET_USER: expected.writes,
        scopes.SET_STATUS: expected.writes,
        scopes.UPDATE_USER: expected.writes and expected.restores_licences,
        scopes.REVOKE_SESSIONS: expected.writes and expected.revokes_sessions,
        scopes.OPERATION_LOGS: expected.operation_log,
    }
    return frozenset(operation.name for operation, want in wanted.items() if want)


def scope_lines(granted: frozenset[str] | None, needed_names: frozenset[str]) -> list[Line]:
    """One line per scope: whether it is granted, and for what it is needed."""
    if granted is None:
        return [("zoom scopes", True, "Zoom did not tell which scopes the token has; a missing one shows when it is needed")]
    lines = []
    for operation in OPERATIONS:
        has, wants = allowed(operation, granted), operation.name in needed_names
        if operation in OPTIONAL:
            says = f"{'granted' if has else 'not granted'}, optional: {operation.purpose}"
        elif has:
            says = f"granted, {operation.purpose}" + ("" if wants else " (not needed by this configuration)")
        elif wants:
            says = f"missing, needed {operation.purpose}: add it (classic apps: {operation.classic}) to the app"
        else:
            says = f"not granted, and not needed by this configuration ({operation.purpose})"
        lines.append((f"zoom scope {operation.scope}", has or not wants, says))
    return lines


async def _names(what: str, read: Callable[[], Awaitable[dict[str, str]]]) -> Line:
    try:
        found = await read()
    except SyncdError as error:
        return _trouble(what, error)
    names = sorted(found.values())
    return what, True, f"{len(names)} found: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}"


async def _operation_log(zoom: Asked) -> Line:
    """It is evidence only: cycles go on without it."""
    try:
        lines = await zoom.check_operation_log()
    except SyncdError as error:
        return _trouble("zoom operation log", error)
    return "zoom operation log", True, f"may be read; {lines} lines of today on its first page"


def _clock(offset: float | None, skew_max: float) -> Line:
    if offset is None:
        return "zoom clock", True, "Zoom did not tell the time"
    fine = abs(offset) <= skew_max
    differs = f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine"
    if fine and abs(offset) > skew_max / 10:
        return "zoom clock", True, f"warning: {differs}; the guard holds everything from {skew_max:.0f} s on: set clocks by NTP"
    return "zoom clock", fine, differs + ("" if fine else f", more than {skew_max:.0f} s: set this machine's clock")


def _trouble(what: str, error: SyncdError) -> Line:
    return what, False, f"{error.what} {error.do}".strip()
