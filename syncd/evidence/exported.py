"""The evidence of a period from an export alone: for whoever was handed files, without configuration, ledger or network.

The export is followed twice: once to verify it, since nothing is concluded from one that is not intact, and once to tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TextIO

from syncd.errors import LedgerError, UsageError
from syncd.evidence.comparing import OtherLeavers
from syncd.evidence.periods import Asked, Period, Sample
from syncd.ledger.blankings import Blankings
from syncd.ledger.chain import Exported, Problem, Tip, read_line, verify_export, who_of
from syncd.ledger.entries import PolicyInForce
from syncd.ledger.entry import decode
from syncd.model import LedgerEntry
from syncd.operations.schedule import Schedule

#: What an export of 0.1.0, which recorded neither, is judged by: the defaults of ``reports.promise`` and ``schedule.interval``.
PROMISE = timedelta(hours=24)
INTERVAL = timedelta(minutes=15)


@dataclass
class _LastInForce:
    """What was recorded as in force last."""

    values: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        self.values = {}

    def take(self, entry: LedgerEntry) -> Problem | None:
        if entry.kind == PolicyInForce.kind:
            self.values = decode(PolicyInForce, entry).values
        return None

    def end(self, _: Tip) -> Problem | None:
        return None


@dataclass(frozen=True, slots=True)
class Export:
    """An export that was verified. *omit*: columns that the company leaves out of its evidence."""

    path: Path
    sha256: str
    timezone: str
    omit: tuple[str, ...]

    def document(
        self,
        first: date,
        last: date,
        sample: Sample | None,
        progress: Callable[[int], None],
        others: OtherLeavers | None = None,
    ) -> dict[str, object]:
        """As ``Period.document``. Raises UsageError, LedgerError."""
        asked = Asked(first, last, PROMISE, Schedule(INTERVAL), self.timezone, others)
        period = Period(asked, sampling=sample is not None)
        beside: dict[str, Exported] = {}
        with _opened(self.path) as lines:
            for line in lines:
                exported = read_line(line.removesuffix("\n"))
                period.take(exported.entry)
                if exported.personal is not None:
                    beside[who_of(exported.entry)] = exported
                progress(exported.entry.seq)
        return period.document({ref: dict(one.personal or {}) for ref, one in beside.items()}, sample)


def verified(path: Path) -> Export:
    """Raises UsageError (it cannot be read, or is empty), LedgerError (it is not intact)."""
    in_force, blank = _LastInForce(), set[str]()
    digest = hashlib.sha256()

    def read(lines: TextIO) -> Iterator[str]:
        for line in lines:
            digest.update(line.encode("utf-8", "surrogateescape"))
            yield line

    with _opened(path) as lines:
        found = verify_export(read(lines), checks=[in_force, Blankings(blank)], blank=blank)
    if found.problem is not None:
        raise LedgerError(
            f"the export is not intact: {found.problem}; no report was made",
            "Ask for a new export; syncd ledger verify --export names the fault too.",
        )
    if not found.entries:
        raise UsageError(f"--export: {path} holds no entry", "Whoever runs syncd makes it: syncd ledger export --out FILE")
    get = in_force.values.get
    return Export(path, digest.hexdigest(), get("reports.timezone") or "UTC", tuple(get("reports.omit_columns") or ()))


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            yield lines
    except OSError as error:
        raise UsageError(f"--export: {path} cannot be read ({error.strerror})") from None
