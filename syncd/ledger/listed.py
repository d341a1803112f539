"""The list of cycles in the folder of reports, held against the chain while that is followed: line by line.

The manifest covers the list only up to its own writing, and the next one would cover whatever stands there by then. So every line
must be of a cycle that the chain knows, and say of it what the chain says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.ledger import entries
from syncd.ledger.chain import Problem, Tip
from syncd.ledger.entry import decode, from_rfc3339
from syncd.model import LedgerEntry

#: What a line may say of a cycle whose own end could not be written down; see ``ListedLine.unrecorded``.
NOT_WRITTEN_DOWN = "failed"


@dataclass(frozen=True, slots=True)
class ListedLine:
    """One line of the list. *unrecorded*: it says itself that the ledger did not verify then, and could not take it up."""

    cycle: str
    head: tuple[int, str]
    says: Mapping[str, object]

    @property
    def odd_head(self) -> bool:
        """Whether it names a head that no ledger ever has: syncd did not write that."""
        named = (self.says.get("head_sequence", 0), self.says.get("head_hash", ""))
        return self.head[0] == 0 and named != (0, "")

    @property
    def unrecorded(self) -> bool:
        """Whether the line claims nothing that a ledger in order would know: the chain was broken, or its end failed."""
        return self.says.get("recorded") is False or self.end_failed

    @property
    def end_failed(self) -> bool:
        """Whether it was written where the end could not be, as far as anybody knew: an answer of the database may be lost."""
        return self.says.get("result") == NOT_WRITTEN_DOWN and bool(self.says.get("problem"))


@dataclass
class ListedLines:
    """Which lines of the list the chain does not bear out. *lines* are read before the chain is, which may be ahead of them."""

    lines: tuple[ListedLine, ...] = ()
    _wanted: frozenset[str] = frozenset()
    _known: set[str] = field(default_factory=set)
    _planned: dict[str, str] = field(default_factory=dict)  # cycle -> its plan's digest
    _ended: dict[str, tuple[int, dict[str, object]]] = field(default_factory=dict)  # cycle -> its last entry, what it says

    @classmethod
    def of(cls, lines: Iterable[ListedLine]) -> ListedLines:
        """Of lines in their order."""
        there = tuple(lines)
        return cls(there, frozenset(one.cycle for one in there))

    def begin(self) -> None:
        """Forgets what was taken."""
        self._known.clear()
        self._planned.clear()
        self._ended.clear()

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry. Raises LedgerError when this program does not understand it."""
        if not entry.cycle or entry.cycle not in self._wanted:
            return None
        self._known.add(entry.cycle)
        if entry.kind == entries.CycleRead.kind:
            self._planned[entry.cycle] = decode(entries.CycleRead, entry).read.plan
        elif entry.kind == entries.CycleEnded.kind:
            says = decode(entries.CycleEnded, entry)
            if says.read is not None:
                self._planned[entry.cycle] = says.read.plan
            self._ended[entry.cycle] = (
                entry.seq,
                {
                    "mode": says.mode,
                    "trigger": says.trigger,
                    "result": says.result,
                    "started_at": says.started_at,
                    "ended_at": says.ended_at,
                },
            )
        return None

    def end(self, _: Tip) -> Problem | None:
        """Lines are told by ``unknown`` and ``otherwise``: the chain itself may be in order."""
        return None

    def unknown(self) -> list[ListedLine]:
        """Lines of cycles of which the chain holds nothing."""
        return [one for one in self.lines if one.cycle not in self._known]

    def taken_up(self) -> list[ListedLine]:
        """Lines of cycles whose end the chain holds, although they say that it could not be written down."""
        return [one for one in self.lines if one.unrecorded and one.cycle in self._ended]

    def ended_by(self, seq: int) -> list[str]:
        """Listed cycles that had ended by this entry, but for those whose lines say that the ledger could not take them up."""
        apart = {one.cycle for one in self.lines if one.unrecorded}
        return [cycle for cycle, (last, _) in self._ended.items() if last <= seq and cycle not in apart]

    def otherwise(self) -> list[tuple[ListedLine, str]]:
        """Lines that say something else of a cycle than the chain does, and what: a key of the line. Where a chain that broke
        afterwards holds the end, one cycle wrote both, and they say the same; its plan and its head need not be."""
        found = []
        for one in self.lines:
            seq, chain = self._ended.get(one.cycle, (0, {}))
            if one.cycle in self._planned and not one.unrecorded:
                chain = {**chain, "plan_digest": self._planned[one.cycle]}
            wrong = next((key for key, value in chain.items() if not _same(one.says.get(key, value), value)), "")
            if not wrong and (one.odd_head or (one.head[0] < seq and not one.unrecorded)):
                wrong = "head_sequence"
            if not wrong and seq and not one.unrecorded and not _named_after(one.says):
                wrong = "file"
            if wrong and (one.odd_head or not one.end_failed):
                found.append((one, wrong))
        return found


def _named_after(says: Mapping[str, object]) -> bool:
    """Whether the files of a line are those of its plan and result: their names say both."""
    named = says.get("files")
    files = named if isinstance(named, list) else [says.get("file")]
    of = f"_{str(says.get('plan_digest') or 'no-plan')[:16]}_{says.get('result')}"
    return says.get("file") in files and all(
        isinstance(one, str) and one.partition(".")[0].removesuffix("_look").endswith(of) for one in files
    )


def _same(listed: object, chain: object) -> bool:
    if not isinstance(chain, datetime):
        return listed == chain
    try:
        return listed == chain or from_rfc3339(str(listed)) == chain
    except ValueError:
        return False
