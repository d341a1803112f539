"""Who else may read or write a file of the configuration: what ``check`` tells about permissions."""

from __future__ import annotations

import stat
from pathlib import Path


def too_open(path: Path, *, secret: bool) -> str:
    """What is wrong with a file's permissions, in words; nothing when all is well or it cannot be looked at. *secret*: others
    may not read it either."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if mode & stat.S_IWOTH:
        return f"everybody on this machine may write {path} (mode {stat.S_IMODE(mode):04o}): chmod o-w"
    if secret and mode & stat.S_IROTH:
        return f"everybody on this machine may read {path} (mode {stat.S_IMODE(mode):04o}): chmod o-rwx"
    return ""
