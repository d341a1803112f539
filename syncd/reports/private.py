"""How the files of a reports folder are made: they hold everybody's names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: Reports hold everybody's names: the owner writes, the group may read (an auditor's), nobody else.
REPORT_FILE = 0o640
REPORT_FOLDER = 0o750


def for_few(path: str, flags: int) -> int:
    """An opener for ``open``: a file that is made is REPORT_FILE whatever the umask leaves, one that is there gets no wider."""
    made = os.open(path, flags, REPORT_FILE)
    mode = stat.S_IMODE(os.fstat(made).st_mode)
    if mode & ~REPORT_FILE:
        os.fchmod(made, mode & REPORT_FILE)
    return made


def make_folder_for_few(folder: Path) -> None:
    """Makes the folder, and those above it, where they are missing. One that is there is its owner's business. Raises
    OSError."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=REPORT_FOLDER)
