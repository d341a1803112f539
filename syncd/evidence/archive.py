"""What comes after a cycle: its head is signed, its report written and recorded, old reports removed, the manifest renewed.

Everything here happens under the writer's term. None of it can change how the cycle ended; what fails is raised and the next
cycle does it. The head is signed before anything slow, so that a signature is missing for moments only, and again when files
were recorded after it.

A process that comes to its orderly end says in the ledger that nothing is left to be filed, and with each signature which cycle
it filed last. So only what ended after that can be taken for a cycle whose process was killed; any other line that is missing was
taken out by somebody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from syncd.errors import ConfigError, LedgerError, NotLeader, SyncdError
from syncd.events import Noted
from syncd.ledger import record
from syncd.ledger.audit import WITH_LISTS, head_message
from syncd.ledger.entries import CycleEnded, HeadSigned, LedgerOpened, PolicyInForce
from syncd.ledger.entry import decode
from syncd.ledger.history import History
from syncd.ledger.recorded_files import ABOUT_FILES, RecordedFile, RecordedFiles
from syncd.model import CycleReport, Draft, Guard, Head, LedgerEntry
from syncd.ports import Clock, Tell
from syncd.reports.cycle import Circumstances
from syncd.reports.folder import finish, listed_cycles, prepare_cycle, remove
from syncd.reports.manifest import NAME, Listed, faults_of, read_manifest, write_manifest

#: The version that began ledgers without lists of what was blanked.
FIRST_VERSION = "0.1.0"

#: How many reports wait for room in the folder. Each may be large; what falls out is in the ledger all the same.
OWED_MAX = 4

#: What the ledger says of a cycle that ended and has no report.
NOT_FILED = "syncd ended before it was filed"

#: How long the last entry of a process may keep it from ending. Without it a missing line may be taken for a killed process's.
CLOSE_SECONDS = 1.0

#: Signs bytes: (the key's id, the signature in Base64).
Sign = Callable[[bytes], tuple[str, str]]


class Record(Protocol):
    """What filing needs of a ledger."""

    async def append(self, drafts: Sequence[Draft], *, term: int = 0) -> tuple[LedgerEntry, ...]:
        """See ``ports.Ledger.append``."""

    async def head(self) -> Head:
        """See ``ports.Ledger.head``."""

    async def seal(self, sign: Callable[[Head], Draft], *, term: int) -> LedgerEntry | None:
        """Appends what *sign* makes of the head, with nothing between the two; None when that was just done. Raises as
        ``append``, and what *sign* raises."""

    async def checkpoint(self, made: Callable[[str], Draft], *, term: int) -> None:
        """Puts what the ledger says beside the chain when that is worth it, and *made* of its hash into it. Raises as
        ``append``."""

    async def upgraded(self, made: Callable[[Sequence[str]], Draft], *, term: int) -> None:
        """Appends what *made* of the rows that are blank and that no entry names, unless that was done. Raises as
        ``append``."""

    def entries(self, from_seq: int = 1, kinds: Sequence[str] = ()) -> AsyncIterator[LedgerEntry]:
        """Entries from there on, of these kinds (none named: of all). Raises LedgerError."""

    async def history(self) -> History:
        """See ``ports.Ledger.history``."""

    async def demand_term(self, term: int) -> None:
        """Raises NotLeader when a newer writer has taken the ledger over."""

    @property
    def clock_stands(self) -> bool:
        """Whether this machine's clock may say what is old: false where a service was to vouch for it, and none did."""


@dataclass
class Filing:
    """Files the cycles of one process. *folder* None: no reports are written, heads are signed all the same."""

    ledger: Record
    clock: Clock
    tell: Tell
    folder: Path | None
    formats: Sequence[str]
    omit: tuple[str, ...]
    keep: timedelta
    circumstances: Callable[[CycleReport], Awaitable[Circumstances]]
    sign: Sign | None = None
    publish: Callable[[Head], None] = lambda _: None  # where a head is kept that nothing here can roll back
    _files: RecordedFiles = field(default_factory=RecordedFiles)
    in_force: Mapping[str, object] = field(default_factory=dict)
    once: bool = False  # this process files one cycle and ends: it says at once that nothing is left
    _taken_over: bool = False
    _looked_back: bool = False
    _owed: list[CycleReport] = field(default_factory=list)
    _last_term: int = 0
    _begun: list[str] = field(default_factory=list)  # cycles whose filing did not end
    _filed: int = 0  # how many cycles this process filed
    _manifest: int = 0  # the entry at which the manifest that it wrote last ends
    _read: Head = field(default_factory=lambda: Head(0, ""))  # the last entry of which files are known
    _last_filed: str = ""
    _settled: int = 0  # its sequence as that filing ended: no cycle that ended before is left
    _terms: dict[str, int] = field(default_factory=dict)  # of the cycles that ended; a process has at least one of its own

    async def __call__(self, report: CycleReport, term: int) -> None:
        """Raises LedgerError, NotLeader, ConfigError (the signing key; everything else was done), Unbalanced."""
        if report.off_the_record:
            return
        await self.ledger.demand_term(term)  # the folder is the newer writer's, who may be filing right now
        broken = (await self.ledger.history()).broken
        unsigned = None
        if not broken:
            await self.ledger.checkpoint(record.checkpointed, term=term)
            await self._take_over(report.version, term)
            await self._record_in_force(report, term)
            try:
                await self._seal(report.cycle_id, term)
            except ConfigError as error:
                unsigned = error
        if self.folder is not None:
            try:
                await self._file(self.folder, report, term, recorded=not broken, signed=unsigned is None)
            except OSError as error:
                raise LedgerError(
                    f"the report cannot be written to {self.folder}: {error.strerror}",
                    "Make the folder writable, or set reports.directory.",
                ) from None
        if not broken and not any(one.tripped and one.guard is Guard.LEDGER_ROLLED_BACK for one in report.verdicts):
            self.publish(await self.ledger.head())  # a head that shows a roll-back stays until that is accepted
        if unsigned is not None:
            raise unsigned

    async def _file(self, folder: Path, report: CycleReport, term: int, *, recorded: bool, signed: bool) -> None:
        if not recorded:  # still told to people, but nothing can be written down of it
            await self._write(folder, report, None, term)
            return
        self._begun.append(report.cycle_id)
        await self._read_record()
        before = self._read
        faults: Sequence[str] = ()
        with suppress(OSError):  # a folder that cannot be read is said by whatever writes into it
            faults = await asyncio.to_thread(self._faults_of_manifest, folder)
        if faults:
            self.tell(Noted("manifest.overwritten", "warning", {"cycle_id": report.cycle_id, "why": "; ".join(faults)}))
        await self._tell_unfiled(folder, report.cycle_id, term)
        # A clock that nobody vouches for may be years ahead: everything looks old, and what is removed is lost for good.
        removed = await self._removed(folder, report.cycle_id) if self.ledger.clock_stands else []
        if removed:
            await self.ledger.append(removed, term=term)
            if signed:  # what excuses that files are gone counts once it is signed, and reports may take their time
                await self._seal(report.cycle_id, term)
        await self._file_what_is_owed(folder, report, term)
        await self._read_record()
        self._begun.clear()
        if not signed:  # the last signed manifest is worth more than one without
            await self.ledger.append([record.report_unfiled(report.cycle_id, "the manifest could not be signed")], term=term)
            return
        self._filed, self._settled, self._last_filed = self._filed + 1, self._read.seq, report.cycle_id
        if self.once:  # before the signature and the manifest, which then cover it
            await self._say_filed(term)
        if self._read != before:
            await self._seal(report.cycle_id, term)
        head, listed = await self.ledger.head(), [_listed(one) for one in self._files.kept.values()]
        await asyncio.to_thread(write_manifest, folder, self._files.ledger_id, head, listed, self.clock.now(), self.sign)
        self._manifest = head.seq

    def _faults_of_manifest(self, folder: Path) -> Sequence[str]:
        """What is wrong with the manifest that is about to be overwritten: afterwards it shows nothing any more."""
        filed = [seq for seq in self._files.owed.values() if seq < self._files.filed]
        covered = self._manifest or max(filed, default=0)
        try:
            manifest = read_manifest(folder)
        except ValueError as error:
            return [f"{NAME}: is none that syncd wrote ({error})"]
        if manifest is None:
            return [f"{NAME}: is not there any more"] if covered else []
        older = [f"{NAME}: is an older one: it ends at entry {manifest.head.seq}, and cycles were filed up to entry {covered}"]
        recorded = {name: one.sha256 for name, one in {**self._files.removed, **self._files.kept}.items()}
        return [*(older if manifest.head.seq < covered else []), *faults_of(folder, manifest, recorded, None)]

    async def close(self) -> None:
        """The orderly end of a process that filed cycles: says so, unless one is left, which the next process says of it then.
        Raises nothing, and does not wait for a ledger that does not answer."""
        if self.once or not self._filed or self._begun:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._read_record()
                if self._settled and all(seq <= self._settled for seq in self._files.owed.values()):
                    await self._say_filed(self._last_term)
                    await self._seal(self._last_filed, self._last_term)
        except NotLeader:
            pass  # whoever took over has looked back, or will
        except (SyncdError, TimeoutError) as error:
            why = error.what if isinstance(error, SyncdError) else f"the ledger did not answer within {CLOSE_SECONDS:g} s"
            self.tell(Noted("report.end_unsaid", "warning", {"why": why}))

    async def _say_filed(self, term: int) -> None:
        await self.ledger.append([record.reports_filed(self._last_filed, self._filed)], term=term)
        await self._read_record()

    async def _take_over(self, version: str, term: int) -> None:
        """A ledger that the first version began did not say what it blanked: that is written down once."""
        if self._taken_over:
            return
        async for entry in self.ledger.entries(kinds=(LedgerOpened.kind,)):
            if decode(LedgerOpened, entry).v < WITH_LISTS:
                await self.ledger.upgraded(lambda blank: record.upgraded(FIRST_VERSION, version, blank), term=term)
        self._taken_over = True

    async def _record_in_force(self, report: CycleReport, term: int) -> None:
        """Compared with what was recorded last, by whomever."""
        recorded: Mapping[str, object] | None = None
        async for entry in self.ledger.entries(kinds=(PolicyInForce.kind,)):
            recorded = decode(PolicyInForce, entry).values
        if self.in_force and recorded != self.in_force:
            await self.ledger.append([record.in_force(report.cycle_id, self.in_force, report.started_at)], term=term)

    async def _seal(self, cycle: str, term: int) -> None:
        """Signs the head; the signature goes to the log too, where whoever can edit the ledger may not reach it."""
        if self.sign is None:
            return
        sign = self.sign
        signed: list[tuple[Head, str, str]] = []

        def draft(head: Head) -> Draft:
            key, signature = sign(head_message(head))
            signed.append((head, key, signature))
            return record.head_signed(cycle, head, key, signature, self._last_filed)

        if await self.ledger.seal(draft, term=term) is not None:
            head, key, signature = signed[-1]
            self.tell(
                Noted(
                    "head.signed",
                    "info",
                    {"cycle_id": cycle, "head_sequence": head.seq, "head_hash": head.hash, "key": key, "signature": signature},
                )
            )

    async def _tell_unfiled(self, folder: Path, cycle: str, term: int) -> None:
        """Cycles that ended and were not filed: the last ones of processes that ended first, and those of this process that were
        interrupted. What they found is in the ledger, their reports are lost. Those that wait for room are told already."""
        recorded = {name: one.sha256 for name, one in self._files.kept.items()}
        await asyncio.to_thread(finish, folder, recorded, self.clock.now())
        if term > self._last_term + 1:  # somebody else wrote in between
            self._looked_back = False
        self._last_term = term
        owed = [one for one in self._files.owed if one != cycle]
        if owed and not (self._looked_back and set(self._begun).isdisjoint(owed)):
            listed = {one.cycle for one in await asyncio.to_thread(listed_cycles, folder)}
            asked = {*self._begun, *(() if self._looked_back else await self._ended_first(owed, listed))}
            lost = [record.report_unfiled(one, NOT_FILED) for one in owed if one in asked and one not in listed]
            await self.ledger.append(lost, term=term)
        self._looked_back = True
        self._begun = [cycle]

    async def _ended_first(self, owed: Sequence[str], listed: Container[str]) -> list[str]:
        """The last cycle, unless it is listed; and the one before it, if the process of that last one came to no other cycle
        and so could not say so, and so on. A line that is missing farther back was taken out, and so was one of a cycle that a
        process said it had filed: nothing excuses that."""
        cycles_of, missing = Counter(self._terms.values()), list[str]()
        for one in reversed(owed):
            if one in listed or self._files.ended[one] < self._files.filed:
                break
            missing.append(one)
            if cycles_of[self._terms[one]] > 1:
                break
        if not missing:
            return []
        filed = 0
        async for entry in self.ledger.entries(self._files.ended[missing[-1]], (HeadSigned.kind,)):
            filed = max(filed, self._files.ended.get(decode(HeadSigned, entry).filed, 0))
        return [one for one in missing if self._files.ended[one] > filed]

    async def _file_what_is_owed(self, folder: Path, report: CycleReport, term: int) -> None:
        """The cycle in hand, and before it those that found no room. Raises OSError, once the ledger says why."""
        for owed in [*self._owed, report]:
            try:
                await self._write(folder, owed, self._files.kept, term)
            except OSError as error:
                if owed is report:
                    await self.ledger.append([record.report_unfiled(report.cycle_id, _why(error))], term=term)
                    self._owed.append(report)
                    del self._owed[:-OWED_MAX]
                    raise
            else:
                if owed is not report:
                    self._owed.remove(owed)

    async def _write(self, folder: Path, report: CycleReport, known: Container[str] | None, term: int) -> None:
        """Recorded first and shown then: a file that the ledger does not know is nobody's report. *known* None: the ledger is
        broken, and nothing can be recorded."""
        beside = await self.circumstances(report)
        # In a thread: a large report must not keep health checks waiting.
        prepared = await asyncio.to_thread(
            prepare_cycle, folder, report, self.omit, self.formats, beside, known, recorded=known is not None
        )
        drafts = [record.reported(report.cycle_id, one.path.name, one.sha256) for one in prepared.filed.written]
        if drafts and known is not None:
            await self.ledger.append(drafts, term=term)
            await self._read_record()
        await asyncio.to_thread(prepared.show)

    async def _removed(self, folder: Path, cycle: str) -> list[Draft]:
        """Removes files whose record is older than they are kept. Removed first and recorded then: after a crash in between
        the next cycle records it."""
        before = self.clock.now() - self.keep
        old = [one.file for one in self._files.kept.values() if datetime.fromisoformat(one.at) < before]
        # Also what another replica recorded as removed, and what a backup brought back.
        await asyncio.to_thread(remove, folder, [*old, *self._files.removed])
        if not old:
            return []
        self.tell(
            Noted("reports.removed", "info", {"cycle_id": cycle, "files": len(old), "written_before": record.rfc3339(before)})
        )
        return [record.report_removed(cycle, old, before)]

    async def _read_record(self) -> None:
        """Takes over what was recorded since the last look, by other processes too. Where the last entry it knew is not in the
        chain any more, an older ledger was put back: then what the lost one said is forgotten."""
        last, held = self._read, self._read.seq == 0
        async for entry in self.ledger.entries(max(1, last.seq), ABOUT_FILES):
            if held:
                self._take(entry)
            elif (entry.seq, entry.hash) == (last.seq, last.hash):
                held = True
            else:
                break
        if not held:
            self._forget()
            async for entry in self.ledger.entries(kinds=ABOUT_FILES):
                self._take(entry)

    def _forget(self) -> None:
        self._files.begin()
        self._terms.clear()
        self._read, self._settled, self._manifest = Head(0, ""), 0, 0
        self._taken_over = self._looked_back = False

    def _take(self, entry: LedgerEntry) -> None:
        self._files.take(entry)
        if entry.kind == CycleEnded.kind:
            self._terms[entry.cycle] = entry.term
        self._read = Head(entry.seq, entry.hash)


def _why(error: OSError) -> str:
    return f"the folder of reports cannot be written ({error.strerror or type(error).__name__})"


def _listed(one: RecordedFile) -> Listed:
    return Listed(one.file, one.sha256, one.cycle, one.at, one.seq)
