"""Noticing that a people file was replaced: by a rename, through Kubernetes' ``..data`` link, or in place.

No file system event is waited for: such a watch stays on the old file after a rename, and on the old folder after a swap of a
mounted volume. One ``stat`` through all links tells them all, on every file system.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from syncd.directories.file.reader import FileDirectory
from syncd.errors import SourceError
from syncd.model import DirectorySnapshot, Hint, Reread


class _Identity(NamedTuple):
    """What is another as soon as the file is another, or was written."""

    device: int
    inode: int
    size: int
    written_at: int
    changed_at: int


class FileWatcher:
    """Implements ``ports.Watcher``."""

    source = "file"

    def __init__(self, directory: FileDirectory, path: Path) -> None:
        self.directory = directory
        directory.keep_rows = True
        self.name = str(path)
        self._path = path
        self._known: _Identity | None = None

    async def changes(self) -> Hint:
        """Whether the file is another than at the last time it was asked for. Raises SourceError when it is not there."""
        now = await asyncio.to_thread(self._identity)
        known, self._known = self._known, now
        return Hint(anybody=known is not None and known != now)

    async def read_again(self, hint: Hint, base: DirectorySnapshot) -> Reread:
        """Everybody who differs. Raises SourceError."""
        return Reread.of_whole(await self.directory.reread(), base, hint)

    async def close(self) -> None:
        """Nothing is held."""

    def _identity(self) -> _Identity:
        try:
            found = self._path.stat()
        except OSError as error:
            raise SourceError(
                "directory",
                f"{self._path} cannot be watched ({error.strerror or error}).",
                "Put the file there, readable for the account syncd runs under.",
            ) from None
        return _Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
