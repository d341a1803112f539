"""What shrank against the largest good read of the last 7 days, and what that holds.

People and entitled people hold everything. Of an entitling group only members count who are entitled by no group any more, and
up to ten of them never do: tidying groups up holds nothing. A shrunk leaver group could bring people back, so it holds the
returns of those who were in one, or may have been; a shrunk protecting group holds the deactivations of those it protected.
"""

from __future__ import annotations

from typing import NamedTuple

from syncd.model import Action, Decision, DirectoryGroup, GroupUse, Reason, Status
from syncd.planning.guards.facts import Facts, entry_measure, group_measure

#: So many members of an entitling group may be entitled by no group any more without anybody being asked.
MEMBERS_NEVER = 10


class Shrunk(NamedTuple):
    """One measure that fell. *only*: the effects it holds; None: all of them."""

    says: str
    percent: float
    accepts: dict[str, float]
    only: frozenset[tuple[str, str]] | None = None


def shrunk(facts: Facts) -> list[Shrunk]:
    """Everything that fell, whether it is too much or not; measures that were never taken are left out."""
    found = []
    for measure, name in (("people", "people"), ("entitled", "entitled people")):
        before, now = facts.history.baseline(measure, facts.now), facts.measures[measure]
        if before and before - now > facts.policy.limits.percent_floor:
            found.append(Shrunk(f"{name} fell from {before:.0f} to {now:.0f}", 100 * (before - now) / before, {measure: now}))
    for group in facts.directory.groups:
        one = _group(facts, group)
        if one is not None:
            found.append(one)
    return found


def _group(facts: Facts, group: DirectoryGroup) -> Shrunk | None:
    names = (group_measure(group), entry_measure(group))
    before, now = max(facts.history.baseline(name, facts.now) or 0.0 for name in names), group.members
    fell = before - now
    if fell <= facts.policy.limits.percent_floor or group.use is GroupUse.HOLDING:
        return None
    accepts = {name: float(now) for name in names}
    says = f"members of {group.name} fell from {before:.0f} to {now:.0f}"
    if group.use is GroupUse.ENTITLING:
        out = min(fell, max(_out_of(facts, group), _fewer_entitled(facts)))
        return (
            Shrunk(f"{says}, and {out:.0f} of them are entitled by no group any more", 100 * out / before, accepts)
            if out > MEMBERS_NEVER
            else None
        )
    held = _returns(facts) if group.use is GroupUse.LEAVERS else _unprotected(facts, group)
    says = f"{says}; {len(held)} due changes are of people who were in it, as far as is known"
    return Shrunk(says, 100 * fell / before, accepts, held) if held else None


def _out_of(facts: Facts, group: DirectoryGroup) -> int:
    """Accounts whose person this group entitled within the last 7 days, and whom no group entitles now."""
    name = group.name.casefold()
    through, until = facts.history.entitled_through, facts.history.entitled_until
    was = {zoom_id for zoom_id, path in through.items() if path.casefold() == name}
    was |= {zoom_id for zoom_id, (path, _) in until.items() if path.casefold() == name}
    return sum(1 for decision in facts.plan.decisions if decision.account.zoom_id in was and not _kept(decision))


def _kept(decision: Decision) -> bool:
    if decision.account.status is not Status.ACTIVE:
        return False
    return decision.reason in (Reason.IN_STEP, Reason.EXEMPT, Reason.ON_HOLD, Reason.DIRECTORY_UNCLEAR, Reason.OUT_OF_SCOPE)


def _fewer_entitled(facts: Facts) -> float:
    """How many fewer people are entitled: they need no account to be missed."""
    return (facts.history.baseline("entitled", facts.now) or 0.0) - facts.measures["entitled"]


def _returns(facts: Facts) -> frozenset[tuple[str, str]]:
    """Of accounts switched off because of such a group, and of those somebody else switched off: nobody knows why they did."""
    known = facts.history.deactivated
    for_another_reason = {zoom_id for zoom_id, one in known.items() if one.reason != Reason.IN_LEAVERS_GROUP.value}
    return frozenset(e.key for e in facts.plan.effects if e.action is Action.REACTIVATE and e.key[0] not in for_another_reason)


def _unprotected(facts: Facts, group: DirectoryGroup) -> frozenset[tuple[str, str]]:
    name = group.name.casefold()
    was = {zoom_id for zoom_id, path in facts.history.protected_through.items() if path.casefold() == name}
    was |= {zoom_id for zoom_id, (path, _) in facts.history.protected_until.items() if path.casefold() == name}
    return frozenset(e.key for e in facts.plan.effects if e.action is Action.DEACTIVATE and e.key[0] in was)
