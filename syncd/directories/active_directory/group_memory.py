"""Which object each configured group was, so that one that was moved or renamed is found again.

Only a help for finding: whether an entry of the configuration still means the object it meant is for a guard to say, from the
ledger. A memory that is lost or cannot be read costs nothing but that help.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from syncd.errors import LedgerError

KEY = "active_directory.groups"


class Store(Protocol):
    """Where values outlive the process."""

    async def get_state(self, key: str) -> Any:
        """The value, or None. Raises LedgerError."""

    async def set_state(self, key: str, value: Any) -> None:
        """Writes it. Raises LedgerError."""


@dataclass
class GroupMemory:
    """*groups*: entry of the configuration -> objectGUID. *kept* reads what *store* holds where nothing may be written (a plan, a
    check): they find a group that was moved as the cycle does."""

    store: Store | None = None
    groups: dict[str, str] = field(default_factory=dict)
    kept: Callable[[str], Awaitable[Any]] | None = None
    _recalled: bool = False

    async def recall(self) -> None:
        """Takes over what an earlier process knew, once."""
        read = self.kept if self.store is None else self.store.get_state
        if read is None or self._recalled:
            return
        try:
            value = await read(KEY)
        except LedgerError:
            return
        self._recalled = True
        if isinstance(value, dict):
            self.groups = {entry: id_ for entry, id_ in value.items() if _is_guid(id_)} | self.groups

    async def keep(self, groups: Mapping[str, str]) -> None:
        """What a whole read found."""
        known = self.groups | dict(groups)
        if known == self.groups:
            return
        self.groups = known
        if self.store is not None:
            try:
                await self.store.set_state(KEY, known)
            except LedgerError:
                return  # the ledger is needed for more than this: whoever needs it says so


def _is_guid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
