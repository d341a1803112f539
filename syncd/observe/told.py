"""What people were told last, kept over a restart, so that a new process does not tell standing trouble again.

It lies in the ledger's side table: never part of the chain, of an export or of a decision. What is lost there, or cannot be read,
costs one repeated message; so does another list of receivers, since whoever is new wants to hear how things stand. Ids of
accounts are kept to tell who is new, no address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from syncd.errors import LedgerError

KEY = "notifications.told"

#: Word of a message -> what was said under it, as parts that can be compared one by one.
Told = dict[str, frozenset[tuple[str, ...]]]


class Store(Protocol):
    """Where values outlive the process."""

    async def get_state(self, key: str) -> Any:
        """The value, or None. Raises LedgerError."""

    async def set_state(self, key: str, value: Any) -> None:
        """Writes it. Raises LedgerError."""


@dataclass(frozen=True, slots=True)
class Memory:
    """*receivers*: what each webhook is told of, and in which format; their addresses may rotate."""

    store: Store
    receivers: tuple[tuple[str, ...], ...]

    async def recall(self) -> Told | None:
        """What was said last; None: nobody knows, or it was said to others."""
        try:
            value = await self.store.get_state(KEY)
        except LedgerError:
            return None
        return _understood(value, self.receivers)

    async def keep(self, told: Mapping[str, Iterable[tuple[str, ...]]]) -> bool:
        """From here on this was said; False: the ledger did not take it, and whoever needs it for more says so."""
        value = {
            "receivers": [list(one) for one in self.receivers],
            "told": {word: sorted(list(part) for part in parts) for word, parts in sorted(told.items())},
        }
        try:
            await self.store.set_state(KEY, value)
        except LedgerError:
            return False
        return True


def _understood(value: Any, receivers: tuple[tuple[str, ...], ...]) -> Told | None:
    """A value that another version wrote is none."""
    try:
        if tuple(tuple(one) for one in value["receivers"]) != receivers:
            return None
        return {
            str(word): frozenset(tuple(str(text) for text in part) for part in parts) for word, parts in value["told"].items()
        }
    except (AttributeError, KeyError, TypeError):
        return None
