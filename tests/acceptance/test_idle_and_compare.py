"""Licences nobody uses, and what another configuration would change: one read, nothing written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncd.evidence.idle import Idleness, document, idleness
from syncd.model import Status, ZoomAccount
from tests.acceptance.company import Company

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def account(status: Status = Status.ACTIVE, type_: int = 2, seen: float | None = None, made: float | None = None) -> ZoomAccount:
    return ZoomAccount(
        "z",
        "ann@corp.example",
        status,
        type=type_,
        department="Sales",
        last_login_at=None if seen is None else NOW - timedelta(days=seen),
        created_at=None if made is None else NOW - timedelta(days=made),
    )


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (account(seen=94), Idleness.UNUSED),
        (account(seen=92), None),  # may have signed in three days after what Zoom shows
        (account(seen=1), None),
        (account(made=91), Idleness.NEVER),
        (account(made=89), Idleness.NEW),
        (account(), Idleness.UNKNOWN),
        (account(Status.INACTIVE, seen=1), Idleness.INACTIVE),
        (account(type_=1, seen=900), None),
        (account(Status.INACTIVE, type_=1), None),
        (account(Status.PENDING), None),
    ],
)
def test_what_a_last_login_says(one: ZoomAccount, kind: Idleness | None) -> None:
    assert kind == idleness(one, NOW, 90)


def test_new_and_unknown_accounts_free_no_seat_and_nobody_is_named_unasked() -> None:
    found = document([account(seen=94), account(made=1), account(), account(type_=1)], NOW, 90, names=False)

    assert {
        "licensed": 3,
        "unused": 1,
        "never_signed_in": 0,
        "new": 1,
        "unknown": 1,
        "deactivated_but_licensed": 0,
        "would_free": 1,
    } == found["seats"]
    assert "ann@" not in str(found)
    assert "ann@" in str(document([account(seen=94)], NOW, 90, names=True))


def test_idle_reads_and_changes_nothing(company: Company) -> None:
    company.staff(2)
    ran = company.syncd("report", "idle", "--days", "30", "--format", "json")

    assert 0 == ran.code, ran.said
    assert 2 == ran.document["seats"]["licensed"]
    assert "accounts" not in ran.document
    assert [] == company.written()
    assert not company.ledger.exists()
    assert 2 == company.syncd("report").code


def test_what_the_company_leaves_out_of_its_evidence_is_left_out_here() -> None:
    """Without the department there is one row of all, in an order that tells nothing of it."""
    found = document([account(seen=94), account(made=400)], NOW, 90, names=True, omit=("department", "last_login_at"))

    assert "Sales" not in str(found)
    assert [{"unused": 1, "never_signed_in": 1, "new": 0, "unknown": 0, "deactivated_but_licensed": 0, "would_free": 2}] == (
        found["departments"]
    )
    assert [{"email", "idleness"}] * 2 == [set(row) for row in found["accounts"]]  # type: ignore[attr-defined]


def test_idle_heeds_the_columns_left_out_by_the_configuration(company: Company) -> None:
    company.staff(2)
    company.configure({"reports.omit_columns": ["department", "last_login_at"]})
    found = company.syncd("report", "idle", "--names", "--days", "1", "--format", "json").document

    assert [] == [
        key for row in (*found["departments"], *found["accounts"]) for key in row if key in ("department", "last_login_at")
    ]
    assert len(found["accounts"]) > 0


def other_configuration(company: Company, **changes: Any) -> str:
    """A second file, with other values under dotted keys."""
    settings = yaml.safe_load(company.config.read_text(encoding="utf-8"))
    for key, value in changes.items():
        section, name = key.split("__")
        settings.setdefault(section, {})[name] = value
    other = company.folder / "other.yaml"
    other.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return str(other)


def test_another_guard_and_another_window_are_a_difference(company: Company) -> None:
    """The same decisions, but one configuration would carry them out and the other would not."""
    company.staff(10)
    company.configure({"deactivate.grace": "0s", "deactivate.grace_reads": 1, "guards.percent_floor": 5})
    company.enforcing()
    company.leaves("p000", "p001")

    held = company.syncd(
        "plan", "--compare-with", other_configuration(company, guards__max_deactivations=1), "--format", "json"
    ).document
    assert (["max-deactivations"], [], 2) == (held["other_tripped"], held["tripped"], len(held["different"]))
    assert [([], ["max-deactivations"], "deactivate")] * 2 == [
        (row["held_by"], row["other_held_by"], row["other_action"]) for row in held["different"]
    ]

    begun = datetime.now(UTC) - timedelta(hours=2)
    window = {"kind": "deny", "cron": f"{begun.minute} {begun.hour} {begun.day} {begun.month} *", "duration": "6h"}
    other = other_configuration(company, schedule__windows=[window], reports__promise="60d", guards__max_deactivations=25)
    denied = company.syncd("plan", "--compare-with", other, "--format", "json").document
    assert [(None, True)] * 2 == [(row["next_opening"], bool(row["other_next_opening"])) for row in denied["different"]]
    assert ", denied until " in company.syncd("plan", "--compare-with", other).out


def test_a_configuration_does_not_differ_from_itself_while_guards_are_tripped(company: Company) -> None:
    """On a read that shrank, with a plan that is too large."""
    company.staff(60)
    company.configure({"deactivate.grace": "0s", "deactivate.grace_reads": 1, "guards.max_deactivations": 1})
    company.enforcing()
    company.leaves(*(f"p{number:03}" for number in range(40)))

    found = company.syncd("plan", "--compare-with", str(company.config), "--format", "json").document

    assert "directory-shrunk" in found["tripped"]
    assert found["tripped"] == found["other_tripped"]
    assert [] == found["different"]


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
        row["email"],
        row["action"],
        row["other_action"],
        row["other_reason"],
    )
    assert "1 of 4 accounts" in company.syncd("plan", "--compare-with", str(other)).out
    same = company.syncd("plan", "--compare-with", str(company.config), "--format", "json")
    assert [] == same.document["different"]
    settings["directory"]["file"]["groups"] = ["others"]
    Path(other).write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert 2 == company.syncd("plan", "--compare-with", str(other)).code
    assert not company.ledger.exists()


def test_sessions_that_would_end_and_licences_that_would_not_come_back_are_a_difference(company: Company) -> None:
    """The same decisions, and other things done with the same people; whoever stays is not shown."""
    company.staff(6)
    company.configure(
        {"deactivate.grace": "0s", "deactivate.grace_reads": 1, "guards.percent_floor": 5, "reactivate_reads": 1},
    )
    company.enforcing()
    company.leaves("p000")
    assert 0 == company.syncd("apply").code
    company.person("p000")
    company.leaves("p001")
    other = Path(other_configuration(company, deactivate__revoke_sessions=True))
    settings = yaml.safe_load(other.read_text(encoding="utf-8"))
    other.write_text(yaml.safe_dump({**settings, "restore_licence": False}), encoding="utf-8")

    found = company.syncd("plan", "--compare-with", str(other), "--format", "json").document["different"]

    assert [
        ("p001@corp.example", "deactivate", "", "revoke_sessions"),
        ("p000@corp.example", "reactivate", "restore_licence", ""),
    ] == [(row["email"], row["other_action"], row["also"], row["other_also"]) for row in found]
    assert ", and revoke_sessions" in company.syncd("plan", "--compare-with", str(other)).out
