"""Guards on what was read: whether it is to be believed. A read that trips one of them advances no grace, changes no memory
and is no measure for later ones."""

from __future__ import annotations

from syncd.model import GroupUse, Guard, Reason, Status, Verdict
from syncd.planning.entitlement import standing
from syncd.planning.guards.facts import Facts, group_entry, group_measure
from syncd.planning.guards.shrinking import shrunk
from syncd.planning.match import Addresses


def directory_empty(facts: Facts) -> Verdict:
    """Fewer people than any real directory has: a blind read."""
    people, limit = len(facts.directory.people), facts.policy.limits.min_directory_people
    return Verdict(
        Guard.DIRECTORY_EMPTY,
        people < limit,
        people,
        limit,
        "people",
        f"the directory shows {people} people, at least {limit} are expected",
        "Look at the directory and at the rights of syncd's account there; this guard cannot be approved.",
    )


def directory_shrunk(facts: Facts) -> Verdict:
    """The directory, the entitled people or a group shrank against the largest good read of the last 7 days. Approving
    accepts those sizes that are too small, and nothing below."""
    limit = facts.policy.limits.max_directory_shrink_percent
    found = sorted(shrunk(facts), key=lambda one: -one.percent)
    too_much = [one for one in found if one.percent > limit]
    worst, says = (found[0].percent, found[0].says) if found else (0.0, "no measure shrank")
    whole = not too_much or any(one.only is None for one in too_much)
    return Verdict(
        Guard.DIRECTORY_SHRUNK,
        bool(too_much),
        round(worst, 2),
        limit,
        "percent",
        f"{says} ({worst:.4g} %, limit {limit:g} %)",
        "Was a unit moved, a filter or right changed, an export cut short? If the directory is right, approve this plan: the "
        "sizes it measured become the new baseline.",
        only=None if whole else frozenset(key for one in too_much for key in one.only or ()),
        accepts={name: value for one in too_much for name, value in one.accepts.items()},
    )


def group_emptied(facts: Facts) -> Verdict:
    """An entitling or protecting group that had members has none."""
    emptied = [
        group
        for group in facts.directory.groups
        if group.use in (GroupUse.ENTITLING, GroupUse.PROTECTING)
        and group.members == 0
        and group_measure(group) in facts.history.peopled
    ]
    return Verdict(
        Guard.GROUP_EMPTIED,
        bool(emptied),
        len(emptied),
        0,
        "groups",
        f"groups that lost all their members: {', '.join(group.name for group in emptied) or 'none'}",
        "Was the group renamed, replaced or hidden? If it is meant to be empty, approve this plan.",
        accepts={f"emptied:{group_measure(group)}": 0 for group in emptied},
    )


def group_replaced(facts: Facts) -> Verdict:
    """A configured group's entry now means another object of the directory than before: deleted and made anew, or a name
    that somebody else's group has now."""
    replaced = {
        group_entry(group): (group, was)
        for group in facts.directory.groups
        if (was := facts.history.groups.get(group_entry(group))) is not None and was != group.id
    }
    says = "; ".join(f"{group.name} was {was} and is {group.id} now" for group, was in replaced.values())
    return Verdict(
        Guard.GROUP_REPLACED,
        bool(replaced),
        len(replaced),
        0,
        "groups",
        f"groups of the configuration that mean another object than before: {says or 'none'}",
        "Who made the new group, and are the right people in it? If so, approve this plan: the new ids become the known ones.",
        accepts={entry: group.id for entry, (group, _) in replaced.items()},
    )


def directory_stale(facts: Facts) -> Verdict:
    """The read in hand is older than an earlier good one: a file written before the one read last, or another controller that
    does not know yet what the one before knew. Few people are ordinary leavers; they wait for ``max_replication_lag``."""
    read, known = facts.directory, facts.history
    if read.as_of is not None and known.as_of is not None and read.as_of < known.as_of and read.digest != known.good_digest:
        behind = (known.as_of - read.as_of).total_seconds()
        return Verdict(
            Guard.DIRECTORY_STALE,
            tripped=True,
            measured=round(behind, 1),
            limit=0,
            unit="seconds",
            says=f"the file was written at {read.as_of:%Y-%m-%d %H:%M} UTC, "
            f"the one read before at {known.as_of:%Y-%m-%d %H:%M} UTC",
            do="Was an old export put back? A newer file ends this by itself. If this one is right, approve this plan.",
            accepts={"as_of": read.as_of.isoformat()},
        )
    limit = max(3, facts.entitled // 100)
    return Verdict(
        Guard.DIRECTORY_STALE,
        facts.look_older > limit,
        facts.look_older,
        limit,
        "people",
        f"{facts.look_older} people look worse than in the last good read, which was from another copy of the directory",
        "Does this domain controller replicate (repadmin /showrepl)? Once it has caught up this ends by itself. If the directory "
        "is right, approve this plan.",
        accepts={"view": read.view},
    )


def sentinel_missing(facts: Facts) -> Verdict:
    """A canary is not seen entitled: the read is blind somewhere. While others are seen, a person may say that it left."""
    sentinels = facts.policy.limits.sentinels
    addresses = Addresses(facts.policy)
    wanted = {addresses.key(sentinel): number for number, sentinel in enumerate(sentinels)}
    seen: set[str] = set()
    if wanted:
        for person in facts.directory.people:
            mine = wanted.keys() & set(map(addresses.canonical, person.addresses))
            if mine and standing(person, facts.policy, facts.now) is Reason.IN_STEP:
                seen |= mine
    missing = {f"sentinel:{wanted[key]}" for key in wanted.keys() - seen}
    allowed: set[str] = set()
    if seen:
        allowed = {name for approval in facts.agreed(Guard.SENTINEL_MISSING) for name in approval.accepts}
    return Verdict(
        Guard.SENTINEL_MISSING,
        bool(missing - allowed),
        len(missing),
        0,
        "sentinels",
        f"{len(missing)} of {len(wanted)} sentinels are not seen entitled",
        "Look the guards.sentinels accounts up in the directory: either one of them really left (take it out of the list), "
        + (
            "or syncd sees only a part of the directory."
            if seen
            else "or syncd sees only a part of the directory. All of them missing cannot be approved."
        ),
        approvable=bool(seen),
        accepts=dict.fromkeys(missing, 0),
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
        Guard.MATCH_RATE,
        tripped,
        facts.match_percent,
        limit,
        "percent",
        f"{matched} of {active} active accounts in scope match somebody in the directory",
        "Check scope.domains, match.domain_aliases and address_attributes. If so few really match, approve this plan: the share "
        "it measured becomes the new limit.",
        accepts={"match_percent": facts.match_percent},
    )


def nothing_in_scope(facts: Facts) -> Verdict:
    """Zoom has active accounts and none of any status is in scope: a policy that can do nothing is no success."""
    in_scope = len(facts.plan.decisions) - facts.plan.reasons.get(Reason.OUT_OF_SCOPE, 0)
    active = facts.zoom.count(Status.ACTIVE)
    meant = bool(facts.agreed(Guard.NOTHING_IN_SCOPE))
    return Verdict(
        Guard.NOTHING_IN_SCOPE,
        active > 0 and not in_scope and not meant,
        in_scope,
        1,
        "accounts",
        f"{in_scope} of {len(facts.plan.decisions)} Zoom accounts are in scope, {active} of all are active",
        "Is scope.domains spelt as the addresses in Zoom are? syncd check shows the domains it sees. If nobody is meant to be "
        "looked after yet, approve this plan.",
        accepts={"in_scope": 0},
    )


def zoom_empty(facts: Facts) -> Verdict:
    """Zoom shows no account at all: a wrong account or a blind read."""
    count = len(facts.zoom.accounts)
    return Verdict(
        Guard.ZOOM_EMPTY,
        count == 0,
        count,
        1,
        "accounts",
        f"Zoom shows {count} accounts",
        "Check zoom.account_id and the app's scopes; this guard cannot be approved.",
    )


def clock_skew(facts: Facts) -> Verdict:
    """A clock is so far off that graces and expiries cannot be trusted, or the ledger ends in the future."""
    limit = facts.policy.limits.max_clock_skew.total_seconds()
    offsets = {"Zoom": facts.zoom.clock_offset_seconds, "the directory": facts.directory.clock_offset_seconds}
    known = {name: abs(offset) for name, offset in offsets.items() if offset is not None}
    tip = facts.history.tip_at
    if tip is not None and tip > facts.now:
        known["the ledger's last entry"] = (tip - facts.now).total_seconds()
    name, worst = max(known.items(), key=lambda item: item[1], default=("every service", 0.0))
    future = name == "the ledger's last entry"
    return Verdict(
        Guard.CLOCK_SKEW,
        worst > limit,
        round(worst, 1),
        limit,
        "seconds",
        (
            f"the ledger's last entry lies {worst:.0f} s in the future"
            if future
            else f"the clock of {name} differs from this machine's by {worst:.0f} s"
        )
        if known
        else "no service told its time",
        "Set the clocks right (NTP) on this machine and on whatever writes to the ledger; if they are right: syncd ledger accept "
        "--by NAME --because TEXT"
        if future
        else "Set the clocks right (NTP) on this machine and on the domain controllers; this guard cannot be approved.",
    )
