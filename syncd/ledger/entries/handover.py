"""Handing content over: what is remembered of leavers, what their accounts hold, plans, and how each handover went."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from syncd.ledger.entries.witness import announce, settle
from syncd.ledger.entry import Entry, EntryTime, Part, kind
from syncd.model import (
    HANDOVER,
    HandoverDone,
    HandoverItem,
    HandoverPlan,
    Inventory,
    LeaverMemory,
    LedgerEntry,
    SeenEffect,
    Stage,
    Standing,
    name_key,
)

if TYPE_CHECKING:
    from syncd.ledger.history import Growing

#: How long a plan of handovers may be approved and run.
PLAN_LASTS = timedelta(days=30)

#: How many people must release a legal hold, and within which time.
RELEASERS = 2
RELEASE_LASTS = timedelta(days=7)


@kind("handover.memory")
class LeaverRemembered(Entry, frozen=True):
    """What a good read showed of the person behind an account, written when it changed. The subject is the Zoom id; who manages
    them lies beside the chain."""

    standing: str
    held: bool = False
    print: str = ""  # of the managers: equal ones are not written again
    at: datetime | None = None  # when the read was made

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """While somebody is entitled the last read counts; from then on managers stay, and a legal hold once seen, too."""
        at = self.at or time.measured
        before = history.leavers.get(entry.subject)
        since = before.since if before is not None and before.standing == self.standing else at
        if self.standing == Standing.ENTITLED or before is None:
            history.leavers[entry.subject] = LeaverMemory(self.standing, since, self.who, self.print, self.held, time.measured)
        else:
            history.leavers[entry.subject] = replace(
                before, standing=self.standing, since=since, held=before.held or self.held, noted_at=time.measured
            )


@kind("handover.inventory")
class InventoryTaken(Entry, frozen=True):
    """What a leaver's account held at the first sight of leaving. The subject is its Zoom id; what was counted lies beside the
    chain. Entries of before 0.2.0's release say it themselves (None: could not be read)."""

    licence: str | None = None
    add_ons: str | None = None
    meetings: int | None = None
    webinars: int | None = None
    recordings: int | None = None
    recording_bytes: int | None = None

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The latest one counts."""
        history.inventories[entry.subject] = (
            time.measured,
            Inventory(self.licence, self.add_ons, self.meetings, self.webinars, self.recordings, self.recording_bytes),
        )
        if self.who:
            history.inventory_refs[entry.subject] = self.who
        else:
            history.inventory_refs.pop(entry.subject, None)


class ItemPlanned(Part, frozen=True):
    """One handover of a plan."""

    zoom_id: str
    receiver_id: str
    end: str
    content: tuple[str, ...]
    hold_unchecked: bool = False
    reopen: bool = False

    @property
    def item(self) -> HandoverItem:
        """What is to be done with this account's content."""
        return HandoverItem(self.zoom_id, self.receiver_id, self.end, self.content, self.hold_unchecked, self.reopen)


@kind("handover.plan")
class HandoverPlanned(Entry, frozen=True):
    """Handovers to be approved together. The subject is the plan's digest."""

    policy: str
    items: tuple[ItemPlanned, ...]

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """May be approved and run for a while."""
        for digest in [digest for digest, one in history.handover_plans.items() if one.at < time.measured - PLAN_LASTS]:
            del history.handover_plans[digest]
        history.handover_plans[entry.subject] = HandoverPlan(tuple(one.item for one in self.items), self.policy, time.measured)


@kind("handover.intent")
class HandoverAnnounced(Entry, frozen=True):
    """A handover about to be asked of Zoom: written, durably, before the request leaves. The subject is the Zoom id.
    *approvals*: those it rests on; *receiver_before*: content counted at the receiver."""

    id: str
    plan: str
    item: ItemPlanned
    by: str
    because: str
    approvals: tuple[str, ...]
    receiver_before: dict[str, int]

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Open until its outcome. Whatever was approved for this account is used up with it, by other plans too: nobody who said
        yes before the first request has said yes to a second one."""
        effect = (entry.subject, HANDOVER)
        history.used.update((id_, *effect) for id_, one in history.approvals.items() if effect in one.effects)
        history.used.update((id_, *effect) for id_ in self.approvals)
        history.handovers[entry.subject] = HandoverDone(
            self.id, time.measured, Stage.HANDING_OVER.value, self.item.item, self.plan, self.by, self.who, self.receiver_before
        )
        announce(history, self.id, SeenEffect(entry.subject, HANDOVER, time.measured, self.who))


@kind("handover.outcome")
class HandoverSettled(Entry, frozen=True):
    """How a handover ended: ``handed_over``, ``unconfirmed`` or ``refused`` (surely not carried out). *receiver_after*: content
    counted at the receiver; *missing*: kinds of which fewer arrived than were there."""

    intent: str
    state: str
    says: str = ""
    code: int | None = None
    seen: str = ""  # what a look at the account showed: gone | there | not_looked
    receiver_after: dict[str, int] = msgspec.field(default_factory=dict)
    missing: dict[str, int] = msgspec.field(default_factory=dict)

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Of the handover it is about. One that is unconfirmed may still be seen by others: it stays announced."""
        done = history.handovers.get(entry.subject)
        if done is not None and done.intent == self.intent:
            history.handovers[entry.subject] = replace(done, state=self.state, settled_at=time.measured)
        if self.state != Stage.UNCONFIRMED:
            settle(history, self.intent, time.measured if self.state == Stage.HANDED_OVER else None)


@kind("handover.access")
class AccessChanged(Entry, frozen=True):
    """For the handover of an account that must be active for it: ``open`` (made active) or ``close`` (deactivated again). Written
    before the request (``announced``) and after a look (``done``, ``not_done``). The subject is the Zoom id; *intent*: the
    handover's."""

    intent: str
    step: str
    state: str
    says: str = ""

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """From the announcement on it may be active by our doing, until a look shows it inactive; then it is as it was, with the
        retention that ran before."""
        seen_as = f"{self.intent}/{self.step}"
        if self.state == "announced":
            action = "reactivate" if self.step == "open" else "deactivate"
            announce(history, seen_as, SeenEffect(entry.subject, action, time.measured, self.who))
        else:
            settle(history, seen_as, time.measured if self.state == "done" else None)
        last = history.deactivated.get(entry.subject)
        if last is None:
            return
        if self.step == "open" and self.state == "announced":
            history.deactivated[entry.subject] = replace(last, reactivated_at=time.measured)
        elif self.step == "close" and self.state == "done":
            history.deactivated[entry.subject] = replace(last, reactivated_at=None)


@kind("handover.release")
class LegalHoldReleased(Entry, frozen=True):
    """Somebody says that a legal hold on this account's content is over; it is, once another person says so, too. The subject
    is the Zoom id."""

    by: str
    because: str
    signature: str = ""

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Two different people within a week."""
        name = name_key(self.by)
        said = {
            who: at for who, at in history.hold_releases.get(entry.subject, {}).items() if time.measured - at <= RELEASE_LASTS
        }
        said[name] = time.measured
        if len(said) < RELEASERS:
            history.hold_releases[entry.subject] = said
            return
        history.hold_releases.pop(entry.subject, None)
        if entry.subject in history.leavers:
            history.leavers[entry.subject] = replace(history.leavers[entry.subject], held=False)
