"""``schedule.windows`` as the calendar that cycles ask, and what is wrong with one as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncd.model import Action, Reason
from syncd.planning.windows import AHEAD, KNOWN_LEAVERS, LEAVING, LOOKED_THROUGH, REASONS, Stretch, Window, Windows

if TYPE_CHECKING:
    from syncd.config.models import Config

#: The time over which a calendar is judged, whenever it is read.
_FROM = datetime(2027, 6, 1, tzinfo=UTC)
_UNTIL = _FROM + LOOKED_THROUGH


def windows_of(config: Config) -> Windows:
    """When cycles may make changes, with the defaults filled in: a denial is about deactivations and lets known leavers go;
    an allowance is about both directions."""
    return Windows(
        tuple(
            _window(one.kind, one.cron, one.duration, one.timezone or config.schedule.timezone, one.applies_to, one.except_)
            for one in config.schedule.windows
        )
    )


def windows_given(written: Any, timezone: str) -> Windows:
    """The same from the file as it is written. Raises Fault, KeyError, TypeError or ValueError where something in it is wrong
    by itself, which is said elsewhere."""
    from syncd.config.values import duration  # here and below: a daemon asks for the calendar alone

    return Windows(
        tuple(
            _window(
                one["kind"],
                one["cron"],
                duration(one["duration"]),
                one.get("timezone") or timezone,
                one.get("applies_to"),
                one.get("except"),
            )
            for one in written or ()
        )
    )


def _window(kind: str, cron: str, lasts: timedelta, timezone: str, applies_to: Any, exempt: Any) -> Window:
    denies = {"deny": True, "allow": False}[kind]
    actions = applies_to if applies_to is not None else ("deactivate",) if denies else ("deactivate", "reactivate")
    reasons = frozenset(map(Reason, exempt)) if exempt is not None else KNOWN_LEAVERS if denies else frozenset()
    return Window(denies, cron, lasts, timezone, frozenset(map(Action, actions)), reasons)


def calendar_faults(windows: Windows) -> Iterator[tuple[int, str, str]]:
    """(place of the window, what is wrong, what to do) of windows that are always or never open."""
    for place, window in enumerate(windows.windows):
        if what := _fault_alone(window):
            yield place, *what
    for action, reasons in REASONS.items():
        shut: dict[int, list[Reason]] = {}
        for reason, (denied, end) in _denials(windows, action, reasons).items():
            mine = [place for place, window in enumerate(windows.windows) if window.covers(action, reason)]
            if len(mine) > 1 and _never_opens(denied, end):
                shut.setdefault(mine[-1], []).append(reason)
        for place, these in shut.items():
            whom = "anybody" if len(these) == len(reasons) else f"for {', '.join(these)}"
            yield place, f"together with the others it leaves no time to {action.value} {whom}", "leave an opening"


def _fault_alone(window: Window) -> tuple[str, str] | None:
    """What is wrong with a window by itself, and what to do."""
    action = min(window.applies_to, default=None)
    if action is None:
        return "applies to nothing", "name deactivate, reactivate or both"
    reason = next((one for one in (*LEAVING, Reason.ENTITLED_AGAIN) if one not in window.exempt), None)
    if reason is None:
        return "excepts every reason, so it says nothing", "remove it, or shorten except"
    denied, end = Windows((window,)).denials(action, reason, _FROM, _UNTIL)
    if window.denies and _never_opens(denied, end):
        return "never opens: the next one begins before this one ends", "shorten duration, or begin less often"
    if not window.denies and not denied:
        return "is always open, so it allows nothing in particular", "shorten duration, or remove it"
    return None


def _never_opens(denied: Sequence[Stretch], end: datetime) -> bool:
    return len(denied) == 1 and denied[0][0] <= _FROM and denied[0][1] > end


def _denials(windows: Windows, action: Action, reasons: Sequence[Reason]) -> Mapping[Reason, tuple[Sequence[Stretch], datetime]]:
    """Of each reason; those that the same windows are about are looked at once."""
    known: dict[tuple[bool, ...], tuple[Sequence[Stretch], datetime]] = {}
    found = {}
    for reason in reasons:
        about = tuple(window.covers(action, reason) for window in windows.windows)
        if about not in known:
            known[about] = windows.denials(action, reason, _FROM, _UNTIL)
        found[reason] = known[about]
    return found


def longest_denials(windows: Windows) -> Mapping[Reason, timedelta]:
    """For each reason to deactivate: the longest time in which it may not be done."""
    return {
        reason: max((until - since for since, until in denied), default=timedelta(0))
        for reason, (denied, _) in _denials(windows, Action.DEACTIVATE, LEAVING).items()
    }


def promise_fault(windows: Windows, promise: timedelta, graces: Mapping[Reason, timedelta], interval: timedelta) -> str:
    """Why a promise cannot be kept under these windows, or nothing: grace, twice the interval and the longest denial."""
    denials = {reason: lasts for reason, lasts in longest_denials(windows).items() if lasts <= AHEAD}  # else: it never opens
    reason = max(denials, key=lambda one: graces[one] + denials[one], default=None)
    if reason is None:
        return ""
    needed = graces[reason] + 2 * interval + denials[reason]
    if not denials[reason] or needed <= promise:
        return ""
    from syncd.config.values import spelled

    return (
        f"the promise of {spelled(promise)} cannot be kept: grace {spelled(graces[reason])} + twice the interval "
        f"{spelled(interval)} + {spelled(denials[reason])} in which {reason.value} is denied = {spelled(needed)}"
    )


__all__ = ["calendar_faults", "longest_denials", "promise_fault", "windows_given", "windows_of"]
