"""What the chain says of report files while it is followed: which were written, which were removed, which cycles owe one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from syncd.ledger import entries
from syncd.ledger.audit import HEAD_SIGNED, SET_BACK, duration_in
from syncd.ledger.chain import Fault, Problem, Tip, time_text
from syncd.ledger.entry import decode
from syncd.model import LedgerEntry


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A report file as the ledger recorded it."""

    file: str
    sha256: str
    cycle: str
    at: str
    seq: int


#: Kinds of entries that ``RecordedFiles`` looks at.
ABOUT_FILES = (
    "ledger.opened",
    "ledger.accepted",
    "policy.in_force",
    "cycle.ended",
    "report",
    "report.unfiled",
    "report.filed",
    "report.removed",
)


@dataclass
class RecordedFiles:
    """The report files that were written, which of them retention removed, and which cycles must have a line among them:
    those that ended while a folder was in force, but for those of which an entry says why not.

    *covered*: up to which entry signatures fit, asked once they were looked at. Then only what is signed vouches for a file, or
    excuses that something is missing: entries that nobody signed yet are easily made up."""

    covered: Callable[[], int] | None = None
    ledger_id: str = ""
    kept: dict[str, RecordedFile] = field(default_factory=dict)
    removed: dict[str, RecordedFile] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)  # cycle -> its last entry
    unfiled: dict[str, str] = field(default_factory=dict)  # cycle -> why
    accepted: set[tuple[int, str]] = field(default_factory=set)  # heads that somebody said are lost
    made: dict[str, set[str]] = field(default_factory=dict)  # reports of periods -> hashes, one each time it was made
    made_here: set[str] = field(default_factory=set)  # those that were written into the folder of reports
    filed: int = 0  # the last entry that says that all before it was filed: nothing excuses what is missing of that
    _ended_at: int = 0  # with which entry the last cycle ended, one with a folder or without, a person's too
    _filing: bool = False
    _keep: timedelta | None = None  # how long reports are kept, where an entry says so
    _last: tuple[str, int] = ("", 0)  # the cycle that ended last, and with which entry
    _unsigned: list[LedgerEntry] = field(default_factory=list)  # those that wait for a signature

    def begin(self) -> None:
        """Forgets what was taken."""
        self.ledger_id, self._filing, self._keep, self._last, self.filed = "", False, None, ("", 0), 0
        self._ended_at = 0
        self._unsigned.clear()
        for taken in (self.kept, self.removed, self.ended, self.unfiled, self.accepted, self.made, self.made_here):
            taken.clear()

    @property
    def owed(self) -> dict[str, int]:
        """Cycles that must have a line, and the entry with which each ended."""
        return {cycle: seq for cycle, seq in self.ended.items() if cycle not in self.unfiled}

    @property
    def fresh(self) -> set[str]:
        """Files recorded since the last cycle ended, unless a process said after that that all is filed. They may still lie under
        the name of an unfinished one: whoever recorded them gives them theirs next, or was killed and the next cycle does."""
        return {name for name, one in self.kept.items() if one.seq > max(self._ended_at, self.filed)}

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry. Raises LedgerError when this program does not understand it."""
        if self.covered is None:
            return self._take(entry)
        if entry.kind in ABOUT_FILES:
            self._unsigned.append(entry)
        if entry.kind != HEAD_SIGNED or self.covered() != entry.seq - 1:
            return None
        signed, self._unsigned = self._unsigned, []
        return next((problem for one in signed if (problem := self._take(one)) is not None), None)

    def _take(self, entry: LedgerEntry) -> Problem | None:
        match entry.kind:
            case "ledger.opened":
                self.ledger_id = decode(entries.LedgerOpened, entry).ledger_id
            case "report":
                self._written(entry, decode(entries.ReportWritten, entry))
            case "report.removed":
                return self._removed(entry, decode(entries.ReportsRemoved, entry))
            case "report.unfiled":
                self._unfiled(entry.cycle, decode(entries.ReportUnfiled, entry).why)
            case "report.filed":
                self.filed = entry.seq
            case "policy.in_force":
                values = decode(entries.PolicyInForce, entry).values
                self._filing, self._keep = bool(values.get("reports.directory")), duration_in(values.get("reports.keep"))
                if not self._filing:
                    self.ended.pop(entry.cycle, None)  # the first without a folder
                elif entry.cycle == self._last[0]:
                    self.ended.setdefault(*self._last)  # the first with one: what is in force is said after its end
            case "ledger.accepted":
                self.accepted.update(decode(entries.LedgerAccepted, entry).missing_heads)
            case "cycle.ended":
                self._ended_at = entry.seq
                if decode(entries.CycleEnded, entry).because is None:
                    self._last = entry.cycle, entry.seq
                    self.ended.update([self._last] if self._filing else [])
            case _:
                pass
        return None

    def _unfiled(self, cycle: str, why: str) -> None:
        """Said before a process says that all was filed, or never: syncd says it no later, whoever signs it then."""
        if cycle not in self.ended or self.ended[cycle] > self.filed:
            self.unfiled[cycle] = why

    def _removed(self, entry: LedgerEntry, says: entries.ReportsRemoved) -> Problem | None:
        """Retention removes what is old enough, and nothing else."""
        if self._keep is not None:
            early = says.time(entry).measured - says.written_before < self._keep - SET_BACK
            young = [one for one in says.files if one in self.kept and self.kept[one].at >= time_text(says.written_before)]
            if early or young:
                return Problem(
                    entry.seq,
                    Fault.EARLY,
                    f"entry {entry.seq} says that reports were removed which were to be kept for longer: syncd does not do that, "
                    f"somebody else removed them: {(young or list(says.files))[0]}",
                )
        for name in says.files:
            if name in self.kept:
                self.removed[name] = self.kept.pop(name)
        return None

    def _written(self, entry: LedgerEntry, says: entries.ReportWritten) -> None:
        if says.making is None:
            self.kept[says.file] = RecordedFile(says.file, says.sha256, entry.cycle, entry.at, entry.seq)
            return
        self.made.setdefault(says.file, set()).add(says.sha256)
        if says.making.get("inside"):
            self.made_here.add(says.file)

    def end(self, _: Tip) -> Problem | None:
        """Files are compared by whoever can read them."""
        return None
