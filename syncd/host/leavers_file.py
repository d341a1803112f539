"""People known to have left for good, by name: a CSV file with a column ``address`` (``handover.leavers_file``)."""

from __future__ import annotations

import csv
from pathlib import Path

from syncd.errors import ConfigError
from syncd.model import address_key

_ADVICE = "Write a CSV file with a header line that names the column address, and one address a line."


def leavers_in(path: Path) -> frozenset[str]:
    """Address keys. Raises ConfigError: a file that cannot be read whole names nobody."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if "address" not in (rows.fieldnames or ()):
                raise ConfigError(f"handover.leavers_file: {path} has no column address", do=_ADVICE)
            values = [(row.get("address") or "").strip() for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"handover.leavers_file: {path} cannot be read ({type(error).__name__})", do=_ADVICE) from None
    wrong = [at for at, value in enumerate(values, start=2) if value and "@" not in value]
    if wrong:
        raise ConfigError(f"handover.leavers_file: {path} has something else than an address on line {wrong[0]}", do=_ADVICE)
    return frozenset(address_key(value) for value in values if value)
