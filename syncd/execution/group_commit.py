"""Ledger entries of several workers, written together: whoever waits for a write that is going on shares the next one.

Each ``append`` still returns only when its entries are durable, all or nothing, in order; but sixteen workers cost one wait
for the disk instead of sixteen. At a large account's limits that wait, not Zoom, would set the pace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from syncd.errors import SyncdError
from syncd.model import Draft
from syncd.ports import Ledger


class GroupCommit:
    """Appends under one term. Raises to everybody who shared a write what the ledger raised."""

    def __init__(self) -> None:
        self._writing = asyncio.Lock()
        self._waiting: list[tuple[Sequence[Draft], asyncio.Future[None]]] = []

    async def append(self, ledger: Ledger, drafts: Sequence[Draft], term: int) -> None:
        """Returns when *drafts* are in the ledger. Raises LedgerError, NotLeader: then none of them is."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine = (drafts, written)
        self._waiting.append(mine)
        try:
            async with self._writing:
                if not written.done():  # nobody took them along: write them, and all that wait now
                    together, self._waiting = self._waiting, []
                    await self._write(ledger, together, term)
        finally:
            if mine in self._waiting:  # stopped before anybody took them along
                self._waiting.remove(mine)
        written.result()

    @staticmethod
    async def _write(ledger: Ledger, together: Sequence[tuple[Sequence[Draft], asyncio.Future[None]]], term: int) -> None:
        try:
            await ledger.append([draft for drafts, _ in together for draft in drafts], term=term)
        except BaseException as error:
            for _, written in together:
                if isinstance(error, SyncdError):
                    written.set_exception(error)
                    written.exception()  # seen: a waiter that was cancelled does not come for it
                else:
                    written.cancel()
            if not isinstance(error, SyncdError):
                raise
        else:
            for _, written in together:
                written.set_result(None)
