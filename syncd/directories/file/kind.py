"""A file as a kind of directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syncd.directories.kind import Around, DirectoryKind

if TYPE_CHECKING:
    from syncd.config.directories import FileDirectory as Section
    from syncd.ports import Directory, Watcher


def _identity(section: Section) -> str:  # noqa: ARG001  -- whose people they are does not hang on where the file lies
    return "file:"


def _same(was: str, now: str) -> bool:
    """Version 0.1.0 wrote the path too."""
    return was.split(":", maxsplit=1)[0] == now.split(":", maxsplit=1)[0]


def _make(section: Section, around: Around) -> Directory:
    from syncd.directories.file.reader import FileDirectory, FileDirectorySettings

    return FileDirectory(
        FileDirectorySettings(
            Path(section.path),
            section.groups,
            section.leaver_groups,
            around.protecting_groups,
            section.max_age,
            around.person_number,
            around.holding_groups,
        ),
        around.clock,
        around.tell,
    )


def _watchers(section: Section, directory: Directory) -> tuple[Watcher, ...]:
    from syncd.directories.file.reader import FileDirectory
    from syncd.directories.file.watch import FileWatcher

    assert isinstance(directory, FileDirectory), "made above"
    return (FileWatcher(directory, Path(section.path)),)


#: A look at a file is one ``stat`` and takes a tenth of a millisecond: ten a second cost about a thousandth of a core.
KIND = DirectoryKind("file", "a file", _identity, _make, same=_same, watchers=_watchers, poll_seconds=0.1)
