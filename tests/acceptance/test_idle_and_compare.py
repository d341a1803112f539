"""Licences nobody uses, and what another configuration would change: one read, nothing written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from syncd.evidence.idle import Idleness, document, idleness
from syncd.model import Status, ZoomAccount
from tests.acceptance.company import Company

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def account(status: Status = Status.ACTIVE, type_: int = 2, seen: float | None = None, made: float | None = None) -> ZoomAccount:
    return ZoomAccount("z", "ann@corp.example", status, type=type_, department="Sales",
                       last_login_at=None if seen is None else NOW - timedelta(days=seen),
                       created_at=None if made is None else NOW - timedelta(days=made))


@pytest.mark.parametrize(("one", "kind"), [
    (account(seen=94), Idleness.UNUSED),
    (account(seen=92), None),                                  # may have signed in three days after what Zoom shows
    (account(seen=1), None),
    (account(made=91), Idleness.NEVER),
    (account(made=89), Idleness.NEW),
    (account(), Idleness.UNKNOWN),
    (account(Status.INACTIVE, seen=1), Idleness.INACTIVE),
    (account(type_=1, seen=900), None),
    (account(Status.INACTIVE, type_=1), None),
    (account(Status.PENDING), None),
])
def test_what_a_last_login_says(one: ZoomAccount, kind: Idleness | None) -> None:
    assert kind == idleness(one, NOW, 90)


def test_new_and_unknown_accounts_free_no_seat_and_nobody_is_named_unasked() -> None:
    found = document([account(seen=94), account(made=1), account(), account(type_=1)], NOW, 90, names=False)

    assert {"licensed": 3, "unused": 1, "never_signed_in": 0, "new": 1, "unknown": 1, "deactivated_but_licensed": 0,
            "would_free": 1} == found["seats"]
    assert "ann@" not in str(found)
    assert "ann@" in str(document([account(seen=94)], NOW, 90, names=True))


def test_idle_reads_and_changes_nothing(company: Company) -> None:
    company.staff(2)
    ran = company.syncd("report", "idle", "--days", "30", "--format", "json")

    assert 0 == ran.code, ran.said
    assert 2 == ran.document["seats"]["licensed"]
    assert not company.ledger.exists()
    assert 2 == company.syncd("report").code


def test_only_who_would_be_treated_differently_is_shown(company: Company) -> None:
    """A longer grace keeps a leaver; everybody else is as before. What would need another read is refused."""
    company.staff(4)
    company.leaves("p000")
    other = company.folder / "other.yaml"
    settings = yaml.safe_load(company.config.read_text(encoding="utf-8"))
    settings["deactivate"] = {"grace": "4h", "grace_reads": 2}
    other.write_text(yaml.safe_dump(settings), encoding="utf-8")

    ran = company.syncd("plan", "--compare-with", str(other), "--format", "json")

    assert 0 == ran.code, ran.said
    [row] = ran.document["different"]
    assert ("p000@corp.example", "deactivate", "keep", "within_grace") == (
        row["email"], row["action"], row["other_action"], row["other_reason"])
    assert "1 of 4 accounts" in company.syncd("plan", "--compare-with", str(other)).out
    same = company.syncd("plan", "--compare-with", str(company.config), "--format", "json")
    assert [] == same.document["different"]
    settings["directory"]["file"]["groups"] = ["others"]
    Path(other).write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert 2 == company.syncd("plan", "--compare-with", str(other)).code
    assert not company.ledger.exists()
