"""What the simulation itself met, and how often: a table without a zero, or it proves less than it says."""

from __future__ import annotations

from collections import Counter


class Coverage:
    """Counts by family (event, reason, guard, outcome, …) and word."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def met(self, family: str, word: str, times: int = 1) -> None:
        self.counts[family, word] += times

    def add(self, other: Coverage) -> None:
        self.counts.update(other.counts)

    def never(self, wanted: dict[str, frozenset[str]]) -> list[str]:
        """What is wanted and was not met."""
        return [
            f"{family} {word}"
            for family, words in sorted(wanted.items())
            for word in sorted(words)
            if not self.counts[family, word]
        ]

    def table(self) -> str:
        """One line a word, by family."""
        width = max((len(word) for _, word in self.counts), default=0)
        lines, before = [], ""
        for family, word in sorted(self.counts):
            if family != before:
                lines.append(f"{family}:")
                before = family
            lines.append(f"  {word:<{width}} {self.counts[family, word]:>9}")
        return "\n".join(lines)
