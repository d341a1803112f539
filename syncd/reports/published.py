"""The ledger heads that a folder of reports names: what shows that a chain lost its tail, or is another one.

The list of cycles names one a line, the manifest the newest it knows, and each document the one its cycle ended at. Documents may
be large, and say it at their end: only that is read, of the newest of them.
"""

from __future__ import annotations

import re
from pathlib import Path

from syncd.model import Head
from syncd.reports.folder import published_heads
from syncd.reports.manifest import read_manifest

#: Documents looked into: enough when the list of cycles was lost too, and no work in a folder of many thousands.
DOCUMENTS_MAX = 20

#: Bytes at the end of a document among which its ledger's head stands.
_END = 4096

_DOCUMENT = re.compile(r"\d{8}T\d{6}Z_[0-9a-z-]+_[a-z_]+\.json")
_HEAD = re.compile(r'"ledger":\s*\{\s*"head_sequence":\s*([0-9]{1,19}),\s*"head_hash":\s*"([^"]*)"')


def heads_in(folder: Path) -> tuple[Head, ...]:
    """Every head that the folder names, in order. A folder that cannot be read names none: ``reports.directory`` being there is
    looked at elsewhere."""
    found = {Head(*pair) for pair in published_heads(folder)}
    try:
        manifest = read_manifest(folder)
        if manifest is not None:
            found.add(manifest.head)
    except (OSError, ValueError):
        pass  # one that was spoilt must not hide what the documents name
    try:
        names = sorted((path.name for path in folder.iterdir() if _DOCUMENT.fullmatch(path.name)), reverse=True)
    except OSError:
        names = []
    for name in names[:DOCUMENTS_MAX]:
        head = _head_of(folder / name)
        if head is not None:
            found.add(head)
    return tuple(sorted(found, key=lambda head: (head.seq, head.hash)))


def _head_of(path: Path) -> Head | None:
    try:
        with path.open("rb") as document:
            size = document.seek(0, 2)
            document.seek(max(0, size - _END))
            text = document.read().decode("utf-8", "replace")
    except OSError:
        return None
    named = _HEAD.search(text)
    return Head.of(int(named[1]), named[2]) if named is not None else None
