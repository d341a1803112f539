"""What others saw of changes at Zoom, and when they were asked. No free text: who did it lies beside the chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from syncd.ledger.entry import Entry, EntryTime, kind
from syncd.model import ForeignChange, LedgerEntry, SeenEffect, Witnesses

if TYPE_CHECKING:
    from syncd.ledger.history import Growing

#: How long changes are remembered to be held against what others saw.
WITNESSES_REMEMBERED = timedelta(days=31)

#: What others see of each change of ours; of any other an update.
SEEN_AS = {"deactivate": "deactivated", "reactivate": "activated", "handover": "deleted"}


@kind("witness.set")
class WitnessesSet(Entry, frozen=True):
    """Which witnesses are configured from here on."""

    events: bool
    operation_log: bool

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """A change is judged by what was configured when it was made."""
        history.witnesses = (*history.witnesses, (time.measured, Witnesses(self.events, self.operation_log)))


@kind("witness")
class ChangeSeen(Entry, frozen=True):
    """Somebody else saw a change of an account. The subject is its Zoom id (empty: an account no longer known)."""

    source: str  # event | log
    what: str  # activated | deactivated | deleted | updated
    state: str  # confirmed | foreign | unknown (a line of the log near a change of ours)
    at: datetime  # when it happened, as Zoom says
    digest: str  # of source, what, account and time: the same one is written once
    intent: str = ""  # the effect of ours that it fits
    seconds: float | None = None  # from done to seen; negative: Zoom's clock is behind ours
    fields: tuple[str, ...] = ()  # what an update touched

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The effect is seen, or somebody else's change is known."""
        effect = history.effects.get(self.intent)
        if self.state == "foreign":
            foreign = ForeignChange(entry.subject, self.what, self.at, self.source, self.who, self.fields)
            history.foreign = (*history.foreign, foreign)
        elif effect is not None and self.state == "unknown":
            history.effects[self.intent] = replace(effect, doubtful=True)
        elif effect is not None and not effect.seen_by:
            history.effects[self.intent] = replace(effect, seen_by=self.source, seen_at=self.at)


@kind("witness.log")
class LogCompared(Entry, frozen=True):
    """Zoom's operation log was read to its end over a time, and compared with what is written here."""

    since: datetime
    until: datetime
    lines: int
    unknown: int  # lines that could not be understood

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """A change that nobody saw over a time read whole is missing."""
        kept = (span for span in history.logs_read if span[1] >= time.measured - WITNESSES_REMEMBERED)
        history.logs_read = (*kept, (self.since, self.until))


def announce(history: Growing, intent: str, effect: SeenEffect) -> None:
    """A change is about to be made: it may be seen before its outcome is known."""
    history.effects[intent] = effect


def settle(history: Growing, intent: str, done_at: datetime | None) -> None:
    """A change was made, or (*done_at* None) was not: then whatever was seen was somebody else's."""
    effect = history.effects.get(intent)
    if effect is None:
        return
    if done_at is not None:
        history.effects[intent] = replace(effect, done_at=done_at)
        return
    del history.effects[intent]
    if effect.seen_by and effect.seen_at is not None:
        what = SEEN_AS.get(effect.action, "updated")
        history.foreign = (*history.foreign, ForeignChange(effect.zoom_id, what, effect.seen_at, effect.seen_by, effect.who))


def forget_old(history: Growing, now: datetime) -> None:
    """Once a cycle. Effects stand in the order in which they were announced."""
    before = now - WITNESSES_REMEMBERED
    old = []
    for intent, effect in history.effects.items():
        if effect.announced_at >= before:
            break
        old.append(intent)
    for intent in old:
        del history.effects[intent]
    if history.foreign and history.foreign[0].at < before:
        history.foreign = tuple(one for one in history.foreign if one.at >= before)
