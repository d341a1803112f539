"""The manifest of a report folder: which files lie there, with their hashes, and the head of the ledger that recorded them.

It is written anew after every cycle and signed when there is a key. Whoever gets the folder alone can check with it that no
file was changed, and whoever gets a ledger can check with it that the ledger was not cut. What the ledger itself says, and
the mathematics of a signature, are handed in.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from syncd.model import Head, canonical_json
from syncd.reports.document import moment
from syncd.reports.folder import LISTING
from syncd.reports.private import for_few

FORMAT = "syncd.manifest/1"

NAME = "MANIFEST"  # JSON; not called so, since every *.json of the folder is a cycle document


_SIGNATURE = {"key", "ed25519"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a manifest: its hash, the cycle that wrote it, and the ledger entry that recorded it."""

    file: str
    sha256: str
    cycle: str
    at: str
    seq: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as read. *signed*: the bytes that its signature covers; *key* and *signature* are empty when it has none."""

    head: Head
    files: tuple[tuple[str, str], ...]  # name, SHA-256
    listing: tuple[int, str]  # bytes, and the SHA-256 of so many of them
    signed: bytes
    key: str = ""
    signature: str = ""
    written_at: str = ""


def write_manifest(
    folder: Path,
    ledger_id: str,
    head: Head,
    files: Iterable[Listed],
    written_at: datetime,
    sign: Callable[[bytes], tuple[str, str]] | None = None,
) -> Path:
    """Lists those of *files* that lie in the folder. Appears whole or not at all. Raises OSError, and what *sign* raises."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "ledger_id": ledger_id,
        "written_at": moment(written_at),
        "head": {"sequence": head.seq, "hash": head.hash},
        "files": [
            {
                "file": one.file,
                "sha256": one.sha256,
                "bytes": (folder / one.file).stat().st_size,
                "cycle_id": one.cycle,
                "recorded_at": one.at,
                "sequence": one.seq,
            }
            for one in files
            if (folder / one.file).is_file()
        ],
        "listing": _listing(folder),
    }
    if sign is not None:
        key, signature = sign(_message(document))
        document["signature"] = {"key": key, "ed25519": signature}
    path = folder / NAME
    new = path.with_suffix(".json.new")
    try:
        with open(new, "w", encoding="utf-8", opener=for_few) as out:
            out.write(_text(document))
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path


def _text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None when there is none. Raises ValueError when it is not one that syncd wrote, OSError."""
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
        if _text(document) != text or set(document.get("signature") or _SIGNATURE) != _SIGNATURE:
            # A key that comes twice says one thing to one reader, another to the next.
            raise ValueError("syncd writes it otherwise")
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}")
        unsigned = {key: value for key, value in document.items() if key != "signature"}
        signature = document.get("signature") or {}
        head = Head.of(document["head"]["sequence"], document["head"]["hash"])
        if head is None:
            raise ValueError("its head is none")
        return Manifest(
            head,
            tuple((str(one["file"]), str(one["sha256"])) for one in document["files"]),
            (int(document["listing"]["bytes"]), str(document["listing"]["sha256"])),
            _message(unsigned),
            str(signature.get("key", "")),
            str(signature.get("ed25519", "")),
            str(document.get("written_at", "")),
        )
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


class Keys(Protocol):
    """Public keys at hand, and when each was in use."""

    def fits(self, key: str, message: bytes, signature: str) -> bool | None:
        """Whether a signature (Base64) was made with the key of this id; None: it is not at hand."""

    def valid(self, key: str, at: str) -> bool:
        """Whether this key was in use at a time, in RFC 3339 UTC."""


def faults_of(
    folder: Path, manifest: Manifest, recorded: Mapping[str, str], keys: Keys | None, head_at: str = ""
) -> Sequence[str]:
    """What is wrong with a manifest beside the ledger's record (name -> SHA-256), a sentence each. Without *keys* signatures are
    not looked at. *head_at*: when the ledger says that its head was written; an old key in other hands signs any time."""
    bad = []
    if keys is not None:
        fitting = keys.fits(manifest.key, manifest.signed, manifest.signature) if manifest.key else None
        if not manifest.key:
            bad.append(f"{NAME}: is not signed")
        elif fitting is None:
            bad.append(f"{NAME}: is signed with the key {manifest.key}, which was not given")
        elif not fitting:
            bad.append(f"{NAME}: was changed: its signature does not fit")
        elif not keys.valid(manifest.key, written_at := max(manifest.written_at, head_at)):
            bad.append(
                f"{NAME}: was signed at {written_at} with the key {manifest.key}, which was not in use then (valid-after "
                "and valid-before in the file of keys)"
            )
    for file, sha256 in manifest.files:
        if recorded.get(file) != sha256:
            bad.append(
                f"{NAME}: says of {file} what the ledger does not"
                if file in recorded
                else f"{NAME}: lists {file}, which the ledger never recorded"
            )
    if _digest(folder, manifest.listing[0]) != manifest.listing:
        bad.append(f"{LISTING}: was changed since the manifest was written (it may only grow)")
    return bad


def _listing(folder: Path) -> dict[str, Any]:
    size, digest = _digest(folder, None)
    return {"file": LISTING, "bytes": size, "sha256": digest}


def _digest(folder: Path, size: int | None) -> tuple[int, str]:
    """The list of cycles, or its first *size* bytes: how many there are, and their SHA-256."""
    try:
        content = (folder / LISTING).read_bytes()
    except FileNotFoundError:
        content = b""
    content = content if size is None else content[:size]
    return len(content), hashlib.sha256(content).hexdigest()


def _message(unsigned: Mapping[str, Any]) -> bytes:
    """What is signed: the manifest's canonical JSON without the signature, under a heading of its own."""
    return f"{FORMAT}\n{canonical_json(unsigned)}".encode("utf-8", "surrogatepass")
