"""When the trouble of single accounts is a fault of the set-up after all: several running meet the same answer.

Odd accounts may stand side by side (sorted by id or by name), so a run of equal answers is no proof while all of them are
neighbours: the last of them are taken from elsewhere. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

#: Accounts that must meet one answer, one after the other, before it is taken for a fault of the set-up, …
RUNNING = 5

#: … and how many of them must have been taken from other parts of the plan.
FROM_ELSEWHERE = 2


@dataclass
class SameAnswers:
    """Follows what accounts answer, in the order in which they were done with."""

    answer: str = ""
    running: int = 0
    elsewhere: int = 0

    @property
    def doubted(self) -> bool:
        """Whether the next account should come from another part of the plan."""
        return self.running >= RUNNING - FROM_ELSEWHERE

    def met(self, answer: str, *, elsewhere: bool = False) -> bool:
        """Takes one more account into account; *answer* "" means that nothing was odd about it. Whether it is the set-up."""
        if answer != self.answer or not answer:
            self.answer, self.running, self.elsewhere = answer, 0, 0
        if not answer:
            return False
        self.running += 1
        self.elsewhere += elsewhere
        return self.running >= RUNNING and self.elsewhere >= FROM_ELSEWHERE


class Parts(Generic[T]):
    """A queue that can also be served from elsewhere: alternately from its end and from its middle."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items: deque[T] = deque(items)
        self._end = True

    def __len__(self) -> int:
        return len(self._items)

    def take(self) -> T:
        """The next one. Raises IndexError when nothing is left."""
        return self._items.popleft()

    def take_elsewhere(self) -> T:
        """One from another part of what is left. Raises IndexError when nothing is left."""
        at = -1 if self._end else len(self._items) // 2
        self._end = not self._end
        item = self._items[at]
        del self._items[at]
        return item


def all_same(answers: Sequence[str]) -> bool:
    """Whether a whole list of accounts met one answer, and enough of them to blame the set-up."""
    return len(answers) >= RUNNING and bool(answers[0]) and len(set(answers)) == 1
