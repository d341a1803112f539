"""Changes: announced, and how they ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from syncd.ledger.entries.cycles import MONTH
from syncd.ledger.entries.witness import announce, settle
from syncd.ledger.entry import Entry, EntryTime, Part, kind
from syncd.model import Counted, Deactivated, Intent, LedgerEntry, OutcomeKind, OutcomeReason, Refusal, SeenEffect

if TYPE_CHECKING:
    from syncd.ledger.history import Growing

#: How long a failure for what Zoom answered about one account alone waits for the next one to be the second in a row.
TROUBLE_REMEMBERED = timedelta(days=7)

#: Changes that Zoom tells others of.
WITNESSED = frozenset({"deactivate", "reactivate", "restore_licence"})


@kind("intent")
class IntentAnnounced(Entry, frozen=True):
    """An effect about to be tried: written, durably, before the request leaves. The subject is the account's Zoom id."""

    id: str
    action: str
    by: str  # cycle | hand | undo
    reason: str
    before: dict[str, Any]  # what the account had: see ``record.before_of``
    approval: str
    restore: dict[str, Any] | None
    person: str = ""  # directory id of whom it is done for

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Open until its outcome."""
        history.intents[self.id] = Intent(
            self.id,
            entry.cycle,
            time.measured,
            entry.subject,
            self.action,
            self.by,
            self.reason,
            self.before,
            self.approval,
            self.restore,
            self.person,
        )
        if self.action in WITNESSED:
            announce(history, self.id, SeenEffect(entry.subject, self.action, time.measured, self.who))


class RefusalSaid(Part, frozen=True):
    """A refusal for good."""

    code: int | None
    says: str
    fingerprint: str


@kind("outcome")
class OutcomeSettled(Entry, frozen=True):
    """How an announced effect ended. *status_after*, *licence_after*: what a read after it showed."""

    intent: str
    action: str
    outcome: str
    reason: str
    status_after: str | None
    licence_after: str | None
    done_at: datetime | None
    verified_at: datetime | None
    attempts: int
    refusal: RefusalSaid | None = None

    @property
    def may_have_been_done(self) -> bool:
        """Whether a change of a status was carried out, or may have been: somebody deleted the account before it could be looked
        at. Guards on sums count both. Where Zoom refused because it knew no such account, *status_after* says what it had."""
        return self.outcome == OutcomeKind.DONE or (self.reason == OutcomeReason.GONE_FROM_ZOOM and self.status_after is None)

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The intent is settled; what was done is remembered as ours."""
        intent = history.intents.pop(self.intent, None)
        if intent is None:
            return
        effect = (intent.zoom_id, intent.action)
        if self.refusal is not None:
            history.refusals[effect] = Refusal(time.measured, self.refusal.code, self.refusal.says, self.refusal.fingerprint)
        done_at = self.done_at or time.measured
        settle(history, intent.id, done_at if self.outcome == OutcomeKind.DONE else None)
        if intent.by == "cycle" and intent.action in ("deactivate", "reactivate") and self.may_have_been_done:
            given = history.approvals.get(intent.approval)
            on_its_way = given is not None and effect not in given.effects  # then it was covered for one guard alone
            reviewed = bool(intent.approval) and not on_its_way
            one = Counted(done_at, intent.action, reviewed, intent.reason, intent.zoom_id)
            old = sum(1 for _ in takewhile(lambda earlier: earlier.at < time.measured - MONTH, history.counted))
            history.counted = (*history.counted[old:], one)
        if self.outcome != OutcomeKind.DONE:
            return
        if intent.action == "deactivate":  # whoever is active again begins anew
            history.shown.pop(intent.zoom_id, None)
        history.refusals.pop(effect, None)
        history.troubles.pop(effect, None)
        if intent.approval:  # reviewed more than once, for several guards: used up in each of them
            history.used.update((id_, *effect) for id_, one in history.approvals.items() if effect in one.effects)
        if intent.approval in history.announced:
            history.used.add((intent.approval, *effect))
        history.done[intent.id] = (intent, self.licence_after or "")
        if intent.action == "deactivate":
            before = {**intent.before, **(intent.restore or {})}  # a licence still owed outlives leaving again
            history.deactivated[intent.zoom_id] = Deactivated(
                done_at,
                intent.cycle,
                intent.by,
                before.get("type"),
                before.get("plan"),
                before.get("role_id"),
                intent.reason,
                person=intent.person,
            )
        elif intent.action == "reactivate" and intent.by == "hand":  # a person says whose it is: the next good read remembers
            history.pairs.pop(intent.zoom_id, None)
        if intent.action == "reactivate" and intent.zoom_id in history.deactivated:
            history.deactivated[intent.zoom_id] = replace(history.deactivated[intent.zoom_id], reactivated_at=done_at)


@kind("trouble")
class TroubleMet(Entry, frozen=True):
    """A due change failed for what Zoom answered about this one account. The subject is its Zoom id."""

    action: str
    reason: str
    code: int | None
    says: str
    fingerprint: str  # what must stay the same for it to be believed

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The second time in a row it is believed like a refusal for good; after that it counts anew."""
        effect = (entry.subject, self.action)
        first = history.troubles.pop(effect, None)
        if first is None or time.measured - first >= TROUBLE_REMEMBERED:
            history.troubles[effect] = time.measured
        else:
            history.refusals[effect] = Refusal(time.measured, self.code, self.says, self.fingerprint)
