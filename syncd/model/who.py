"""Names of people who decide: ``--by``, ``approvals.approvers``, a signers file."""

from __future__ import annotations

import unicodedata

from syncd.model.address import is_invisible


def name_key(name: str) -> str:
    """The form in which two names are one person's, so that nobody is two people by another spelling: whatever the case, the
    blanks, the width of letters (NFKC), and what cannot be seen."""
    seen = "".join(char for char in unicodedata.normalize("NFKC", name) if char.isspace() or not is_invisible(char))
    return " ".join(seen.casefold().split())
