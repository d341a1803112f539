"""Until when certificates in files are good."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import trustme

from syncd.host.certificates import earliest_end

SOON, LATE = datetime(2027, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


def written(folder: Path, name: str, ends: datetime) -> Path:
    path = folder / name
    trustme.CA().issue_cert("ldap.corp.example", not_after=ends).cert_chain_pems[0].write_to_path(path)
    return path


def test_the_first_to_end_counts(tmp_path: Path) -> None:
    """Over all files and all certificates in one."""
    late, soon = written(tmp_path, "late.pem", LATE), written(tmp_path, "soon.pem", SOON)
    both = tmp_path / "both.pem"
    both.write_bytes(late.read_bytes() + soon.read_bytes())

    assert (LATE, SOON, SOON) == (earliest_end([late]), earliest_end([late, soon]), earliest_end([both]))


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """Whoever needs the file says so; the others count."""
    (tmp_path / "odd.pem").write_text("no certificate")
    soon = written(tmp_path, "soon.pem", SOON)

    assert SOON == earliest_end([tmp_path / "odd.pem", tmp_path / "none.pem", soon])
    assert earliest_end([tmp_path / "odd.pem"]) is None
    assert earliest_end([]) is None
