"""Entries about the ledger itself and the files beside it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from syncd.ledger.entry import Entry, EntryTime, kind
from syncd.model import Head, LedgerEntry

if TYPE_CHECKING:
    from syncd.ledger.history import Growing


@kind("ledger.opened", newest=2)
class LedgerOpened(Entry, frozen=True):
    """The first entry: binds the ledger to one Zoom account and one directory."""

    format: str
    ledger_id: str
    zoom_account: str
    directory: str
    mode: str = ""  # since 2: the mode it was begun in
    beside: int = 0  # since 2: reports of an earlier ledger that lay in the folder then

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Bound from here on."""
        history.opened_at = time.measured
        history.ledger_id, history.zoom_account, history.directory = self.ledger_id, self.zoom_account, self.directory
        history.begun_in, history.begun_beside = self.mode, self.beside


@kind("ledger.accepted")
class LedgerAccepted(Entry, frozen=True):
    """Somebody says that this ledger is meant as it is: new, restored, with a tip in the future, or read against another
    directory. *missing_heads*: published heads (sequence, hash) that are not in the chain; only these stop counting.
    *directory*: the one it is bound to from here on."""

    by: str
    because: str
    missing_heads: tuple[tuple[int, str], ...] = ()
    directory: str = ""

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """After a roll-back nothing that was approved counts any more. After that, and for another directory, the policy is
        looked at again and changes wait until resumed. Holds, deactivations of ours and licences stay."""
        history.accepted = True
        history.tip_at = time.measured if time.verified else None
        back = bool(self.missing_heads) or history.rolled_back_from is not None
        history.rolled_back_from = None
        history.accepted_heads.update(self.missing_heads)
        if back:
            history.approvals.clear()
            history.announced.clear()
        if self.directory:
            history.directory = self.directory
            history.pairs.clear()
        if back or self.directory:
            history.armed = True
            history.decided.clear()  # nobody counts as shown in step by what was read before
            history.out_of_step.clear()
            history.paused_since = history.paused_since or time.measured
            history.paused_by, history.paused_because = self.by, self.because


@kind("ledger.restored")
class LedgerRestored(Entry, frozen=True):
    """A backup was put back. *sequence*, *hash*: its end; *lost_sequence*, *lost_hash*: the end of the ledger that was there,
    which is kept aside (0 and empty: there was none; the same as the backup's: nothing was lost)."""

    sequence: int
    hash: str
    lost_sequence: int
    lost_hash: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """What was lost stands until somebody accepts it."""
        if (self.lost_sequence, self.lost_hash) != (self.sequence, self.hash):
            history.rolled_back_from = Head(self.lost_sequence, self.lost_hash)


@kind("ledger.upgraded")
class LedgerUpgraded(Entry, frozen=True):
    """Another version of syncd goes on with this ledger. *rules_changed*: it may decide differently. *blanked*: references of
    the names and addresses that 0.1.0 blanked, which wrote no entry of it."""

    from_version: str
    to_version: str
    rules_changed: bool
    blanked: tuple[str, ...] = ()

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Other rules are another policy."""
        history.armed = history.armed or self.rules_changed


@kind("checkpoint")
class CheckpointMade(Entry, frozen=True):
    """What the ledger says up to the entry before this one was put beside the chain; its hash."""

    digest: str


@kind("personal.blanked")
class PersonalBlanked(Entry, frozen=True):
    """So many rows of names and addresses, which no entry had referred to since then, were blanked: those under *refs*. A row
    that is blank and that no entry names was emptied by somebody else."""

    rows: int
    unused_since: datetime
    refs: tuple[str, ...] = ()


@kind("head.signed", newest=2)
class HeadSigned(Entry, frozen=True):
    """Somebody with the key of this id saw the chain end at the entry right before this one."""

    sequence: int
    hash: str
    key: str
    signature: str
    filed: str = ""  # since 2: the cycle that this process filed last; its line was in the list by then


@kind("report", newest=2)
class ReportWritten(Entry, frozen=True):
    """A report file was written: its name and hash, so that a swapped file shows."""

    file: str
    sha256: str
    making: dict[str, object] | None = None  # since 2: of a period's report: command, parameters, who, host, configuration


@kind("report.unfiled")
class ReportUnfiled(Entry, frozen=True):
    """A cycle ended, and its line or its report is not in the folder: why. It may be filed later."""

    why: str


@kind("report.filed")
class ReportsFiled(Entry, frozen=True):
    """A process comes to its orderly end: whatever ended before this entry has its line and its report in the folder, or an entry
    before this one says why not. A line that is missing later was taken out. *cycles*: how many this process filed."""

    cycles: int


@kind("policy.in_force")
class PolicyInForce(Entry, frozen=True):
    """What the company's evidence is judged by, as far as it is no part of the policy that decides: promise, schedule and
    windows, retention, rules of approvals, handover. Keys of the configuration; durations in seconds. Written when it changes."""

    since: datetime  # the beginning of the first cycle under it
    values: dict[str, object]


@kind("report.removed")
class ReportsRemoved(Entry, frozen=True):
    """Report files that became too old were removed; their names and hashes stay in the ledger."""

    files: tuple[str, ...]
    written_before: datetime
