"""Licences in a cycle's report: how many its deactivations set free. Zoom takes every licence with a deactivation and gives
none back by itself."""

from __future__ import annotations

from syncd.model import Action, CycleReport, OutcomeKind, licence_word

_LICENSED = licence_word(2)


def released_in(report: CycleReport) -> int:
    """How many licences the cycle set free, as the looks after its changes showed."""
    count = 0
    for effect in report.plan.effects if report.plan is not None else ():
        outcome = report.outcomes.get(effect.key)
        if effect.action is Action.DEACTIVATE and outcome is not None and outcome.outcome is OutcomeKind.DONE:
            count += licence_word(effect.account.type) == _LICENSED and outcome.licence_after not in (None, _LICENSED)
    return count
