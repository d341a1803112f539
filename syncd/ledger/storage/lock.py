"""The writer lock beside a SQLite ledger: one process at a time, given back by the kernel however that process ends.

What is written into the file only says who holds it; whether it is held is the kernel's word alone. The file stays
when the lock is given back: removing it would let two processes lock two files of the same name.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from syncd.errors import LedgerError


class FileLock:
    """An exclusive ``flock`` on *path*. Never waits: the caller decides how often to try."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, pid: int, host: str, since: str, lease: int = 0) -> bool:  # noqa: ARG002 (a file has one machine)
        """Takes the lock if nobody has it, and writes down who does now. Raises LedgerError."""
        assert self._descriptor is None, "the lock is held by this object already"
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
        except OSError as error:
            raise LedgerError(
                f"the writer lock {self._path} cannot be opened: {error.strerror}",
                f"Give this user the right to write in {self._path.parent}.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            os.close(descriptor)
            raise LedgerError(
                f"the writer lock {self._path} cannot be taken: {error.strerror}",
                "Keep the ledger on a local volume: file locks are needed.",
            ) from error
        self._descriptor = descriptor
        self._note(json.dumps({"pid": pid, "host": host, "since": since}))
        return True

    def holder(self) -> str:
        """Who holds the lock, for people: ``process 41 on node-a since 2026-…``."""
        try:
            note = json.loads(self._path.read_text(encoding="utf-8"))
            return f"process {note['pid']} on {note['host']} since {note['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    def release(self) -> None:
        """Gives the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            self._note("")
            os.close(self._descriptor)
            self._descriptor = None

    def _note(self, text: str) -> None:
        # A full disk must not keep anybody from leading: the note is for people, the lock is the kernel's.
        assert self._descriptor is not None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, text.encode(), 0)
        except OSError:
            pass
