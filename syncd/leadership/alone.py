"""Leading alone: without a lease nobody else can be leading, and the ledger's writer lock keeps two processes apart."""

from __future__ import annotations


class Alone:
    """Implements ``ports.Leadership`` for ``leadership.lease: null``."""

    def leads(self) -> bool:
        """Always."""
        return True

    async def lead(self) -> int:
        """At once."""
        return 0
