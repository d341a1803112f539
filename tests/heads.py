"""Heads that no ledger ever has: as values of a document, and as lines of text."""

from __future__ import annotations

HASH = "a" * 64

ODD_HEADS: list[tuple[object, object]] = [
    *((seq, HASH) for seq in (True, False, None, 0, -1, 2**63, 10**25, 1.0, 1e300, float("inf"), "7", [7], {"n": 7})),
    *(
        (7, hash_)
        for hash_ in (None, 7, "", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "\ud800", "\ud800" * 64, HASH + "\n", [HASH])
    ),
]

ODD_LINES = [
    "",
    "7",
    HASH,
    *(f"{seq} {HASH}" for seq in (0, -1, "+7", "7_0", "True", "\u0667", 2**63, 10**25, "9" * 5000)),
    *(f"7 {hash_}" for hash_ in ("abc", "A" * 64, "\ud800" * 64, f"{HASH} {HASH}", "a" * 65)),
]
