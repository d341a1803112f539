"""``schedule.windows`` as the calendar that cycles ask, and what is wrong with one as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.config.models import Config
from syncd.config.values import Fault, duration, spelled
from syncd.model import Action, Reason
from syncd.planning.windows import KNOWN_LEAVERS, LEAVING, Window, Windows

#: From when on a calendar is looked through: two years from here hold a leap day and every kind of week.
_FROM = datetime(2027, 6, 1, tzinfo=UTC)


def windows_of(config: Config) -> Windows:
    """When cycles may make changes, with the defaults filled in: a denial is about deactivations and lets known leavers go;
    an allowance is about both directions."""
    return Windows(tuple(
        _window(one.kind, one.cron, one.duration, one.timezone or config.schedule.timezone, one.applies_to, one.except_)
        for one in config.schedule.windows))


def windows_given(written: Any, timezone: str) -> Windows:
    """The same from the file as it is written. Raises Fault, KeyError, TypeError or ValueError where something in it is wrong
    by itself, which is said elsewhere."""
    return Windows(tuple(
        _window(one["kind"], one["cron"], duration(one["duration"]), one.get("timezone") or timezone, one.get("applies_to"),
                one.get("except"))
        for one in written or ()))


def _window(kind: str, cron: str, lasts: timedelta, timezone: str, applies_to: Any, exempt: Any) -> Window:
    denies = {"deny": True, "allow": False}[kind]
    actions = applies_to if applies_to is not None else ("deactivate",) if denies else ("deactivate", "reactivate")
    reasons = frozenset(map(Reason, exempt)) if exempt is not None else KNOWN_LEAVERS if denies else frozenset()
    return Window(denies, cron, lasts, timezone, frozenset(map(Action, actions)), reasons)


def calendar_faults(windows: Windows) -> Iterator[tuple[int, str, str]]:
    """(place of the window, what is wrong, what to do) of windows that are always or never open."""
    for place, window in enumerate(windows.windows):
        alone = Windows((window,))
        reason = next(one for one in (*LEAVING, Reason.ENTITLED_AGAIN) if one not in window.exempt) if len(
            window.exempt) < len(LEAVING) + 1 else None
        if reason is None:
            yield place, "excepts every reason, so it says nothing", "remove it, or shorten except"
            continue
        action = min(window.applies_to, default=None)
        if action is None:
            yield place, "applies to nothing", "name deactivate, reactivate or both"
        elif window.denies and alone.next_opening(action, reason, _FROM) is None:
            yield place, "never opens: the next one begins before this one ends", "shorten duration, or begin less often"
        elif not window.denies and next(alone.closings(action, reason, _FROM, _FROM + timedelta(days=800)), None) is None:
            yield place, "is always open, so it allows nothing in particular", "shorten duration, or remove it"
    for action in (Action.DEACTIVATE, Action.REACTIVATE):
        reason = Reason.ABSENT_FROM_DIRECTORY if action is Action.DEACTIVATE else Reason.ENTITLED_AGAIN
        mine = [place for place, window in enumerate(windows.windows) if window.covers(action, reason)]
        if len(mine) > 1 and windows.next_opening(action, reason, _FROM) is None:
            yield mine[-1], f"together with the others it leaves no time to {action.value} anybody", "leave an opening"


def longest_denials(windows: Windows) -> Mapping[Reason, timedelta]:
    """For each reason to deactivate: the longest time in which it may not be done."""
    return {reason: windows.longest_denial(Action.DEACTIVATE, reason, _FROM) for reason in LEAVING}


def promise_fault(windows: Windows, promise: timedelta, graces: Mapping[Reason, timedelta], interval: timedelta) -> str:
    """Why a promise cannot be kept under these windows, or nothing: grace, twice the interval and the longest denial."""
    denials = longest_denials(windows)
    reason = max(LEAVING, key=lambda one: graces[one] + denials[one])
    needed = graces[reason] + 2 * interval + denials[reason]
    if not denials[reason] or needed <= promise:
        return ""
    return (f"the promise of {spelled(promise)} cannot be kept: grace {spelled(graces[reason])} + twice the interval "
            f"{spelled(interval)} + {spelled(denials[reason])} in which {reason.value} is denied = {spelled(needed)}")


__all__ = ["Fault", "calendar_faults", "longest_denials", "promise_fault", "windows_given", "windows_of"]
