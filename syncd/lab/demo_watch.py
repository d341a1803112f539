"""The demo's scene of the watch: somebody is disabled in the directory, nobody asks for a cycle, and the account goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from syncd.model import CycleReport, DirectorySnapshot, Hint, OutcomeKind, Reread
from syncd.ports import Directory, Watcher

SECTION = """\
# Changes of the directory are acted on at once; in production a disabling must last first (watch_settle: 30s).
schedule: {watch: true, watch_settle: 0s}
"""


class Curtain:
    """Implements ``ports.Watcher`` by another one, which looks at nothing until the curtain is *up*: in the other scenes the
    audience sees a plan before anything is done."""

    def __init__(self, behind: Watcher) -> None:
        self.source, self.name = behind.source, behind.name
        self.up = asyncio.Event()
        self._behind, self._saw = behind, asyncio.Event()

    @property
    def directory(self) -> Directory:
        """As of ``ports.Watcher``."""
        return self._behind.directory

    async def changes(self) -> Hint:
        """As of ``ports.Watcher``."""
        await self.up.wait()
        hint = await self._behind.changes()
        self._saw.set()
        return hint

    async def read_again(self, hint: Hint, base: DirectorySnapshot) -> Reread:
        """As of ``ports.Watcher``."""
        return await self._behind.read_again(hint, base)

    async def close(self) -> None:
        """As of ``ports.Watcher``."""
        await self._behind.close()

    async def rise(self) -> None:
        """From here on every change is noticed."""
        self.up.set()
        await self._saw.wait()


def told(report: CycleReport) -> Iterator[str]:
    """How long after the change in the directory everything happened; nothing when the look changed nothing."""
    look = report.look
    for (zoom_id, _), outcome in report.outcomes.items():
        if look is None or outcome.outcome is not OutcomeKind.DONE or outcome.sent_at is None or outcome.verified_at is None:
            continue
        seen, sent, verified = (
            (at - look.changed[zoom_id]).total_seconds() for at in (look.seen[zoom_id], outcome.sent_at, outcome.verified_at)
        )
        yield (
            f"Seen {seen:.1f} s after the file was written, sent to Zoom after {sent:.1f} s, verified there after "
            f"{verified:.1f} s: each of these moments stands in the report."
        )
        yield (
            "A look decides like a cycle, with every guard over the whole company, and changes these people only. Without the "
            "demo's haste a disabling must last 30 s first; and no directory is seen sooner than it tells (Entra ID tells late)."
        )
