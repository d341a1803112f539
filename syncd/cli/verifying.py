"""``syncd ledger verify``: one pass over a ledger or an export, and the folder of reports beside it, told in lines.

Needs no credential. Whatever is found is a line; a line that begins with NOT INTACT makes the exit status 6, one that begins
with note does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.errors import UsageError
from syncd.ledger.audit import PublishedHeads, SeenChanges, SignedApprovals, SignedHeads
from syncd.ledger.blankings import Blankings
from syncd.ledger.chain import AuditCheck, Verification, verify_export
from syncd.ledger.listed import ListedLine, ListedLines
from syncd.ledger.recorded_files import RecordedFiles
from syncd.model import Head
from syncd.ports import Tell
from syncd.reports.folder import (
    ENDINGS,
    LISTING,
    PERIOD_NAME,
    compare,
    digest_of,
    lines_of_nobody,
    listed_cycles,
    published_heads,
)
from syncd.reports.manifest import NAME, Manifest, faults_of, read_manifest

if TYPE_CHECKING:
    from syncd.config import Config
    from syncd.host.signing import PublicKeys

#: Names of files told in one line; the others are counted.
NAMED = 5

BAD = "NOT INTACT: "


@dataclass(frozen=True, slots=True)
class Look:
    """What to look for. *demanded*: the folder was named on the command line, so it must be there."""

    head: str | None = None
    public_key: Path | None = None
    folder: Path | None = None
    demanded: bool = False
    signers: Path | None = None  # who may sign approvals


@dataclass
class Found:
    """What was found, line by line."""

    lines: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was found that should not be."""
        return not any(line.startswith(BAD) for line in self.lines)

    def bad(self, what: str) -> None:
        """Something that makes the whole not intact."""
        self.lines.append(BAD + what)


class _Pass:
    """The checks of one pass, made before the chain is read: what is published later may be ahead of it."""

    def __init__(self, look: Look) -> None:
        from syncd.app import read_public_keys, signed_by

        self.look = look
        self.keys: PublicKeys | None = read_public_keys(look.public_key) if look.public_key is not None else None
        self.manifest: Manifest | None = None
        self.manifest_fault = ""
        if look.folder is not None and look.demanded and not look.folder.is_dir():
            raise UsageError(f"--reports: {look.folder} is not a folder")
        heads = [Head(*pair) for pair in published_heads(look.folder)] if look.folder is not None else []
        lines = listed_cycles(look.folder) if look.folder is not None else []
        if look.folder is not None:
            try:
                self.manifest = read_manifest(look.folder)
            except (ValueError, OSError) as error:
                self.manifest_fault = str(error)
        self.listed = PublishedHeads.of(heads)
        self.beside = PublishedHeads.of([])  # kept outside of the ledger's database
        self.head_is_gone = False  # nothing is kept there, and something would be
        self.in_manifest = PublishedHeads.of([self.manifest.head] if self.manifest is not None else [])
        self.of_nobody = lines_of_nobody(look.folder) if look.folder is not None else 0
        self.lines = ListedLines.of(ListedLine(one.cycle, one.head, one.says) for one in lines)
        self.signed = SignedHeads(self.keys.fits, self.keys.valid) if self.keys is not None else SignedHeads()
        self.files = RecordedFiles((lambda: self.signed.last.seq) if self.keys is not None else None)
        self.seen = SeenChanges()
        self.approvals = SignedApprovals(signed_by(look.signers)) if look.signers is not None else None

    @property
    def checks(self) -> Sequence[AuditCheck]:
        own = (self.approvals,) if self.approvals is not None else ()
        return (self.signed, self.listed, self.in_manifest, self.beside, self.lines, self.files, self.seen, *own)

    def told(self, chain: Verification) -> Found:
        """Everything found, the chain first."""
        found = Found([f"{chain.entries} entries, head {chain.head.seq} {chain.head.hash}"])
        if chain.problem is not None:
            found.bad(str(chain.problem))
            return found
        found.lines.append("the chain is intact" + (", and holds the head given" if self.look.head else ""))
        self._signatures(found, chain.head)
        if self.seen.by_event or self.seen.by_log or self.seen.foreign:
            found.lines.append(
                f"{self.seen.by_event} changes are confirmed by Zoom's events, {self.seen.by_log} by its "
                f"operation log; {self.seen.foreign} changes by others are recorded"
            )
        if self.approvals is not None:
            found.lines.append(f"{self.approvals.signed} approvals are signed, and the signatures fit")
            if self.approvals.unsigned:
                found.lines.append(f"note: {self.approvals.unsigned} approvals are not signed")
        if self.look.folder is not None:
            try:
                self._folder(found, self.look.folder)
            except OSError as error:
                raise UsageError(f"{error.filename} cannot be read ({error.strerror})") from None
        for head in self.beside.lost:
            if (head.seq, head.hash) not in self.files.accepted:
                found.bad(
                    f"the head kept beside the ledger, {head.seq} {head.hash}, is not in the chain: entries were cut off, "
                    "an older copy was put back, or that file was changed"
                )
        if self.head_is_gone and chain.entries:
            found.lines.append(
                "note: no head is kept beside the ledger, so nothing there tells whether entries were cut off; the next entry "
                "writes one. It is so after an upgrade, and of a copy; else ask who took it away or emptied it"
            )
        self._not_looked_at(found)
        return found

    def _not_looked_at(self, found: Found) -> None:
        """An intact chain is not the whole proof: what was not asked for is said, so that nobody takes it for shown."""
        without = [
            words
            for given, words in (
                (self.look.head, "whether later entries were cut off (--head HASH, of a log archive or an earlier visit)"),
                (self.keys, "signatures (--public-key FILE)"),
                (self.look.folder, "report files (--reports DIR)"),
            )
            if not given
        ]
        if without:
            found.lines.append(f"note: not checked: {'; '.join(without)}")

    def _signatures(self, found: Found, head: Head) -> None:
        signed = self.signed
        if signed.count == 0:
            return
        last = f"{signed.count} heads are signed, the last is entry {signed.last.seq}"
        if self.keys is None:
            found.lines.append(f"{last}; check the signatures with --public-key FILE")
            return
        for key, seq in signed.by_others.items():
            found.lines.append(
                f"note: entry {seq} is signed with the key {key}, which was not given: nothing vouches for that one"
            )
        after = head.seq - signed.last.seq - 1
        found.lines.append(
            f"{last}: the signatures fit, and everything up to it is as it was signed"
            + (f"; {after} later entries are not signed yet" if after else "")
        )

    def _folder(self, found: Found, folder: Path) -> None:
        kept = {name: one.sha256 for name, one in self.files.kept.items()}
        removed = {name: one.sha256 for name, one in self.files.removed.items()}
        there = compare(folder, kept, removed, self.files.fresh)
        if (folder / LISTING).exists() and not (folder / LISTING).is_file():
            found.bad(f"{LISTING}: is no file, and syncd wrote one: somebody put something else in its place")
            return
        for file, what in there.different:
            found.bad(f"{file}: {what}")
        for name, lost in ((LISTING, self.listed.lost), (NAME, self.in_manifest.lost)):
            heads = [head for head in lost if (head.seq, head.hash) not in self.files.accepted]
            if len(heads) < len(lost):
                found.lines.append(f"note: {len(lost) - len(heads)} heads in {folder}/{name} were accepted as lost")
            if heads:
                found.bad(
                    f"{len(heads)} heads in {folder}/{name} are not in the chain, the first is {heads[0].seq} "
                    f"{heads[0].hash}: entries were cut off, or those reports belong to another ledger"
                )
        if self.manifest is None and not self.manifest_fault and there.same:
            self._without_manifest(found, folder)
        if self.manifest_fault:
            found.bad(f"{NAME}: is none that syncd wrote ({self.manifest_fault})")
        if self.manifest is not None:
            faults = faults_of(folder, self.manifest, {**removed, **kept}, self.keys, self.in_manifest.last_at)
            for fault in faults:
                found.bad(fault)
        if there.missing:
            found.bad(
                f"{len(there.missing)} recorded reports are not in {folder}, and retention removed none of them: "
                f"{_some(there.missing)}"
            )
        self._periods(found, folder)
        self._strange(found, folder, there.strange)
        self._others(found, folder, {*kept, *removed, *there.strange})
        self._cycles(found, folder, {one.cycle for one in listed_cycles(folder)})
        self._lines(found, folder)
        if found.good:
            gone = f", {len(removed)} were removed when their time was over" if removed else ""
            manifest = (
                ""
                if self.manifest is None
                else "; the manifest agrees" + (" and its signature fits" if self.keys is not None else "")
            )
            found.lines.append(f"{len(kept)} reports are recorded, those on disk ({there.same}) are unchanged{gone}{manifest}")

    def _without_manifest(self, found: Found, folder: Path) -> None:
        """It is written anew after every cycle: after the first it is there, but for folders of the first version."""
        if self._covered:
            found.bad(f"{NAME}: is not in {folder}, and was written after every cycle: somebody took it away")
            return
        found.lines.append(
            f"note: {folder} has no {NAME}: the reports are as the ledger recorded them, but nothing shows "
            f"that {LISTING} was not shortened"
        )

    @property
    def _last(self) -> str:
        """The last cycle that must have a line; it may be being filed right now, unless a process said that nothing is left."""
        last = max(self.files.owed, key=self.files.owed.__getitem__, default="")
        return last if last and self.files.owed[last] > self.files.filed else ""

    @property
    def _covered(self) -> int:
        """The entry with which the last cycle but one ended: a manifest was written after that. 0: there is none."""
        return max(sorted(self.files.owed.values())[:-1], default=0)

    def _strange(self, found: Found, folder: Path, there: Sequence[str]) -> None:
        """Files named like ours that the ledger does not know; those of entries accepted as lost are told apart."""
        lost_ones = {name for one in listed_cycles(folder) if one.head in self.files.accepted for name in one.files}
        strange = [name for name in there if name not in lost_ones]
        if len(strange) < len(there):
            found.lines.append(f"note: {len(there) - len(strange)} reports in {folder} are of entries accepted as lost")
        if strange:
            found.bad(
                f"{len(strange)} files in {folder} look like reports, but the ledger never recorded them; do not rely on "
                f"them: {_some(strange)}"
            )

    def _others(self, found: Found, folder: Path, told: set[str]) -> None:
        """Whatever could be taken for evidence under a name of its own, also in a folder in it. It may be the company's: that is
        no fault. A blank or a dot at the end of a name does not show everywhere."""
        there = sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if Path(path.name.rstrip().rstrip(".")).suffix.lower() in ENDINGS
        )
        others = [
            one
            for one in there
            if one not in told | self.files.made.keys() | {LISTING}
            and not PERIOD_NAME.fullmatch(one)
            and not self._made_there(folder / one)
        ]
        if others:
            found.lines.append(f"note: nothing vouches for files in {folder} that the ledger does not know: {_some(others)}")

    def _made_there(self, path: Path) -> bool:
        """Whether it is a period's report as it was recorded: those are made wherever somebody wants them."""
        made = self.files.made.get(path.name, ())
        return bool(made) and path.is_file() and digest_of(path) in made

    def _periods(self, found: Found, folder: Path) -> None:
        """Reports of periods, each held against every time it was made under this name."""
        made = self.files.made
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name in made and path.is_file() and not any(digest_of(path) == one for one in made[path.name]):
                found.bad(f"{path.name}: was changed since the ledger recorded it")
            elif path.name not in made and PERIOD_NAME.fullmatch(path.name):
                found.bad(f"{path.name}: looks like a report of a period, but the ledger never recorded it; do not rely on it")
        gone = [name for name in sorted(self.files.made_here) if not (folder / name).is_file()]
        if gone:
            found.bad(f"{len(gone)} recorded reports of periods are not in {folder}: {_some(gone)}")

    def _cycles(self, found: Found, folder: Path, listed: set[str]) -> None:
        """Every cycle that ended has its line, or an entry says why not; the last one may be about to get it."""
        owed, last = self.files.owed, self._last
        without = [cycle for cycle in owed if cycle not in listed and cycle != last]
        if without:
            found.bad(
                f"{LISTING}: {len(without)} cycles that ended are not listed in {folder}, and no entry says why; the first "
                f"is {without[0]} (entry {owed[without[0]]})"
            )
        shown = [one.file for one in self.files.kept.values() if one.cycle == last and (folder / one.file).is_file()]
        if last and last not in listed and shown:  # its line came first
            found.bad(f"{LISTING}: the last cycle, {last}, is not listed in {folder}, and its report is there: {_some(shown)}")
        elif last and last not in listed:
            found.lines.append(f"note: the last cycle, {last}, is not listed in {folder} yet")
        if self.manifest is not None and self.manifest.head.seq < self._covered:
            found.bad(
                f"{NAME}: is an older one: it ends at entry {self.manifest.head.seq}, but was written anew after entry "
                f"{self._covered}"
            )
        if self.files.unfiled:
            found.lines.append(f"note: of {len(self.files.unfiled)} cycles the ledger says why they were not filed at once")

    def _lines(self, found: Found, folder: Path) -> None:
        """Every line is of a cycle that the ledger knows, and says of it what the ledger says. Those whose head is lost, or was
        accepted as lost, are told by that."""
        elsewhere = {*self.files.accepted, *((one.seq, one.hash) for one in self.listed.lost)}
        unknown = [one for one in self.lines.unknown() if one.head not in elsewhere]
        made_up = [one.cycle for one in unknown if not one.unrecorded]
        if made_up:
            found.bad(
                f"{LISTING}: {len(made_up)} lines in {folder} are of cycles that the ledger does not know; do not rely on them: "
                f"{_some(made_up)}"
            )
        if len(unknown) > len(made_up):
            found.lines.append(
                f"note: {len(unknown) - len(made_up)} lines of {LISTING} say that the ledger could not record them; nothing "
                f"vouches for them: {_some([one.cycle for one in unknown if one.unrecorded])}"
            )
        if self.of_nobody:
            found.lines.append(
                f"note: {self.of_nobody} lines of {LISTING} cannot be read: a crash or a full disk left half of them, or syncd "
                "never wrote them"
            )
        if taken_up := self.lines.taken_up():
            found.lines.append(
                f"note: {len(taken_up)} lines of {LISTING} say that the ledger could not record them, and it did; what it says "
                f"counts: {_some([one.cycle for one in taken_up])}"
            )
        if self.manifest is not None:
            late = {one.cycle for one in listed_cycles(folder, self.manifest.listing[0])}
            if added := [cycle for cycle in self.lines.ended_by(self.manifest.head.seq) if cycle in late]:
                found.bad(
                    f"{LISTING}: {len(added)} lines were added after the manifest was written, of cycles that had ended before: "
                    f"{_some(added)}"
                )
        for line, key in self.lines.otherwise()[:NAMED]:
            found.bad(f"{LISTING}: the line of cycle {line.cycle} says something else of its {key} than the ledger does")


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


async def verify_ledger(config: Config, tell: Tell, look: Look) -> Found:
    """Verifies the configured ledger. Raises ConfigError, LedgerError (it cannot be read), UsageError."""
    from syncd.app import open_ledger

    each = _Pass(look)
    async with open_ledger(config, tell) as opened:
        kept = opened.published()  # before the chain is read, which may be ahead of it
        each.beside, each.head_is_gone = PublishedHeads.of(kept), opened.keeps_head and not kept
        return each.told(await opened.verify(look.head, each.checks))


def verify_export_file(path: Path, look: Look) -> Found:
    """Verifies what ``ledger export`` wrote. Raises UsageError."""
    each = _Pass(look)
    try:
        # An edited byte that is no UTF-8 must be found in its line, not stop the check; only a line feed ends a line.
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            blank: set[str] = set()
            checks = (*each.checks, Blankings(blank))
            return each.told(verify_export(lines, (look.head or "").strip().lower(), checks, blank))
    except OSError as error:
        raise UsageError(f"--export: {path} cannot be read ({error.strerror})") from None
