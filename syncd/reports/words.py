"""The closed lists of words in reports, each with the rule behind it. The decision table of the contract, for readers."""

from __future__ import annotations

from functools import cache

from syncd.model import Reason, Result
from syncd.reports.view import Tone

#: Why an account was decided on as it was.
RULES: dict[Reason, str] = {
    Reason.OUT_OF_SCOPE: "Its domain is not in scope.domains",
    Reason.INVITATION_PENDING: "The invitation was not accepted yet, so there is no account to change",
    Reason.ON_HOLD: "Somebody put it on hold",
    Reason.EXEMPT: "Protected by address, Zoom group or directory group",
    Reason.IN_STEP: "Directory and Zoom agree",
    Reason.DIRECTORY_UNCLEAR: "The person could not be read: unknown, never taken for absent",
    Reason.PROTECTED: "Its role is protected, or it is a Zoom Room: only a person can do it",
    Reason.REACTIVATED_BY_OTHERS: "Deactivated by syncd within 24 h, and somebody brought it back",
    Reason.IN_LEAVERS_GROUP: "The person is in a leavers' group",
    Reason.DISABLED_IN_DIRECTORY: "The person's directory account is disabled",
    Reason.EXPIRED_IN_DIRECTORY: "The person's directory account has expired",
    Reason.LEFT_GROUPS: "The person is in none of the entitling groups any more",
    Reason.ABSENT_FROM_DIRECTORY: "Nobody in the directory has this address",
    Reason.WITHIN_GRACE: "Not entitled, but the grace is still running",
    Reason.REACTIVATION_OFF: "Entitled and inactive; reactivation is switched off",
    Reason.DEACTIVATED_BY_HAND: "Entitled, but a person deactivated it through syncd",
    Reason.AMBIGUOUS_MATCH: "Whose account it is only a person can say: see the notes",
    Reason.RETURNING: "Entitled again, but not yet seen so in enough good reads in a row",
    Reason.ENTITLED_AGAIN: "Entitled again, and syncd may bring it back",
    Reason.DEACTIVATED_BY_OTHERS: "Entitled and inactive, but not by syncd's doing",
    Reason.REFUSED_BY_ZOOM: "Zoom refused this change for good, and nothing has changed since",
    Reason.NOT_IN_PILOT: "Not among the accounts of scope.pilot",
    Reason.BY_HAND: "A person asked for it",
}

RESULTS: dict[Result, tuple[Tone, str]] = {
    Result.IN_STEP: (Tone.GOOD, "In step: nothing was to be changed"),
    Result.PLANNED: (Tone.PLAIN, "Planned: these changes are due, none was made"),
    Result.APPLIED: (Tone.GOOD, "Applied: every change was made and verified"),
    Result.PARTIAL: (Tone.BAD, "Applied in part: some changes failed"),
    Result.HELD: (Tone.WARN, "Held: a guard stopped changes"),
    Result.UNREADABLE: (Tone.BAD, "Unreadable: a source could not be read whole, nothing was changed"),
    Result.INTERRUPTED: (Tone.WARN, "Interrupted: the next cycle goes on from here"),
    Result.FAILED: (Tone.BAD, "Failed"),
}

#: How good single words are, wherever they stand in a table.
TONES: dict[str, Tone] = {
    "done": Tone.GOOD,
    "deactivated": Tone.GOOD,
    "in_step": Tone.GOOD,
    "applied": Tone.GOOD,
    "deactivate": Tone.BAD,
    "failed": Tone.BAD,
    "refused": Tone.BAD,
    "due": Tone.BAD,
    "overdue": Tone.BAD,
    "promise_missed": Tone.BAD,
    "no_good_cycle": Tone.BAD,
    "tripped": Tone.WARN,
    "manual": Tone.WARN,
    "skipped": Tone.WARN,
    "not_tried": Tone.WARN,
    "held": Tone.WARN,
    "within_grace": Tone.WARN,
    "not_covered": Tone.WARN,
    "put_back": Tone.WARN,
    "reactivate": Tone.GOOD,
}

#: Buckets of the time from leaving to deactivation: upper ends in hours.
BUCKETS: tuple[tuple[str, float], ...] = (
    ("≤ 15 min", 0.25),
    ("≤ 1 h", 1),
    ("≤ 4 h", 4),
    ("≤ 8 h", 8),
    ("≤ 24 h", 24),
    ("≤ 2 d", 48),
    ("≤ 7 d", 168),
    ("longer", float("inf")),
)


def lasting(seconds: float) -> str:
    """A time in the largest unit that suits it."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


def spread(hours: list[float]) -> tuple[tuple[str, int], ...]:
    """How many lie in each bucket."""
    counts = [0] * len(BUCKETS)
    for one in hours:
        counts[next(place for place, (_, end) in enumerate(BUCKETS) if one <= end)] += 1
    return tuple((name, count) for (name, _), count in zip(BUCKETS, counts, strict=True))


#: What leaving out a column leaves out besides: columns that tell the same.
_SAME = {"licence": ("licence_after", "licence_released")}


@cache
def left_out(omit: tuple[str, ...]) -> frozenset[str]:
    """Every key that ``reports.omit_columns`` leaves out."""
    return frozenset(key for name in omit for key in (name, *_SAME.get(name, ())))
