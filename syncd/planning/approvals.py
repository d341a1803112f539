"""What may pass a tripped guard: exactly the reviewed effects, once each, while the approval runs."""

from __future__ import annotations

from collections.abc import Sequence

from syncd.model import Decision, Guard, RecordedPlan, Verdict
from syncd.planning.guards import NOT_APPROVABLE, READ_GUARDS, Facts, holds_effect

#: Digits of a plan digest that must be given at least: 12 hexadecimal digits are 48 bits.
DIGEST_PREFIX_MIN = 8


def held_by(effect: Decision, verdicts: tuple[Verdict, ...], facts: Facts) -> list[Guard]:
    """The tripped guards that hold this effect and that no approval lets it pass.

    A tripped read guard holds every effect, reviewed or not: its approval accepts the value that was measured then, so one
    that trips all the same has measured less.
    """
    return [
        verdict.guard
        for verdict in verdicts
        if holds_effect(verdict, effect)
        and (verdict.guard in READ_GUARDS | NOT_APPROVABLE or not facts.covering(effect, verdict.guard))
    ]


def approval_for(effect: Decision, facts: Facts) -> str:
    """The approval an effect goes under, if any: it is used up with it and does not count in later sums. One that reviewed the
    effect comes before one that merely showed the account on its way: that covers it for its guard alone, and it counts."""
    found = [id_ for guard in Guard if guard not in NOT_APPROVABLE and (id_ := facts.covering(effect, guard))]
    return next((id_ for id_ in found if _reviewed(id_, effect, facts)), found[0] if found else "")


def _reviewed(id_: str, effect: Decision, facts: Facts) -> bool:
    given = facts.history.approvals.get(id_)
    return id_ in facts.history.announced or (given is not None and effect.key in given.effects)


def accepts(plan: RecordedPlan, guards: Sequence[Guard]) -> dict[str, float | str]:
    """The measured values that become baselines when a plan is approved for these guards: those, and nothing below."""
    return {name: value for guard in guards for name, value in plan.accepts.get(guard.value, {}).items()}


def refused(plan: RecordedPlan, guards: Sequence[Guard]) -> list[Guard]:
    """Those of the guards that this plan cannot be approved for. A guard of the rule "never" may have measured something
    that a person can answer for (some sentinels of several): then the plan says what approving it accepts."""
    return [guard for guard in guards if guard in NOT_APPROVABLE and guard.value not in plan.accepts]
