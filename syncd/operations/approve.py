"""The way past a guard: a person has looked at a plan and lets exactly its effects pass, for named guards and a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from syncd.errors import Held, SourceError, UsageError
from syncd.ledger import record
from syncd.ledger.history import DAY, History
from syncd.model import Action, Announcement, Approval, Counted, CycleReport, Guard, Mode, Policy, Reason, RecordedPlan, Trigger
from syncd.model.near import near_names
from syncd.operations.cycle import Dependencies, Run, run_cycle
from syncd.operations.dependencies import intact_history
from syncd.operations.handover.approve import approve_handover
from syncd.planning.approvals import DIGEST_PREFIX_MIN, accepts, refused
from syncd.planning.approved import Fits, only_authorised, people_of, refuses, required
from syncd.planning.guards import NOT_APPROVABLE, SUMS, good_read, sum_before
from syncd.planning.windows import Windows

#: Guards that no plan can be approved for, whatever it measured: refused before anything is read. Of several sentinels some may
#: be answered for, which the plan says.
NEVER = NOT_APPROVABLE - {Guard.SENTINEL_MISSING}

#: The way past one of them, where there is one.
_INSTEAD = {
    Guard.PAUSED: "A pause is ended by: syncd resume --by NAME --because TEXT",
    Guard.LEDGER_NEW: "A new ledger is accepted by: syncd ledger accept --by NAME --because TEXT",
    Guard.LEDGER_ROLLED_BACK: "A restored ledger is accepted by: syncd ledger accept --by NAME --because TEXT",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody lets pass: a plan, for named guards, for a time. *sign*: makes their signature; None: it is not signed."""

    digest: str
    guards: Sequence[str]
    by: str
    because: str
    lasts: timedelta
    sign: Callable[[bytes], str] | None = None
    os_user: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """An approval as recorded, with what it was about. *people*: how many have approved so far, of those *required*. *still*:
    what holds the plan all the same. *sums*: by approved guard on a sum, what it added up before this plan."""

    approval: Approval
    plan: RecordedPlan
    people: int
    required: int
    still: tuple[str, ...] = ()
    sums: Mapping[Guard, Sequence[Counted]] = field(default_factory=dict)


async def approve(deps: Dependencies, policy: Policy, mode: Mode, asked: Asked) -> Given:
    """Records an approval for a plan that a cycle recorded within 24 h, or that a read made now still is.

    Raises UsageError (unknown or unapprovable guard, empty reason, somebody who may not approve, a signature that is missing or
    does not fit), Held (the plan differs now), SourceError, LedgerError.
    """
    chosen = _chosen(asked.guards)
    if len(asked.digest) < DIGEST_PREFIX_MIN or not asked.by.strip() or not asked.because.strip():
        raise UsageError(
            f"--plan needs at least {DIGEST_PREFIX_MIN} digits of the digest, --by a name, --because a reason",
            "The approval is evidence: say who decided and why.",
        )
    if never := [guard for guard in chosen if guard in NEVER]:
        raise _cannot(never)
    history = await intact_history(deps)
    now = deps.clock.now()
    if Guard.HANDOVER in chosen:
        return await _handover(deps, policy, history, asked, chosen)
    plan = _recorded(history, asked.digest, now - DAY, several=policy.approvals_required > 1)
    drafts, good = [], False
    if plan is None:
        report = await run_cycle(deps, policy, Run(mode, Trigger.APPROVE))
        plan, good = _read_now(report, asked.digest), good_read(report.verdicts)
        if report.plan is not None:
            drafts.append(record.plan_made(report.cycle_id, report.plan, report.verdicts))
    if never := refused(plan, chosen):
        raise _cannot(never)
    if not plan.effects and not accepts(plan, chosen):
        raise UsageError(f"the plan {asked.digest[:12]} changes nothing, so there is nothing to approve")
    approval = Approval(
        deps.clock.unique(),
        plan.digest,
        plan.policy_digest,
        chosen,
        frozenset((zoom_id, action) for zoom_id, action, _ in plan.effects),
        asked.by,
        asked.because,
        now,
        _from(plan, deps.windows, now) + asked.lasts,
        frozenset(plan.on_the_way) if Guard.POLICY_CHANGED in chosen else frozenset(),
        os_user=asked.os_user,
        host=asked.host,
        good_read=good and Guard.POLICY_CHANGED in chosen,
    )
    approval = authorised(approval, policy, history, deps.signature_fits, asked.sign)
    known = only_authorised(history, policy, deps.signature_fits, now)
    given = [
        one
        for one in known.approvals.values()
        if one.plan_digest == plan.digest and one.policy_digest == plan.policy_digest and now < one.expires_at
    ]
    people = {guard: len(people_of([approval, *(one for one in given if guard in one.guards)])) for guard in chosen}
    needed = {guard: required(guard, policy, history) for guard in chosen}
    complete = [guard for guard in chosen if people[guard] >= needed[guard]]
    approval = replace(approval, accepts=accepts(plan, complete))
    await deps.ledger.append([*drafts, record.approved(approval, complete if len(complete) < len(chosen) else None)])
    fewest = min(chosen, key=lambda guard: people[guard] - needed[guard])
    passed = {
        guard.value
        for guard in Guard
        if len(people_of(one for one in (approval, *given) if guard in one.guards)) >= required(guard, policy, history)
    }
    still = [name for name in plan.held_by if name not in passed]
    if history.paused_since is not None and Guard.PAUSED.value not in still:
        still.append(Guard.PAUSED.value)
    return Given(
        approval,
        plan,
        people[fewest],
        needed[fewest],
        tuple(still),
        {guard: sum_before(known, guard, now) for guard in chosen if guard in SUMS},
    )


async def _handover(deps: Dependencies, policy: Policy, history: History, asked: Asked, chosen: Sequence[Guard]) -> Given:
    if len(chosen) > 1:
        raise UsageError("--guard handover stands alone: it is of plans that no cycle makes")
    now = deps.clock.now()
    given = Approval(
        deps.clock.unique(),
        asked.digest,
        policy.digest(),
        (Guard.HANDOVER,),
        frozenset(),
        asked.by,
        asked.because,
        now,
        now + asked.lasts,
        os_user=asked.os_user,
        host=asked.host,
    )
    done = await approve_handover(
        deps, policy, history, given, asked.lasts, lambda one: authorised(one, policy, history, deps.signature_fits, asked.sign)
    )
    still = (Guard.PAUSED.value,) if history.paused_since is not None else ()
    return Given(done.approval, done.plan, done.people, done.needed, still)


G = TypeVar("G", Approval, Announcement)


def authorised(given: G, policy: Policy, history: History, fits: Fits, sign: Callable[[bytes], str] | None) -> G:
    """What was given, signed if somebody signs, when it counts under this policy. Raises UsageError saying why it does not."""
    if sign is not None:
        given = replace(given, signature=sign(given.message(history.ledger_id)))
    if why := refuses(given, policy.as_json(), history.ledger_id, fits):
        raise UsageError(
            f"nothing was approved: {why}",
            "syncd approve --key FILE signs with an OpenSSH private key (Ed25519) of whoever is named by --by."
            if policy.signers
            else "Somebody who may must approve.",
        )
    return given


def _from(plan: RecordedPlan, windows: Windows, now: datetime) -> datetime:
    """When the time of an approval begins: once all it covers may be done."""
    openings = [
        windows.next_opening(Action(action), Reason(reason), now)
        for action, reason in {(action, reason) for _, action, reason in plan.effects}
    ]
    return max((opening for opening in openings if opening is not None), default=now)


def _chosen(names: Sequence[str]) -> tuple[Guard, ...]:
    if not names:
        raise UsageError("--guard: name the guards this approval is for", "They stand in the plan that is held.")
    try:
        chosen = tuple(dict.fromkeys(Guard(name) for name in names))
    except ValueError:
        known = [guard.value for guard in Guard if guard not in NOT_APPROVABLE]
        unknown = [name for name in names if name not in {guard.value for guard in Guard}]
        near = [found for name in unknown for found in near_names(name, known)]
        raise UsageError(
            f"--guard: unknown guard among {', '.join(names)}: {', '.join(unknown)}",
            (f"Did you mean {', '.join(near)}? " if near else "") + f"These can be approved: {', '.join(known)}",
        ) from None
    return chosen


def _cannot(never: Sequence[Guard]) -> UsageError:
    instead = [_INSTEAD[guard] for guard in never if guard in _INSTEAD]
    return UsageError(
        f"{', '.join(guard.value for guard in never)} cannot be approved; nothing was approved",
        "\n  ".join(instead) or "What such a guard sees is wrong, not merely large: put its cause right instead.",
    )


def _recorded(history: History, digest: str, since: datetime, *, several: bool) -> RecordedPlan | None:
    """The plan of that digest. *several*: people have to agree to what one of them asks for by hand, too."""
    found = [
        plan
        for plan in history.plans.values()
        if plan.digest.startswith(digest)
        and plan.at >= since
        and (several or not any(reason == Reason.BY_HAND for _, _, reason in plan.effects))  # a person's plan
    ]
    if len(found) > 1:
        raise UsageError(f"{digest} is the beginning of several plans; give more digits")
    return found[0] if found else None


def _read_now(report: CycleReport, digest: str) -> RecordedPlan:
    """The plan as it is now, if it is the one named."""
    plan = report.plan
    if plan is None:
        raise SourceError(
            "directory or zoom",
            f"no cycle of the last 24 h made the plan {digest[:12]}, and it cannot be made now: {report.why}",
            report.do,
        )
    if not plan.digest.startswith(digest):
        raise Held(
            f"no cycle of the last 24 h made the plan {digest[:12]}, and the plan is {plan.digest[:12]} now; "
            "nothing was approved",
            "Review the plan as it is now (syncd plan) and approve that one.",
        )
    return RecordedPlan(
        plan.digest,
        plan.policy_digest,
        tuple((*effect.key, effect.reason.value) for effect in plan.effects),
        plan.made_at,
        plan.accepts,
        record.on_the_way(plan),
        tuple(one.guard.value for one in report.verdicts if one.tripped),
    )
