"""One spelling for one value: canonical JSON, its hash, and the key of an address."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any


def address_key(address: str) -> str:
    """The form in which two addresses are compared: trimmed, NFC, case folded.

    Zoom's letter case of ``email`` is not documented and directories keep what people typed, so case never counts.
    """
    text = address.strip()
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def canonical_json(value: Any) -> str:
    """One spelling for one value: sorted keys, no blanks, no NaN. What digests and the ledger hash."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(value: Any) -> str:
    """Hexadecimal SHA-256 of the canonical JSON of *value*."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
