"""Approving a plan of handovers: as any approval, of exactly the handovers it binds, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from syncd.errors import Held
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import HANDOVER, Approval, Guard, HandoverPlan, Policy, RecordedPlan
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.plan import plan_named
from syncd.planning.approved import only_authorised, people_of, required


@dataclass(frozen=True, slots=True)
class Agreement:
    """The approval as recorded; how many people approved this plan so far, of those that must."""

    approval: Approval
    plan: RecordedPlan
    people: int
    needed: int


async def approve_handover(
    deps: Dependencies,
    policy: Policy,
    history: History,
    given: Approval,
    lasts: timedelta,
    authorise: Callable[[Approval], Approval],
) -> Agreement:
    """Records *given* for the plan it names (by the beginning of its digest). Raises UsageError (no such plan, somebody who may
    not), Held (the policy changed since), LedgerError."""
    plan = plan_named(list(history.handover_plans.values()), given.plan_digest, deps.clock.now())
    if plan.policy_digest != policy.digest():
        raise Held(
            "the policy changed since this plan of handovers was made; nothing was approved", "Plan anew: syncd handover plan"
        )
    approval = authorise(
        Approval(
            given.id,
            plan.digest,
            plan.policy_digest,
            (Guard.HANDOVER,),
            frozenset((item.zoom_id, HANDOVER) for item in plan.items),
            given.by,
            given.because,
            given.at,
            given.at + lasts,
            os_user=given.os_user,
            host=given.host,
        )
    )
    others = [  # used up ones said yes to a request that was sent
        one
        for one in only_authorised(history, policy, deps.signature_fits, deps.clock.now()).approvals.values()
        if one.plan_digest == plan.digest
        and one.policy_digest == plan.policy_digest
        and Guard.HANDOVER in one.guards
        and deps.clock.now() < one.expires_at
        and any((one.id, *effect) not in history.used for effect in one.effects)
    ]
    await deps.ledger.append([record.approved(approval)])
    return Agreement(approval, _as_recorded(plan), len(people_of([approval, *others])), required(Guard.HANDOVER, policy, history))


def _as_recorded(plan: HandoverPlan) -> RecordedPlan:
    effects = tuple((item.zoom_id, HANDOVER, HANDOVER) for item in plan.items)
    return RecordedPlan(plan.digest, plan.policy_digest, effects, plan.at)
