"""Which guards are asked, in which order, and by whom. A guard is one function; chains share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from syncd.model import Plan, Verdict
from syncd.planning.guards import reads, safety, sizes
from syncd.planning.guards.facts import Facts, HandFacts, Situation
from syncd.planning.guards.table import approvable

READ_CHAIN: tuple[Callable[[Facts], Verdict], ...] = (
    reads.directory_empty,
    reads.directory_shrunk,
    reads.group_emptied,
    reads.group_replaced,
    reads.directory_stale,
    reads.sentinel_missing,
    reads.match_rate,
    reads.nothing_in_scope,
    reads.zoom_empty,
    reads.clock_skew,
)

PLAN_CHAIN: tuple[Callable[[Facts], Verdict], ...] = (
    safety.protected_in_plan,
    safety.ledger_broken,
    safety.ledger_new,
    safety.ledger_rolled_back,
    safety.paused,
    sizes.max_deactivations,
    sizes.max_deactivations_percent,
    sizes.max_deactivations_per_day,
    sizes.max_deactivations_per_30_days,
    safety.flapping,
    safety.policy_changed,
    sizes.max_reactivations,
    sizes.max_reactivations_per_day,
)

#: Every guard, in the order of documents: those on reads first, then those on state and plan.
CYCLE_GUARDS = READ_CHAIN + PLAN_CHAIN

#: What a person's own changes are judged by: they need no directory read.
HAND_GUARDS: tuple[Callable[[Situation], Verdict], ...] = (
    safety.ledger_broken,
    safety.paused,
    safety.protected_in_plan,
    sizes.max_deactivations,
    sizes.max_deactivations_percent,
    sizes.max_deactivations_per_day,
    sizes.max_deactivations_per_30_days,
    sizes.max_reactivations,
    sizes.max_reactivations_per_day,
)

#: A handover changes no status: its plan is approved by itself, and only what stops everything stops it.
HANDOVER_GUARDS: tuple[Callable[[Situation], Verdict], ...] = (safety.ledger_broken, safety.paused, safety.protected_in_plan)


class Judgement(NamedTuple):
    """A plan bound to what its read guards measured, and every guard's verdict."""

    plan: Plan
    verdicts: tuple[Verdict, ...]


def judge(facts: Facts) -> Judgement:
    """Every guard's verdict, in a fixed order. The plan's digest covers what tripped read guards measured, so they come
    first; each tripped guard that can be approved says the one command that passes all of them."""
    of_read = tuple(guard(facts) for guard in READ_CHAIN)
    plan = facts.plan.accepting(accepted_by(of_read))
    bound = facts.bound_to(plan)
    verdicts = of_read + tuple(guard(bound) for guard in PLAN_CHAIN)
    command = approval_command(plan, verdicts)
    return Judgement(plan, tuple(replace(one, do=f"{one.do} {command}") if command and one.tripped else one for one in verdicts))


def judge_by_hand(facts: HandFacts) -> tuple[Verdict, ...]:
    """What holds a person's own changes."""
    return tuple(guard(facts) for guard in HAND_GUARDS)


def accepted_by(verdicts: Sequence[Verdict]) -> Mapping[str, Mapping[str, float | str]]:
    """Guard -> the values its approval would make the new baseline, for every tripped read guard that can be approved."""
    return {one.guard.value: dict(one.accepts) for one in verdicts if one.tripped and approvable(one) and one.accepts}


def approval_command(plan: Plan, verdicts: Sequence[Verdict]) -> str:
    """The one command that lets the plan pass everything that holds it; nothing when nothing is tripped, or something that
    cannot be approved."""
    tripped = [one for one in verdicts if one.tripped]
    if not tripped or not all(approvable(one) for one in tripped):
        return ""
    guards = " ".join(one.guard.value for one in tripped)
    return f"syncd approve --plan {plan.digest[:12]} --guard {guards} --by NAME --because TEXT"
