"""Mutants that are known to live, each with a reason: ``accepted.txt``, a line each, ``KEY  ## REASON``."""

from __future__ import annotations

from pathlib import Path

from tests.mutation.generated import CORE, mutants_of

FILE = Path(__file__).with_name("accepted.txt")
#: How many lines there may be. The list may only shrink: whoever takes a line out lowers this.
MOST = 24


def accepted() -> dict[str, str]:
    """Key of the mutant -> why it may live. Raises ValueError on a line without a reason."""
    found = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            key, _, reason = line.partition("  ## ")
            if not reason.strip():
                raise ValueError(f"{FILE.name}: no reason for {key}")
            found[key] = reason.strip()
    return found


def gone() -> list[str]:
    """Keys of mutants that are not made any more, since their function is another now."""
    made = {one.key for file in CORE for one in mutants_of(file)}
    return [key for key in accepted() if key not in made]
