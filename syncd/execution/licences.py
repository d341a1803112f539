"""Licences as seats: how many are free before somebody is brought back, and whether a deactivation set one free.

Zoom takes every licence with a deactivation and gives none back by itself, so both are money. Counting free seats needs a
scope of its own that is optional: whatever cannot be known is None, and nothing ever waits for it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from syncd.errors import ConfigError, SourceError
from syncd.model import Action, Decision, EffectOutcome, OutcomeKind, Plan, licence_word

#: Zoom's type of a user who takes a paid seat.
LICENSED = 2


@runtime_checkable
class CountsSeats(Protocol):
    """A Zoom that can tell how many licences are bought and not in use."""

    async def free_licences(self) -> int | None:
        """So many, or None when the app may not know. Raises SourceError."""


async def free_before(plan: Plan, zoom: object) -> int | None:
    """Licences free before *plan* is carried out; None when it reactivates nobody or the number cannot be known."""
    if not plan.counts[Action.REACTIVATE] or not isinstance(zoom, CountsSeats):
        return None
    try:
        return await zoom.free_licences()
    except (SourceError, ConfigError):          # whatever this is, the changes themselves meet it and say so
        return None


def released(decision: Decision, outcome: EffectOutcome | None) -> bool:
    """Whether a deactivation set a seat free, as a look after it showed."""
    return (
        decision.action is Action.DEACTIVATE and decision.account.type == LICENSED and outcome is not None
        and outcome.outcome is OutcomeKind.DONE and outcome.licence_after not in (None, licence_word(LICENSED))
    )
