"""Until when certificates in files are good."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path


def earliest_end(files: Iterable[Path]) -> datetime | None:
    """When the first of all certificates in these PEM files ends; None when there is none, or a file cannot be read: whoever
    needs it says so."""
    files = list(files)
    if not files:
        return None
    from cryptography import x509  # here: most verbs need none, and its library takes its time

    ends: list[datetime] = []
    for path in files:
        try:
            ends += [certificate.not_valid_after_utc for certificate in x509.load_pem_x509_certificates(path.read_bytes())]
        except (OSError, ValueError):
            continue
    return min(ends, default=None)
