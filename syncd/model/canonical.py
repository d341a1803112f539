"""One spelling for one value: canonical JSON and its hash."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> str:
    """One spelling for one value: sorted keys, no blanks, no NaN. What digests and the ledger hash."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(value: object) -> str:
    """Hexadecimal SHA-256 of the canonical JSON of *value*."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
