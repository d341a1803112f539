"""What people ask for, allow and say."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from syncd.ledger.entry import Entry, EntryTime, Number, from_rfc3339, kind
from syncd.model import Acknowledgement, Announcement, Approval, Guard, Hold, LedgerEntry

if TYPE_CHECKING:
    from syncd.ledger.history import Growing

#: Guards whose sum an approval begins anew.
SUM_GUARDS = frozenset({Guard.MAX_DEACTIVATIONS_PER_DAY, Guard.MAX_DEACTIVATIONS_PER_30_DAYS, Guard.MAX_REACTIVATIONS_PER_DAY})

#: From this version of an approval on, what it accepts is taken when a cycle finds that it counts, and not before.
TAKEN_ONCE_IT_COUNTS = 3


@kind("approval", newest=3)
class ApprovalGiven(Entry, frozen=True):
    """Somebody lets a plan pass. The subject is the approval's id. *accepts*: measured values that become baselines once it
    counts: who gave it may have had another configuration at hand than the one in force."""

    plan: str
    policy: str
    guards: tuple[Guard, ...]
    effects: tuple[tuple[str, str], ...]  # Zoom id, action
    by: str
    because: str
    expires_at: datetime
    accepts: dict[str, Number | str]
    on_the_way: tuple[str, ...] = ()  # since 2, as the three below: see ``model.Approval``
    signature: str = ""
    os_user: str = ""
    host: str = ""
    good_read: bool = False
    complete: tuple[Guard, ...] | None = None  # guards for which as many people approved as must; None: all of them

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Stands until it expires."""
        at = time.measured
        for id_ in [id_ for id_, one in history.approvals.items() if time.verified and one.expires_at < at]:
            del history.approvals[id_]
        history.used = {use for use in history.used if use[0] in history.approvals or use[0] in history.announced}
        history.heeded = {id_ for id_ in history.heeded if id_ in history.approvals}
        given = history.approvals[entry.subject] = Approval(
            entry.subject,
            self.plan,
            self.policy,
            self.guards,
            frozenset(self.effects),
            self.by,
            self.because,
            at,
            self.expires_at,
            frozenset(self.on_the_way),
            self.signature,
            self.os_user,
            self.host,
            self.accepts,
            self.good_read,
            self.complete,
        )
        if self.v < TAKEN_ONCE_IT_COUNTS:
            heed(history, given, time)


@kind("approval.counts")
class ApprovalCounts(Entry, frozen=True):
    """A cycle found that an approval counts under the rules in force. The subject is the approval's id."""

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Takes what it accepts. A cycle whose clock nobody vouches for finds nothing that lasts."""
        if time.verified and (approval := history.approvals.get(entry.subject)) is not None:
            heed(history, approval, time)


def heed(history: Growing, approval: Approval, time: EntryTime) -> None:
    """What this approval accepts is the measure from then on, and its sums begin anew. Whoever was neither due nor on the way in
    a good read made for it was in step there."""
    history.heeded.add(approval.id)
    at = min(approval.at, time.measured)
    if time.verified:  # a sum that begins in the future would count nobody until then
        complete = approval.guards if approval.complete is None else approval.complete
        history.sums_begun.update((guard, at) for guard in complete if guard in SUM_GUARDS)
    if approval.good_read and approval.policy_digest != history.good_policy:
        history.good_policy, history.good_policy_since = approval.policy_digest, history.good_reads
    for name, value in approval.accepts.items():
        if name == "match_percent":
            history.accepted_match_percent = float(value)
        elif name.startswith("emptied:"):
            history.peopled.discard(name.removeprefix("emptied:"))
        elif name == "as_of":
            history.as_of = from_rfc3339(str(value))
        elif name == "view":  # as it looks there, it is
            history.view, history.view_since = str(value), None
        elif name.startswith("entry:"):
            history.groups[name] = str(value)
        elif name.startswith(("people", "entitled", "group:", "size:")):
            history.measures[name] = ((at, float(value)),)


@kind("people")
class PeopleAnnounced(Entry, frozen=True):
    """Leavers named beforehand (``approve --people``). The subject is the announcement's id."""

    accounts: tuple[str, ...]  # Zoom ids
    starts_at: datetime
    ends_at: datetime
    by: str
    because: str
    signature: str = ""
    os_user: str = ""
    host: str = ""

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Stands until its last day is over."""
        for id_ in [id_ for id_, one in history.announced.items() if one.ends_at < time.measured]:
            del history.announced[id_]
        history.announced[entry.subject] = Announcement(
            entry.subject,
            frozenset(self.accounts),
            self.starts_at,
            self.ends_at,
            self.by,
            self.because,
            time.measured,
            self.signature,
            self.os_user,
            self.host,
        )


@kind("acknowledgement")
class RowAcknowledged(Entry, frozen=True):
    """Somebody knows of a standing ``manual`` row. The subject is its Zoom id. *fingerprint*: of the facts behind the row."""

    by: str
    because: str
    until: datetime
    fingerprint: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The latest one counts."""
        history.acknowledged[entry.subject] = Acknowledgement(self.by, self.because, time.measured, self.until, self.fingerprint)


@kind("review")
class CycleReviewed(Entry, frozen=True):
    """A person looked at a cycle, or at a month (``2026-11``)."""

    of: str
    by: str
    note: str = ""


@kind("hold")
class HoldPlaced(Entry, frozen=True):
    """An account is to be left alone, until a time or until released. The subject is its Zoom id."""

    by: str
    because: str
    until: datetime | None

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The latest one counts."""
        history.holds[entry.subject] = Hold(self.by, self.because, time.measured, self.until)


@kind("release")
class HoldReleased(Entry, frozen=True):
    """A hold ends."""

    by: str
    because: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Gone."""
        history.holds.pop(entry.subject, None)


@kind("pause")
class ChangesPaused(Entry, frozen=True):
    """All changes stop until resumed."""

    by: str
    because: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Pauses do not stack: the first counts from when it began, the last says why."""
        if history.paused_since is None:
            history.paused_since = time.measured
        history.paused_by, history.paused_because = self.by, self.because


@kind("resume")
class ChangesResumed(Entry, frozen=True):
    """Changes may go on."""

    by: str
    because: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """One ends them all."""
        history.paused_since, history.paused_by, history.paused_because = None, "", ""


@kind("undo")
class CycleUndone(Entry, frozen=True):
    """Somebody puts back what a cycle changed."""

    of: str
    by: str
    because: str
