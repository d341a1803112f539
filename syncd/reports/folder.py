"""Cycle documents on disk: one file per distinct plan digest and result; repeats only add a line to ``cycles.jsonl``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from syncd.model import CycleReport
from syncd.reports.document import moment, written


@dataclass(frozen=True, slots=True)
class Filed:
    """Where a report lies. *sha256* is set when it was written now, and empty when an earlier cycle's file says the same."""

    path: Path
    sha256: str


def file_cycle(folder: Path, report: CycleReport, omit: tuple[str, ...] = ()) -> Filed:
    """Writes the document (unless a file with the same plan digest and result is there) and adds a line to the list.
    Files appear whole or not at all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = report.plan.digest[:16] if report.plan is not None else "no-plan"
    same = sorted(folder.glob(f"*_{digest}_{report.result.value}.json"))
    if same and report.plan is not None:
        filed = Filed(same[-1], "")
    else:
        path = folder / f"{report.started_at:%Y%m%dT%H%M%SZ}_{digest}_{report.result.value}.json"
        filed = Filed(path, _write(path, report, omit))
    line = {
        "cycle_id": report.cycle_id, "started_at": moment(report.started_at), "ended_at": moment(report.ended_at),
        "mode": report.mode.value, "trigger": report.trigger.value, "result": report.result.value,
        "plan_digest": report.plan.digest if report.plan is not None else None, "file": filed.path.name,
        "head_sequence": report.head.seq, "head_hash": report.head.hash,
    }
    with (folder / "cycles.jsonl").open("a", encoding="utf-8") as listing:
        listing.write(json.dumps(line) + "\n")
    return filed


def _write(path: Path, report: CycleReport, omit: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8", newline="\n") as out:
        for piece in written(report, omit):
            out.write(piece)
            digest.update(piece.encode())
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
    return digest.hexdigest()


def differing_files(folder: Path, recorded: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of the files recorded (name, SHA-256), those on disk that are not what was recorded, with a word why. Files removed by
    retention are no difference."""
    bad = []
    for name, sha256 in recorded:
        path = folder / name
        if Path(name).name != name:
            bad.append((name, "is not a file name"))
        elif path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            bad.append((name, "was changed since the ledger recorded it"))
    return bad
