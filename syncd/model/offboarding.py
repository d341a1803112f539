"""When somebody left, as far as reads and the directory tell, and whether the promise was kept: one rule for every document,
period, export and metric.

How long somebody kept access is counted from the latest moment at which they were surely still entitled or, where that is not
known, from the first read that showed them gone:

    last_seen_entitled   the good read before the first that showed them gone; the worst case, so downtime counts
    directory_change     a disabled account's own last change, where the directory tells it and it lies between the two
    first_seen           no earlier good read showed them entitled (a first read, a new account, an exemption that ended, an
                         account that was off), or the first read that showed active again what syncd had deactivated
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from syncd.model.words import Reason, Status

#: Decisions on active accounts that are nobody's leaving: whoever leaves afterwards begins anew.
_NOBODY_LEAVING = frozenset({Reason.IN_STEP, Reason.OUT_OF_SCOPE, Reason.INVITATION_PENDING, Reason.ON_HOLD, Reason.EXEMPT})


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown of somebody who is leaving. *entitled_at*: when the last good read began that showed them entitled; None:
    none did. *changed_at*: the own change of a disabled account, as the directory first told it. *again_at*: when a read first
    showed active again an account that syncd had deactivated: nothing before that counts."""

    entitled_at: datetime | None = None
    changed_at: datetime | None = None
    again_at: datetime | None = None


#: Of an account that no read knew.
UNSHOWN = Shown()

#: Of one that was known and not to be taken from anybody (exempt, held, off): what was before does not count.
ANEW = Shown(again_at=datetime.min.replace(tzinfo=UTC))


def shown_after(
    before: Shown, reason: str, status: str, since: datetime | None = None, changed_at: datetime | None = None
) -> Shown | None:
    """What stands after one more decision on an account; None: nobody is leaving. *before*: what stood until then, see
    ``shown_in_step`` where it was in step."""
    if status != Status.ACTIVE or reason in _NOBODY_LEAVING:
        return None
    told = changed_at is not None and since is not None and changed_at <= since and reason == Reason.DISABLED_IN_DIRECTORY
    if told and before.changed_at is None and before.again_at is None:
        return replace(before, changed_at=changed_at)
    return before


def shown_in_step(known: Shown | None, until: datetime | None) -> Shown:
    """What stands of an account that was in step until now. *until*: when the newest read began that showed it so; *known*: of an
    account that was off in between, which no read had shown, since when it is active again."""
    again_at = known.again_at if known is not None else None
    return Shown(again_at=again_at) if again_at is not None and (until is None or again_at > until) else Shown(until)


def left(since: datetime | None, shown: Shown, reason: str) -> tuple[datetime | None, str | None]:
    """From when on the time counts, and why from then. *since*: the first read that showed them gone; None: none did. Only a
    disabled account's own change says when they left: a group's does not."""
    if shown.again_at is not None:
        return max(shown.again_at, since or shown.again_at), "first_seen"
    changed, entitled = shown.changed_at, shown.entitled_at
    told = changed is not None and since is not None and reason == Reason.DISABLED_IN_DIRECTORY and changed <= since
    if changed is not None and told and (entitled is None or changed > entitled):
        return changed, "directory_change"
    if entitled is not None:
        return entitled, "last_seen_entitled"
    return (since, "first_seen") if since is not None else (None, None)


def promise_met(
    left_at: datetime | None, ended: datetime | None, known_until: datetime, promise: timedelta, *, promised: bool = True
) -> bool | None:
    """*left_at*: from when on time counts; *ended*: when access ended, or was no longer to end (*promised* false: entitled
    again, exempt, put back). None: nothing was promised, or time still runs at *known_until*."""
    if left_at is None:
        return None
    if ended is not None and ended - left_at <= promise:
        return True if promised else None
    return False if ended is not None or known_until - left_at > promise else None
