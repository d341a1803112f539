"""What somebody probably meant by a name that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near_names(asked: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """At most *most* of the *known* names that are spelt nearly as *asked*, the nearest first, as they are spelt there; upper
    and lower case are the same. *cutoff*: how alike they must be, from 0 to 1 (``difflib``'s ratio)."""
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
    return [folded[one] for one in get_close_matches(asked.strip().casefold(), folded, n=most, cutoff=cutoff)]
