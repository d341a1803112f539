"""What each guard is: whether it judges a read, what it holds, and whether a person may let a plan pass it.

The one place that says so. What a guard measures stands in ``reads.py``, ``sizes.py`` and ``safety.py``; in which order they
are asked, and by whom, in ``chains.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.model import EFFECTS, Action, Decision, Guard, Verdict


@dataclass(frozen=True, slots=True)
class Traits:
    """*read*: tripped, the read is no good one. *holds*: which kinds of change wait. *approvable*: a reviewed plan may pass."""

    read: bool = False
    holds: frozenset[Action] = EFFECTS
    approvable: bool = True


_OFF, _ON = frozenset({Action.DEACTIVATE}), frozenset({Action.REACTIVATE})

TRAITS: Mapping[Guard, Traits] = {
    Guard.DIRECTORY_EMPTY: Traits(read=True, approvable=False),
    Guard.DIRECTORY_SHRUNK: Traits(read=True),
    Guard.GROUP_EMPTIED: Traits(read=True),
    Guard.GROUP_REPLACED: Traits(read=True),
    Guard.DIRECTORY_STALE: Traits(read=True),
    Guard.SENTINEL_MISSING: Traits(read=True, approvable=False),  # unless others of them are seen: its verdict says so
    Guard.MATCH_RATE: Traits(read=True),
    Guard.NOTHING_IN_SCOPE: Traits(read=True),
    Guard.ZOOM_EMPTY: Traits(read=True, approvable=False),
    Guard.CLOCK_SKEW: Traits(read=True, approvable=False),
    Guard.PROTECTED_IN_PLAN: Traits(approvable=False),
    Guard.LEDGER_BROKEN: Traits(approvable=False),
    Guard.LEDGER_NEW: Traits(approvable=False),
    Guard.LEDGER_ROLLED_BACK: Traits(approvable=False),
    Guard.PAUSED: Traits(approvable=False),
    Guard.MAX_DEACTIVATIONS: Traits(holds=_OFF),
    Guard.MAX_DEACTIVATIONS_PERCENT: Traits(holds=_OFF),
    Guard.MAX_DEACTIVATIONS_PER_DAY: Traits(holds=_OFF),
    Guard.MAX_DEACTIVATIONS_PER_30_DAYS: Traits(holds=_OFF),
    Guard.FLAPPING: Traits(holds=_OFF),
    Guard.POLICY_CHANGED: Traits(holds=_OFF),
    Guard.MAX_REACTIVATIONS: Traits(holds=_ON),
    Guard.MAX_REACTIVATIONS_PER_DAY: Traits(holds=_ON),
    Guard.HANDOVER: Traits(holds=frozenset()),  # of plans of handovers, which no cycle makes
}

#: Guards that say a read is not to be believed. A read that trips none of them is a good read.
READ_GUARDS = frozenset(guard for guard, traits in TRAITS.items() if traits.read)

#: Guards that no approval can pass, whatever they measured: what they see is wrong, not merely large.
NOT_APPROVABLE = frozenset(guard for guard, traits in TRAITS.items() if not traits.approvable)


def holds(guard: Guard, action: Action) -> bool:
    """Whether this guard, tripped, holds this kind of change."""
    return action in TRAITS[guard].holds


def holds_effect(verdict: Verdict, effect: Decision) -> bool:
    """Whether this verdict, tripped, holds this effect: by its guard's kind, and only what the verdict names, if it does."""
    return verdict.tripped and holds(verdict.guard, effect.action) and (verdict.only is None or effect.key in verdict.only)


def holds_everything(verdict: Verdict) -> bool:
    """Whether a verdict holds every change there could be."""
    return verdict.tripped and verdict.only is None and TRAITS[verdict.guard].holds == EFFECTS


def approvable(verdict: Verdict) -> bool:
    """Whether a person may let a plan pass in spite of this verdict."""
    return TRAITS[verdict.guard].approvable if verdict.approvable is None else verdict.approvable


def good_read(verdicts: tuple[Verdict, ...]) -> bool:
    """Whether none of the read guards tripped: only then may the read be remembered."""
    return not any(verdict.tripped for verdict in verdicts if verdict.guard in READ_GUARDS)
