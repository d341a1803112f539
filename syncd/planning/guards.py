"""The guards: small, pure, facts before prose. Each measures one thing and says what to do when it is too much.

A guard never decides who is deactivated; it only says that a whole plan, or one direction of it, must not be carried out
before a person has looked. Every guard is judged in every mode. ``approvals.py`` says which effects may pass all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from syncd.ledger.history import DAY, History
from syncd.model import (
    Action,
    Decision,
    DirectoryGroup,
    DirectorySnapshot,
    GroupUse,
    Guard,
    Plan,
    Policy,
    Reason,
    Status,
    Verdict,
    ZoomSnapshot,
)
from syncd.planning.decide import DISPUTED_FOR
from syncd.planning.entitlement import standing
from syncd.planning.match import Addresses
from syncd.planning.protection import Protection

#: Guards that say a read is not to be believed. A read that trips none of them is a good read.
READ_GUARDS = frozenset({
    Guard.DIRECTORY_EMPTY, Guard.DIRECTORY_SHRUNK, Guard.GROUP_EMPTIED, Guard.SENTINEL_MISSING, Guard.MATCH_RATE,
    Guard.ZOOM_EMPTY, Guard.CLOCK_SKEW,
})

#: What a tripped guard holds; a guard not named here holds everything.
HOLDS_ONLY = {
    Guard.MAX_DEACTIVATIONS: Action.DEACTIVATE,
    Guard.MAX_DEACTIVATIONS_PERCENT: Action.DEACTIVATE,
    Guard.MAX_DEACTIVATIONS_PER_DAY: Action.DEACTIVATE,
    Guard.FLAPPING: Action.DEACTIVATE,
    Guard.POLICY_CHANGED: Action.DEACTIVATE,
    Guard.MAX_REACTIVATIONS: Action.REACTIVATE,
}


def holds(guard: Guard, action: Action) -> bool:
    """Whether this guard, tripped, holds this kind of change."""
    return HOLDS_ONLY.get(guard, action) is action


@dataclass(frozen=True)
class Facts:
    """Everything the guards may look at."""

    plan: Plan
    directory: DirectorySnapshot
    zoom: ZoomSnapshot
    history: History
    policy: Policy
    now: datetime
    armed: bool                               # policy-changed waits for a review (see approvals.armed)
    entitled: int                             # people of the directory entitled to a Zoom account

    @cached_property
    def active_in_scope(self) -> tuple[int, int]:
        """How many active accounts are in scope, and how many of them match anybody in the directory."""
        active = [
            decision for decision in self.plan.decisions
            if decision.account.status is Status.ACTIVE and decision.reason is not Reason.OUT_OF_SCOPE
        ]
        return len(active), sum(1 for decision in active if decision.directory_id is not None)

    @cached_property
    def match_percent(self) -> float:
        """Share of active accounts in scope that match anybody; 100 when there are none."""
        active, matched = self.active_in_scope
        return round(100 * matched / active, 2) if active else 100.0

    @cached_property
    def measures(self) -> dict[str, float]:
        """What later reads are compared with."""
        return {
            "people": len(self.directory.people),
            "entitled": self.entitled,
            "match_percent": self.match_percent,
            **{group_measure(group): group.members for group in self.directory.groups},
        }

    def uncovered(self, guard: Guard, action: Action) -> list[Decision]:
        """Planned effects of one kind that no approval lets pass this guard."""
        return [
            effect for effect in self.plan.effects
            if effect.action is action
            and not self.history.covering(*effect.key, guard, self.plan.policy_digest, self.now)
        ]


def group_measure(group: DirectoryGroup) -> str:
    """The name under which a group's size is remembered."""
    return f"group:{group.use.value}:{group.id}"


def judge(facts: Facts) -> tuple[Verdict, ...]:
    """Every guard's verdict, in a fixed order: guards on reads first, then on the plan."""
    return tuple(guard(facts) for guard in _ALL)


def good_read(verdicts: tuple[Verdict, ...]) -> bool:
    """Whether none of the read guards tripped: only then may the read be remembered."""
    return not any(verdict.tripped for verdict in verdicts if verdict.guard in READ_GUARDS)


# ---------------------------------------------------------------------------------------------- guards on what was read


def directory_empty(facts: Facts) -> Verdict:
    """Fewer people than any real directory has: a blind read."""
    people, limit = len(facts.directory.people), facts.policy.limits.min_directory_people
    return Verdict(
        Guard.DIRECTORY_EMPTY, people < limit, people, limit, "people",
        f"the directory shows {people} people, at least {limit} are expected",
        "Look at the directory and at the rights of syncd's account there; this guard cannot be approved.",
    )


def directory_shrunk(facts: Facts) -> Verdict:
    """The directory, the entitled people or a group shrank against the largest good read of the last 7 days."""
    limit, floor = facts.policy.limits.max_directory_shrink_percent, facts.policy.limits.percent_floor
    names = {"people": "people", "entitled": "entitled people"}
    names |= {group_measure(group): f"members of {group.name}" for group in facts.directory.groups}
    worst, worst_says = 0.0, "no measure shrank"
    for measure, name in names.items():
        before, now = facts.history.baseline(measure, facts.now), facts.measures[measure]
        if not before or before - now <= floor:
            continue
        shrink = 100 * (before - now) / before
        if shrink > worst:
            worst, worst_says = shrink, f"{name} fell from {before:.0f} to {now:.0f}"
    return Verdict(
        Guard.DIRECTORY_SHRUNK, worst > limit, round(worst, 2), limit, "percent",
        f"{worst_says} ({worst:.4g} %, limit {limit:g} %)",
        "Was a unit moved, a filter or right changed, an export cut short? If the directory is right, approve this plan for "
        "directory-shrunk: the sizes it measured become the new baseline.",
    )


def group_emptied(facts: Facts) -> Verdict:
    """An entitling group that had members has none."""
    emptied = [
        group.name for group in facts.directory.groups
        if group.use is GroupUse.ENTITLING and group.members == 0 and group_measure(group) in facts.history.peopled
    ]
    return Verdict(
        Guard.GROUP_EMPTIED, bool(emptied), len(emptied), 0, "groups",
        f"entitling groups that lost all their members: {', '.join(emptied) or 'none'}",
        "Was the group renamed, replaced or hidden? If it is meant to be empty, approve this plan for group-emptied.",
    )


def sentinel_missing(facts: Facts) -> Verdict:
    """A canary is not seen entitled: the read is blind somewhere."""
    sentinels = facts.policy.limits.sentinels
    addresses = Addresses(facts.policy)
    wanted = {addresses.key(sentinel) for sentinel in sentinels}
    seen: set[str] = set()
    if wanted:
        for person in facts.directory.people:
            mine = wanted.intersection(map(addresses.canonical, person.addresses))
            if mine and standing(person, facts.policy, facts.now) is Reason.IN_STEP:
                seen |= mine
    missing = len(wanted - seen)
    return Verdict(
        Guard.SENTINEL_MISSING, missing > 0, missing, 0, "sentinels",
        f"{missing} of {len(wanted)} sentinels are not seen entitled",
        "Look the guards.sentinels accounts up in the directory: either one of them really left (take it out of the list), "
        "or syncd sees only a part of the directory. This guard cannot be approved.",
    )


def match_rate(facts: Facts) -> Verdict:
    """Too few active accounts match anybody: a wrong domain, attribute or directory."""
    active, matched = facts.active_in_scope
    limit = facts.policy.limits.min_match_percent
    accepted = facts.history.accepted_match_percent
    if accepted is not None:
        limit = min(limit, accepted)
    tripped = facts.match_percent < limit and active - matched > facts.policy.limits.percent_floor
    return Verdict(
        Guard.MATCH_RATE, tripped, facts.match_percent, limit, "percent",
        f"{matched} of {active} active accounts in scope match somebody in the directory",
        "Check scope.domains, match.domain_aliases and address_attributes. If so few really match, approve this plan for "
        "match-rate: the share it measured becomes the new limit.",
    )


def zoom_empty(facts: Facts) -> Verdict:
    """Zoom shows no account at all: a wrong account or a blind read."""
    count = len(facts.zoom.accounts)
    return Verdict(
        Guard.ZOOM_EMPTY, count == 0, count, 1, "accounts", f"Zoom shows {count} accounts",
        "Check zoom.account_id and the app's scopes; this guard cannot be approved.",
    )


def clock_skew(facts: Facts) -> Verdict:
    """A clock is so far off that graces and expiries cannot be trusted."""
    limit = facts.policy.limits.max_clock_skew.total_seconds()
    offsets = {"Zoom": facts.zoom.clock_offset_seconds, "the directory": facts.directory.clock_offset_seconds}
    known = {name: offset for name, offset in offsets.items() if offset is not None}
    name, worst = max(known.items(), key=lambda item: abs(item[1]), default=("every service", 0.0))
    return Verdict(
        Guard.CLOCK_SKEW, abs(worst) > limit, round(abs(worst), 1), limit, "seconds",
        f"the clock of {name} differs from this machine's by {abs(worst):.0f} s" if known else "no service told its time",
        "Set the clocks right (NTP) on this machine and on the domain controllers; this guard cannot be approved.",
    )


# ----------------------------------------------------------------------------------------------- guards on state and plan


def protected_in_plan(facts: Facts) -> Verdict:
    """A second look, apart from the decisions: no planned change may touch an exempt or role-protected account."""
    addresses = Addresses(facts.policy)
    protection = Protection(facts.policy, facts.zoom.groups, addresses)
    people = {person.id: person for person in facts.directory.people} if facts.plan.effects else {}
    found = 0
    for effect in facts.plan.effects:
        look = effect.second_look
        ids = look.owners if look is not None else (effect.directory_id,)
        claimants = [people[id_] for id_ in ids if id_ in people]
        last = facts.history.deactivated.get(effect.account.zoom_id or "")
        role = facts.zoom.roles.get(last.role_id or "") if last is not None else None
        if (
            protection.exempt(effect.account, addresses.key(effect.account.email), claimants)
            or protection.protected(effect.account, role)
        ):
            found += 1
    return Verdict(
        Guard.PROTECTED_IN_PLAN, found > 0, found, 0, "accounts",
        f"{found} planned changes touch protected accounts",
        "This should never happen: please report it with the cycle document. Nothing was changed.",
    )


def ledger_broken(facts: Facts) -> Verdict:
    """The record of what was done does not verify."""
    broken = facts.history.broken
    return Verdict(
        Guard.LEDGER_BROKEN, bool(broken), 1 if broken else 0, 0, "ledgers",
        f"the ledger does not verify: {broken}" if broken else "the ledger verifies",
        "Run `syncd ledger verify`, keep the file as evidence, restore the last good copy. This guard cannot be approved.",
    )


def paused(facts: Facts) -> Verdict:
    """Somebody stopped all changes."""
    since = facts.history.paused_since
    return Verdict(
        Guard.PAUSED, since is not None, 1 if since else 0, 0, "pauses",
        f"paused by {facts.history.paused_by} since {since:%Y-%m-%d %H:%M} UTC: {facts.history.paused_because}"
        if since else "not paused",
        "When the reason is gone: syncd resume --by NAME --because TEXT",
    )


def max_deactivations(facts: Facts) -> Verdict:
    """One cycle would deactivate more accounts than the operator allowed."""
    active, _ = facts.active_in_scope
    limit = deactivation_limit(facts.policy, active)
    planned = len(facts.uncovered(Guard.MAX_DEACTIVATIONS, Action.DEACTIVATE))
    return Verdict(
        Guard.MAX_DEACTIVATIONS, planned > limit, planned, limit, "accounts",
        f"{planned} deactivations planned, limit {limit}", _review(facts, Guard.MAX_DEACTIVATIONS),
    )


def max_deactivations_percent(facts: Facts) -> Verdict:
    """One cycle would deactivate a larger share of the active accounts than the operator allowed."""
    active, _ = facts.active_in_scope
    planned = len(facts.uncovered(Guard.MAX_DEACTIVATIONS_PERCENT, Action.DEACTIVATE))
    limit = facts.policy.limits.max_deactivations_percent
    share = round(100 * planned / active, 2) if active else 0.0
    return Verdict(
        Guard.MAX_DEACTIVATIONS_PERCENT, too_large_a_share(planned, active, facts.policy), share, limit, "percent",
        f"{planned} of {active} active accounts in scope would be deactivated ({share:g} %, limit {limit:g} %)",
        _review(facts, Guard.MAX_DEACTIVATIONS_PERCENT),
    )


def max_deactivations_per_day(facts: Facts) -> Verdict:
    """This cycle together with those of the last 24 h would deactivate more than the operator allowed in a day."""
    active, _ = facts.active_in_scope
    earlier = facts.history.deactivations_since(facts.now - DAY)
    planned = len(facts.uncovered(Guard.MAX_DEACTIVATIONS_PER_DAY, Action.DEACTIVATE))
    limit = daily_limit(facts.policy, active)
    return Verdict(
        Guard.MAX_DEACTIVATIONS_PER_DAY, planned > 0 and earlier + planned > limit, earlier + planned, limit, "accounts",
        f"{earlier} deactivated in the last 24 h and {planned} planned, limit {limit}",
        _review(facts, Guard.MAX_DEACTIVATIONS_PER_DAY),
    )


def flapping(facts: Facts) -> Verdict:
    """Accounts we deactivated come back to life: somebody or something disagrees with us. An account on hold (after an undo,
    say) does not count: there a person has spoken, and nobody needs to be found."""
    now_active = {
        d.account.zoom_id for d in facts.plan.decisions
        if d.account.status is Status.ACTIVE and d.reason is not Reason.ON_HOLD
    }
    back = sum(
        1 for zoom_id, last in facts.history.deactivated.items()
        if facts.now - last.at < DISPUTED_FOR and zoom_id in now_active
    )
    limit = facts.policy.limits.max_flapping
    reviewed = facts.plan.counts[Action.DEACTIVATE] > 0 and not facts.uncovered(Guard.FLAPPING, Action.DEACTIVATE)
    return Verdict(
        Guard.FLAPPING, back > limit and not reviewed, back, limit, "accounts",
        f"{back} accounts came back to life within 24 h of our deactivation",
        "Find out who reactivates them (another provisioning tool, SSO, an administrator) before syncd goes on. "
        + _review(facts, Guard.FLAPPING),
    )


def policy_changed(facts: Facts) -> Verdict:
    """The first deactivations under a new or widened policy wait for a review."""
    due = facts.plan.counts[Action.DEACTIVATE]
    return Verdict(
        Guard.POLICY_CHANGED, facts.armed and due > 0, due if facts.armed else 0, 0, "accounts",
        f"{due} deactivations are due under a policy nobody has reviewed yet" if facts.armed else "the policy was reviewed",
        _review(facts, Guard.POLICY_CHANGED),
    )


def max_reactivations(facts: Facts) -> Verdict:
    """One cycle would reactivate more accounts than the operator allowed."""
    planned = len(facts.uncovered(Guard.MAX_REACTIVATIONS, Action.REACTIVATE))
    active, _ = facts.active_in_scope
    limit = reactivation_limit(facts.policy, active)
    return Verdict(
        Guard.MAX_REACTIVATIONS, planned > limit, planned, limit, "accounts",
        f"{planned} reactivations planned, limit {limit}", _review(facts, Guard.MAX_REACTIVATIONS),
    )


_ALL: tuple[Callable[[Facts], Verdict], ...] = (
    directory_empty, directory_shrunk, group_emptied, sentinel_missing, match_rate, zoom_empty, clock_skew,
    protected_in_plan, ledger_broken, paused,
    max_deactivations, max_deactivations_percent, max_deactivations_per_day, flapping, policy_changed, max_reactivations,
)


# ----------------------------------------------------------------------------------- sizes, shared with the hand verbs


def deactivation_limit(policy: Policy, active: int) -> int:
    """Deactivations allowed at once: the configured number, or the larger of 25 and 1 % of active accounts in scope."""
    limit = policy.limits.max_deactivations
    return limit if limit is not None else max(25, active // 100)


def daily_limit(policy: Policy, active: int) -> int:
    """Deactivations allowed in 24 h: the configured number, or the larger of 100 and 2 % of active accounts in scope."""
    limit = policy.limits.max_deactivations_per_day
    return limit if limit is not None else max(100, active * 2 // 100)


def reactivation_limit(policy: Policy, active: int) -> int:
    """Reactivations allowed at once: the configured number, or the larger of 10 and 1 % of active accounts in scope."""
    limit = policy.limits.max_reactivations
    return limit if limit is not None else max(10, active // 100)


def too_large_a_share(planned: int, active: int, policy: Policy) -> bool:
    """Whether so many of so many are more than the allowed percentage; up to ``percent_floor`` accounts never are."""
    return planned > policy.limits.percent_floor and planned * 100 > policy.limits.max_deactivations_percent * max(active, 1)


def _review(facts: Facts, guard: Guard) -> str:
    return (f"Review the plan; if it is right: syncd approve --plan {facts.plan.digest[:12]} --guard {guard.value} "
            "--by NAME --because TEXT")
