"""``syncd plan``: shows everything, writes nothing (sections 5 and 6 of the interface)."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.acceptance.company import WHO, Company, clean_environment, long_ago
from tests.acceptance.words import GUARDS

DOCUMENT = (
    "format",
    "cycle_id",
    "mode",
    "trigger",
    "result",
    "started_at",
    "ended_at",
    "plan_digest",
    "policy_digest",
    "version",
    "directory",
    "zoom",
    "counts",
    "reasons",
    "guards",
    "decisions",
    "approvals",
    "ledger",
)
DECISION = (
    "zoom_id",
    "email",
    "display_name",
    "action",
    "reason",
    "directory_id",
    "matched_by",
    "group_path",
    "department",
    "notes",
    "since",
    "due_at",
    "role",
    "licence",
    "last_login_at",
    "outcome",
    "outcome_reason",
    "status_after",
    "licence_after",
    "decided_at",
    "done_at",
    "verified_at",
    "attempts",
)


@pytest.fixture
def varied(company: Company) -> Company:
    """One account for most rows of the decision table."""
    company.person("ann")
    company.person("gone", groups="other")
    company.person("off", enabled="false")
    company.person("old", expires=long_ago())
    company.person("bad", groups="staff;leavers")
    company.person("vip", groups="legal-hold")
    company.person("back")
    for name in ("ann", "gone", "off", "old", "bad", "vip", "absent", "svc-room"):
        company.account(name, type=2)
    company.account("boss", role_id="0")
    company.account("back", status="inactive")
    company.account("sleeps", status="inactive")
    company.account("invited", status="pending")
    company.save()
    company.configure(
        {
            "directory.file.leaver_groups": ["leavers"],
            "protect": {"accounts": ["svc-*@corp.example"], "directory_groups": ["legal-hold"]},
            "guards.max_deactivations_percent": 100,
        }
    )
    return company


def test_a_plan_decides_every_account_with_the_reason_of_the_table(varied: Company) -> None:
    """The first row that fits, for one account of each kind."""
    ran = varied.syncd("plan", "--format", "json")

    assert {
        "ann@corp.example": ("keep", "in_step"),
        "gone@corp.example": ("deactivate", "left_groups"),
        "off@corp.example": ("deactivate", "disabled_in_directory"),
        "old@corp.example": ("deactivate", "expired_in_directory"),
        "bad@corp.example": ("deactivate", "in_leavers_group"),
        "vip@corp.example": ("keep", "exempt"),
        "absent@corp.example": ("deactivate", "absent_from_directory"),
        "svc-room@corp.example": ("keep", "exempt"),
        "boss@corp.example": ("manual", "protected"),
        "back@corp.example": ("keep", "returning"),
        "sleeps@corp.example": ("keep", "in_step"),
        "invited@corp.example": ("keep", "invitation_pending"),
    } == {row["email"]: (row["action"], row["reason"]) for row in ran.document["decisions"]}
    assert 0 == ran.code


def test_the_document_has_the_fields_of_the_interface_and_its_totals_balance(varied: Company) -> None:
    """Every field of section 6 is there; every account read is in exactly one decision; the four counts add up."""
    document = varied.syncd("plan", "--format", "json").document

    assert [] == [key for key in DOCUMENT if key not in document]
    assert "syncd.cycle/1" == document["format"]
    assert ("report", "plan", "planned") == (document["mode"], document["trigger"], document["result"])
    for row in document["decisions"]:
        assert [] == [key for key in DECISION if key not in row]
    assert document["zoom"]["accounts"] == sum(document["counts"].values()) == len(document["decisions"])
    assert document["zoom"]["accounts"] == sum(document["reasons"].values())
    assert document["zoom"]["accounts"] == sum(document["zoom"][status] for status in ("active", "inactive", "pending"))
    assert {"keep", "deactivate", "reactivate", "manual"} == set(document["counts"])
    assert {"read_at", "accounts", "active", "inactive", "pending", "digest"} <= set(document["zoom"])
    assert {"source", "read_at", "people", "entitled", "groups", "digest"} <= set(document["directory"])
    assert (7, 2) == (document["directory"]["people"], document["directory"]["entitled"])
    assert set(GUARDS) == {row["guard"] for row in document["guards"]}
    for row in document["guards"]:
        assert {"guard", "tripped", "measured", "limit", "unit", "says", "do"} == set(row)
    assert {"head_sequence", "head_hash"} == set(document["ledger"])
    assert all(document[name].endswith("Z") for name in ("started_at", "ended_at"))


def test_a_pending_account_has_no_zoom_id(varied: Company) -> None:
    """Zoom gives pending users no id that could be used."""
    rows = {row["email"]: row for row in varied.syncd("plan", "--format", "json").document["decisions"]}

    assert rows["invited@corp.example"]["zoom_id"] is None
    assert rows["ann@corp.example"]["zoom_id"]


def test_a_plan_writes_nothing_anywhere(varied: Company) -> None:
    """No ledger, no lock, no report, no temporary file: the folder is as it was, and so is Zoom."""
    before = varied.everything_on_disk()

    codes = [varied.syncd("plan", "--format", format_).code for format_ in ("table", "json")]

    assert [0, 0] == codes
    assert before == varied.everything_on_disk()
    assert [] == varied.zoom.writes


def test_a_plan_beside_an_existing_ledger_leaves_its_files_untouched(varied: Company) -> None:
    """With a ledger, also one that a cycle has just written: same files, same sizes, same times."""
    varied.configure({"mode": "enforce"})
    varied.syncd("apply")
    before = varied.everything_on_disk()

    varied.syncd("plan")
    varied.syncd("explain", "ann@corp.example")
    varied.syncd("account", "show", "ann@corp.example")
    varied.syncd("ledger", "verify")
    varied.syncd("ledger", "show")
    varied.syncd("check")

    assert before == varied.everything_on_disk()


def test_detailed_exitcode_is_ten_only_when_changes_are_due_and_nothing_holds_them(varied: Company) -> None:
    """10 with due changes, 3 with a tripped guard, 0 in step; without the option 0."""
    assert 10 == varied.syncd("plan", "--detailed-exitcode").code
    assert 0 == varied.syncd("plan").code

    varied.configure({"guards.max_deactivations": 1})
    assert 3 == varied.syncd("plan", "--detailed-exitcode").code

    for name in ("gone", "off", "old", "bad", "absent"):
        varied.zoom.tenant.remove(f"{name}@corp.example")
    assert 0 == varied.syncd("plan", "--detailed-exitcode").code


def test_out_writes_the_result_into_a_file_and_nothing_to_standard_output(varied: Company) -> None:
    """The file holds what standard output would have held."""
    ran = varied.syncd("plan", "--format", "json", "--out", "plan.json")

    assert (0, "") == (ran.code, ran.out)
    assert "syncd.cycle/1" == json.loads((varied.folder / "plan.json").read_text(encoding="utf-8"))["format"]


def test_an_out_file_that_cannot_be_written_is_a_usage_error(varied: Company) -> None:
    """A folder that is not there, and a folder instead of a file: 2, with the reason."""
    for out in ("nowhere/plan.json", "."):
        ran = varied.syncd("plan", "--format", "json", "--out", out)
        assert (2, "") == (ran.code, ran.out)


def test_a_format_nobody_knows_is_refused(company: Company) -> None:
    """2 and a word, before anything is read."""
    ran = company.syncd("plan", "--format", "nonsense")

    assert (2, "") == (ran.code, ran.out)
    assert "nonsense" in ran.err
    assert [] == company.zoom.requests


def test_results_go_to_standard_output_and_log_lines_to_standard_error(varied: Company) -> None:
    """Every line of standard error is a JSON object with an event, and all of one cycle carry its id."""
    ran = varied.syncd("plan", "--format", "json")

    lines = [json.loads(line) for line in ran.err.splitlines()]
    assert {"cycle.started", "directory.read", "zoom.read", "plan.made", "cycle.finished"} <= {line["event"] for line in lines}
    assert {ran.document["cycle_id"]} == {line["cycle_id"] for line in lines}
    assert {"head_sequence", "head_hash"} <= set(lines[-1])
    assert "cycle.finished" == lines[-1]["event"]


def test_a_tripped_guard_is_logged_and_says_what_to_do(varied: Company) -> None:
    """Exit 3, an event ``guard.tripped``, a verdict with the numbers, and the way past in words that can be pasted."""
    varied.configure({"guards.max_deactivations": 1})

    ran = varied.syncd("plan", "--format", "json")

    verdict = next(row for row in ran.document["guards"] if row["guard"] == "max-deactivations")
    assert (3, "held") == (ran.code, ran.document["result"])
    assert (True, 5, 1, "accounts") == tuple(verdict[key] for key in ("tripped", "measured", "limit", "unit"))
    assert "syncd approve --plan" in verdict["do"]
    assert ["max-deactivations"] == [event["guard"] for event in ran.events if event["event"] == "guard.tripped"]


def test_a_table_is_plain_lines_in_a_pipe(varied: Company) -> None:
    """Tab-separated, no escape sequences, no boxes."""
    out = varied.syncd("plan").out

    assert "\x1b" not in out
    assert "absent@corp.example\tabsent_from_directory" in out
    assert out.isascii()


def test_a_table_is_a_table_on_a_terminal(varied: Company) -> None:
    """The same command on a terminal: colours, the totals, the accounts."""
    shown, code = on_a_terminal(varied, "plan")

    assert 0 == code
    assert "\x1b[" in shown
    assert "5 to deactivate" in shown
    assert "absent@corp.example" in shown


def test_the_plan_digest_stays_when_something_unrelated_changes(varied: Company) -> None:
    """It covers the effects and the policy: a new colleague does not make a review stale, another leaver does."""
    first = varied.syncd("plan", "--format", "json").document["plan_digest"]
    varied.person("new")
    varied.account("new")
    varied.save()
    second = varied.syncd("plan", "--format", "json").document["plan_digest"]
    varied.leaves("new")
    third = varied.syncd("plan", "--format", "json").document["plan_digest"]

    assert first == second
    assert first != third


def test_omitted_columns_are_in_no_document(varied: Company) -> None:
    """``reports.omit_columns`` leaves personal data out."""
    varied.configure({"reports.omit_columns": ["display_name", "department"]})

    ran = varied.syncd("plan", "--format", "json")

    assert all("display_name" not in row and "department" not in row for row in ran.document["decisions"])
    assert "Doe" not in ran.out


def test_a_plan_of_report_mode_is_never_called_first_use(varied: Company) -> None:
    """``policy-changed`` is armed by the first enforcing use: a report-mode plan shows it asleep, an enforcing one awake."""
    assert [] == varied.syncd("plan", "--format", "json").tripped()
    varied.configure({"mode": "enforce"})

    ran = varied.syncd("plan", "--format", "json")

    assert (3, ["policy-changed"]) == (ran.code, ran.tripped())


def test_an_account_of_another_domain_is_out_of_scope(company: Company) -> None:
    """Subdomains only by pattern, aliases count as the domain they stand for."""
    from syncd.lab.zoom.tenant import a_user

    for email in ("a@partner.example", "a@sub.corp.example", "a@corp.example", "a@old.example"):
        company.zoom.tenant.put(a_user(email))
    for number in range(9):
        company.person(f"p{number}")
        company.account(f"p{number}")
    company.save()
    company.configure({"match.domain_aliases": {"old.example": "corp.example"}})

    ran = company.syncd("plan", "--format", "json")

    assert ("keep", "out_of_scope") == ran.action_of("a@partner.example") == ran.action_of("a@sub.corp.example")
    assert ("deactivate", "absent_from_directory") == ran.action_of("a@corp.example") == ran.action_of("a@old.example")


def test_only_pilots_are_changed_and_the_rest_is_reported(varied: Company) -> None:
    """``scope.pilot``: others keep, ``not_in_pilot``."""
    varied.configure({"scope.pilot": ["absent@corp.example"]})

    ran = varied.syncd("plan", "--format", "json")

    assert ("deactivate", "absent_from_directory") == ran.action_of("absent@corp.example")
    assert ("keep", "not_in_pilot") == ran.action_of("gone@corp.example")


def test_a_hold_shows_in_the_plan(varied: Company) -> None:
    """``syncd account hold`` makes it ``keep on_hold``."""
    assert 0 == varied.syncd("account", "hold", "absent@corp.example", *WHO).code

    assert ("keep", "on_hold") == varied.syncd("plan", "--format", "json").action_of("absent@corp.example")


def on_a_terminal(company: Company, *arguments: str, answer: str = "") -> tuple[str, int]:
    """Runs the program on a terminal of its own: (everything shown, exit code)."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", *arguments],
        cwd=company.folder,
        stdin=side,
        stdout=side,
        stderr=side,
        env={**clean_environment(), "SYNCD_CONFIG": str(company.config), "TERM": "xterm-256color"},
    )
    os.close(side)
    if answer:
        os.write(main, answer.encode())
    shown = b""
    with suppress(OSError):  # the terminal is gone when the program is
        while piece := os.read(main, 65536):
            shown += piece
    os.close(main)
    return shown.decode(), process.wait(30)
