"""Cycle reports on disk: one file per format, distinct plan digest and result; repeats only add a line to ``cycles.jsonl``."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from syncd.model import CycleReport, Head
from syncd.reports.cycle import Circumstances, cycle_view
from syncd.reports.document import moment, written
from syncd.reports.private import for_few, make_folder_for_few
from syncd.reports.render import render
from syncd.reports.view import View

#: So old is an unfinished file that nobody is at work on any more.
UNFINISHED_SECONDS = 3600.0

#: The list of all cycles, a JSON object a line.
LISTING = "cycles.jsonl"

#: In the line of a cycle that a ledger which does not verify could not record: false.
RECORDED = "recorded"

#: How the files of a cycle are called: when it began, the beginning of the plan's digest, the result, the format.
_NAME = re.compile(r"\d{8}T\d{6}Z_[0-9a-z-]+_[a-z_]+\.(html|csv|json|xlsx|jsonl)")

#: The same to a person, or a file system, that makes no difference between capitals and small letters.
_LIKE_OURS = re.compile(_NAME.pattern, re.IGNORECASE)

#: What evidence may be read in.
ENDINGS = frozenset({".html", ".htm", ".csv", ".json", ".xlsx", ".jsonl", ".txt", ".pdf"})

#: How a period's report is called when a folder is named for it.
PERIOD_NAME = re.compile(r"syncd_\d{4}-\d\d-\d\d_\d{4}-\d\d-\d\d\.(html|csv|json|xlsx|jsonl|txt)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filed:
    """Where a report lies. *sha256* is set when it was written now, and empty when an earlier cycle's file says the same.
    *others*: the same report in further formats."""

    path: Path
    sha256: str
    others: tuple[Filed, ...] = ()

    @property
    def written(self) -> tuple[Filed, ...]:
        """The files that were written now."""
        return tuple(one for one in (self, *self.others) if one.sha256)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A report that lies in the folder under other names, so that the ledger can vouch for it before anybody sees it."""

    folder: Path
    filed: Filed
    line: str

    def show(self) -> Filed:
        """Gives the list its line, and the files their names: in this order, so that a report which is shown and not listed
        tells of a list that was shortened. Raises OSError; what was recorded is shown by ``finish`` then."""
        with open(self.folder / LISTING, "a", encoding="utf-8", opener=for_few) as listing:
            listing.write(("" if _ends_a_line(self.folder / LISTING) else "\n") + self.line + "\n")
        for one in self.filed.written:
            _unfinished(one.path).replace(one.path)
        return self.filed


def file_cycle(
    folder: Path,
    report: CycleReport,
    omit: tuple[str, ...] = (),
    formats: Sequence[str] = ("json",),
    circumstances: Circumstances | None = None,
    known: Container[str] | None = None,
) -> Filed:
    """Writes and shows a report at once. Raises as ``prepare_cycle``."""
    return prepare_cycle(folder, report, omit, formats, circumstances, known).show()


def prepare_cycle(
    folder: Path,
    report: CycleReport,
    omit: tuple[str, ...] = (),
    formats: Sequence[str] = ("json",),
    circumstances: Circumstances | None = None,
    known: Container[str] | None = None,
    *,
    recorded: bool = True,
) -> Prepared:
    """Writes the report in each format, unless a file with the same plan digest and result is there. *known*: the files that
    count as being there (None: any). *recorded*: whether the ledger knows this cycle; the line says when it does not. Raises
    OSError, Unbalanced (nothing was written: sums that should be equal are not)."""
    view = cycle_view(report, omit, circumstances)
    view.demand_balance()
    make_folder_for_few(folder)
    digest = report.plan.digest[:16] if report.plan is not None else "no-plan"
    what = report.result.value if report.look is None else f"{report.result.value}_look"
    stem = f"{report.started_at:%Y%m%dT%H%M%SZ}_{digest}_{what}"
    first, *others = [_file(folder, stem, format_, report, view, omit, known) for format_ in dict.fromkeys(formats)]
    line = {
        "cycle_id": report.cycle_id,
        "started_at": moment(report.started_at),
        "ended_at": moment(report.ended_at),
        "mode": report.mode.value,
        "trigger": report.trigger.value,
        "result": report.result.value,
        "plan_digest": report.plan.digest if report.plan is not None else None,
        "file": first.path.name,
        "files": [one.path.name for one in (first, *others)],
        "head_sequence": report.head.seq,
        "head_hash": report.head.hash,
        **({} if recorded else {RECORDED: False}),
        **({"problem": report.why} if report.why else {}),  # an unreadable cycle's file may tell of another cause
    }
    return Prepared(folder, replace(first, others=tuple(others)), json.dumps(line))


def finish(folder: Path, recorded: Mapping[str, str], now: datetime) -> None:
    """What a crash or a full disk left unfinished: files that the ledger vouches for (name -> SHA-256) get their names, others
    are removed once they are old: a new one may be of another replica that is filing. Raises OSError."""
    for new in sorted(folder.glob("*.new")) if folder.is_dir() else ():
        name = new.name.removesuffix(".new")
        if not _NAME.fullmatch(name):
            continue
        try:
            if name in recorded and not (folder / name).exists() and digest_of(new) == recorded[name]:
                new.replace(folder / name)
            elif name in recorded or now.timestamp() - new.stat().st_mtime > UNFINISHED_SECONDS:
                new.unlink()
        except FileNotFoundError:  # it has its name by now
            continue


def _file(
    folder: Path,
    stem: str,
    format_: str,
    report: CycleReport,
    view: View,
    omit: tuple[str, ...],
    known: Container[str] | None,
) -> Filed:
    there = sorted(folder.glob(f"*_{stem.partition('_')[2]}.{format_}"))
    same = [path for path in there if known is None or path.name in known]
    if same:
        return Filed(same[-1], "")
    path = folder / f"{stem}.{format_}"
    new = _unfinished(path)
    try:
        with open(new, "wb", opener=for_few) as out:
            if format_ == "json":
                out.writelines(piece.encode("utf-8", "backslashreplace") for piece in written(report, omit))
            else:
                render(view, format_, out)
            out.flush()
            os.fsync(out.fileno())
        return Filed(path, digest_of(new))
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _unfinished(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".new")


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal. Raises OSError."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def remove(folder: Path, names: Iterable[str]) -> None:
    """Removes these files where they are there; nothing outside of the folder. Raises OSError."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in there.intersection(names) - {LISTING}:
        (folder / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Compared:
    """A folder beside what the ledger recorded. *different*: (file, a word why); *missing*: recorded, not removed by
    retention, and not here; *strange*: looks like a report, and was never recorded; *same*: how many are as recorded."""

    different: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    strange: tuple[str, ...]
    same: int


def compare(folder: Path, kept: Mapping[str, str], removed: Mapping[str, str], fresh: Container[str] = ()) -> Compared:
    """Compares every file with its record (name -> SHA-256). A file that retention removed and that is here again (from a
    backup) is compared too. *fresh*: those that may still lie under the name of an unfinished one; any other that does was given
    that name by somebody, and is missing under its own."""
    different, missing, same = [], [], 0
    for name, sha256 in {**removed, **kept}.items():
        if Path(name).name != name:
            different.append((name, "is not a file name"))
            continue
        path = folder / name
        if not path.is_file() and name in fresh and _unfinished(path).is_file():
            path = _unfinished(path)  # recorded a moment ago, or before a crash
        if not path.is_file():
            missing += [name] if name in kept else []
        else:
            matches = digest_of(path) == sha256
            same += matches
            if not matches:
                different.append((name, "was changed since the ledger recorded it"))
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    strange = tuple(name for name in there if _LIKE_OURS.fullmatch(name) and name not in kept and name not in removed)
    return Compared(tuple(different), tuple(missing), strange, same)


@dataclass(frozen=True, slots=True)
class ListedCycle:
    """One line of the list of cycles. *says*: everything in it."""

    cycle: str
    head: tuple[int, str]
    files: tuple[str, ...]
    says: Mapping[str, object] = field(default_factory=dict)


def _ends_a_line(listing: Path) -> bool:
    """Whether the list ends as it should; not where a crash or a full disk left half a line."""
    with listing.open("rb") as content:
        if content.seek(0, os.SEEK_END) == 0:
            return True
        content.seek(-1, os.SEEK_END)
        return content.read(1) == b"\n"


def listed_cycles(folder: Path, after: int = 0) -> list[ListedCycle]:
    """The list of cycles on disk, from so many bytes on. Lines a crash left half written are passed over; one that names no head
    has head 0."""
    found = []
    for line in _lines_of(folder, after):
        listed = _object_of(line)
        if listed is None:
            continue
        named = listed.get("files")
        files = named if isinstance(named, list) else [listed.get("file")]
        found.append(
            ListedCycle(str(listed.get("cycle_id", "")), _head_of(listed), tuple(str(one) for one in files if one), listed)
        )
    return found


def lines_of_nobody(folder: Path) -> int:
    """How many lines of the list are no JSON object: a crash or a full disk left half of them, or syncd never wrote them."""
    return sum(_object_of(line) is None for line in _lines_of(folder))


def _lines_of(folder: Path, after: int = 0) -> list[str]:
    try:
        return [line for line in (folder / LISTING).read_bytes()[after:].decode("utf-8", "replace").split("\n") if line]
    except OSError:
        return []


def _object_of(line: str) -> dict[str, Any] | None:
    try:
        listed = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return listed if isinstance(listed, dict) else None


def _head_of(listed: Mapping[str, Any]) -> tuple[int, str]:
    head = Head.of(listed.get("head_sequence"), listed.get("head_hash"))
    return (head.seq, head.hash) if head is not None else (0, "")


def published_heads(folder: Path) -> list[tuple[int, str]]:
    """The ledger heads (sequence, hash) that the list of cycles on disk names: what shows that a chain lost its tail."""
    return [one.head for one in listed_cycles(folder) if one.head[0] > 0]
