"""The kinds of directory there are."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.directories.active_directory.kind import KIND as ACTIVE_DIRECTORY
from syncd.directories.entra.kind import KIND as ENTRA
from syncd.directories.file.kind import KIND as FILE
from syncd.directories.kind import DirectoryKind

KINDS: Mapping[str, DirectoryKind] = {kind.name: kind for kind in (ACTIVE_DIRECTORY, ENTRA, FILE)}
