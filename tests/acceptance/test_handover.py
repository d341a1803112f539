"""Handing over as an administrator meets it: list, plan, approve, run; and everything that may come between."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.lab import faults
from syncd.lab.faults import Cut, Fault
from syncd.lab.zoom.operations import ALL_SCOPES
from syncd.lab.zoom.tenant import Meeting
from tests.acceptance import company as companies
from tests.acceptance.company import PATIENCE_SECONDS, Company, Ran, clean_environment
from tests.acceptance.walk import Walk

KIM, LEE = ("--by", "Kim", "--because", "ticket 1"), ("--by", "Lee", "--because", "ticket 1")
DELETE = "user:delete:user:admin"


@pytest.fixture
def left(company: Company, monkeypatch: pytest.MonkeyPatch) -> Company:
    """``lee`` left: managed by ``mia``, with two meetings (one on the personal id) and a recording; deactivated by a cycle. The
    retention is a second long."""
    monkeypatch.setattr(companies, "HEADER", f"{companies.HEADER},manager")
    now = datetime.now(UTC)
    meetings = tuple(Meeting(id=id_, topic="m", start_time=now + timedelta(days=2)) for id_ in (11, 12))
    recording = Meeting(id=13, topic="r", start_time=now - timedelta(days=40), bytes=4096)
    company.zoom.oauth.scopes = ALL_SCOPES - {DELETE, "user:delete:user"}
    company.zoom.oauth.more_apps["handover-app"] = ("handover-secret", frozenset({DELETE}))
    (company.folder / "handover-secret").write_text("handover-secret\n", encoding="utf-8")
    company.configure(
        {
            "directory.file": {"path": str(company.people), "groups": ["staff"], "leaver_groups": ["left"]},
            "deactivate.grace_for_known_leavers": "0s",
        }
    )
    for name, manager in (("lee", "mia"), ("mia", "ned"), ("ned", ""), *((f"p{n}", "mia") for n in range(12))):
        company.person(name)
        company.rows[name] += f",{manager}"
        company.account(
            name,
            type=2,
            user_created_at=now - timedelta(days=90),
            **({"meetings": meetings, "recordings": (recording,), "pmi": 12} if name == "lee" else {}),
        )
    company.save()
    section(company)
    company.enforcing()
    leaves(company, "lee")
    done = company.syncd("apply")
    assert (0, "inactive") == (done.code, company.status("lee")), done.said
    retention_ends()
    return company


def retention_ends() -> None:
    """Whoever was deactivated is due from then on, on machines of any speed: one that plans within the second finds nobody."""
    time.sleep(1.1)


def section(company: Company, **more: Any) -> None:
    company.configure(
        {
            "handover": {
                "after": "1s",
                "end": "delete",
                "receiver": {"else": "ned@corp.example"},
                "client_id": "handover-app",
                "client_secret_file": str(company.folder / "handover-secret"),
                **more,
            }
        }
    )


def leaves(company: Company, name: str) -> None:
    """Into the leaver group."""
    company.rows[name] = company.rows[name].replace(",staff,", ",staff;left,")
    company.save()


def returns(company: Company, name: str) -> None:
    company.rows[name] = company.rows[name].replace(",staff;left,", ",staff,")
    company.save()


def rows(company: Company) -> dict[str, dict[str, Any]]:
    ran = company.syncd("handover", "list", "--format", "json")
    assert ran.code == 0, ran.said
    return {row["email"] or row["zoom_id"]: row for row in ran.document}


def stage(company: Company, name: str = "lee") -> tuple[str, str | None]:
    row = rows(company)[f"{name}@corp.example"]
    return row["stage"], row["reason"]


def planned(company: Company) -> dict[str, Any]:
    ran = company.syncd("handover", "plan", "--format", "json")
    assert ran.code == 0, ran.said
    document: dict[str, Any] = ran.document
    return document


def approved(company: Company, *words: str) -> str:
    digest: str = planned(company)["digest"]
    ran = company.syncd("approve", "--plan", digest[:12], "--guard", "handover", *(words or LEE))
    assert ran.code == 0, ran.said
    return digest


def handed(company: Company, digest: str, *words: str, count: str = "1") -> Ran:
    return company.syncd("handover", "run", "--plan", digest[:12], "--confirm-count", count, *(words or KIM), "--format", "json")


def until(there: Callable[[], bool]) -> None:
    """Waits for something that comes."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not there():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def after_today(company: Company) -> list[dict[str, Any]]:
    """What others saw of the changes of today and yesterday."""
    seen: list[dict[str, Any]] = evidence(company)["seen_by_others"]
    return seen


def evidence(company: Company) -> dict[str, Any]:
    """What an auditor gets of today and yesterday."""
    today = datetime.now(UTC).date()
    ran = company.syncd("report", "--from", f"{today - timedelta(days=1)}", "--to", f"{today}", "--format", "json")
    assert ran.code == 0, ran.said
    document: dict[str, Any] = ran.document
    return document


def deletions(company: Company) -> int:
    return len(company.zoom.asked("delete_user"))


def test_one_leavers_content_goes_to_the_manager(left: Company) -> None:
    """Planned, approved by somebody else, deleted once under the app of its own; the meeting on the personal id is lost."""
    left.configure({"zoom.operation_log": True})
    document = planned(left)
    item = document["items"][0]
    digest = document["digest"]

    assert ("syncd.handover/1", "lee@corp.example", "mia@corp.example", "manager") == (
        document["format"],
        item["email"],
        item["receiver"]["email"],
        item["receiver"]["rule"],
    )
    assert {"meetings": 2, "webinars": "unknown", "recordings": 1, "recording_bytes": 4096} == {
        key: item["holds"][key] for key in ("meetings", "webinars", "recordings", "recording_bytes")
    }
    assert ("licensed", 1) == (item["inventory"]["licence"], item["inventory"]["recordings"])
    assert (3, 0) == (handed(left, digest).code, deletions(left))
    assert 0 == left.syncd("approve", "--plan", digest[:12], "--guard", "handover", *LEE).code
    assert ("approved", None) == stage(left)
    assert (3, 3, 0) == (handed(left, digest, *LEE).code, handed(left, digest, count="2").code, deletions(left))
    done = handed(left, digest)
    mia = left.zoom.tenant.existing("mia@corp.example")

    assert (0, "handed_over", {"meetings": 1}) == (done.code, done.document[0]["state"], done.document[0]["missing"]), done.said
    assert (None, [11], [13]) == (
        left.zoom.tenant.find("lee@corp.example"),
        [one.id for one in mia.meetings],
        [one.id for one in mia.recordings],
    )
    assert ["handover-app"] == [seen.app for seen in left.zoom.asked("delete_user")]
    assert {"handover-app"} == {seen.app for seen in left.zoom.requests if seen.operation == "delete_user"}
    assert (3, 1, ("handed_over", None)) == (handed(left, digest).code, deletions(left), stage(left))
    after = left.syncd("apply", "--format", "json")
    seen = {row["what"]: (row["state"], row["source"]) for row in after_today(left)}

    assert (0, [], []) == (after.code, after.tripped(), after.document["seen_by_others"])
    assert {"deactivated": ("confirmed", "log"), "deleted": ("confirmed", "log")} == seen
    assert 0 == left.syncd("ledger", "verify").code
    row = rows(left)["lee@corp.example"]
    assert ("mia@corp.example", None) == (row["receiver"]["email"], row["receiver"]["rule"])
    assert item["due_at"] <= row["handed_over_at"]
    assert "lee@corp.example: it is handed_over" in handed(left, digest).said


def test_whoever_asks_later_for_a_leaver_is_told_who_has_the_content(left: Company) -> None:
    """Also when neither side knows them any more; of somebody who never was there nothing is told."""
    assert 0 == handed(left, approved(left)).code
    left.leaves("lee")
    ran, text = left.syncd("explain", "LEE@corp.example", "--format", "json"), left.syncd("explain", "lee@corp.example")
    (told,) = ran.document["handovers"]

    assert (0, 0, 2) == (ran.code, text.code, left.syncd("explain", "les@corp.example").code)
    assert ("handed_over", "mia@corp.example", "Kim", "delete") == tuple(
        told[name] for name in ("stage", "receiver", "by", "end")
    )
    assert [True, True] == [line in text.out for line in ("handover   handed_over at", "to mia@corp.example: meetings, ")]


def test_an_auditor_reads_what_became_of_it(left: Company) -> None:
    """From the period's report alone: whose content, to whom, who approved and who ran it, what was counted; and in the
    leaver's own story."""
    digest = approved(left)
    assert [] == evidence(left)["handovers"]
    assert 0 == handed(left, digest).code
    told = evidence(left)
    (row,) = told["handovers"]

    assert {
        "email": "lee@corp.example",
        "receiver": "mia@corp.example",
        "state": "handed_over",
        "seen": "gone",
        "end": "delete",
        "held": {"meetings": 2, "webinars": "unknown", "recordings": 1, "recording_bytes": 4096},
        "missing": {"meetings": 1},
        "by": "Kim",
        "approved_by": ["Lee"],
        "plan": digest,
    }.items() <= row.items()
    assert ({"meetings": 0, "recordings": 0}, {"meetings": 1, "recordings": 1}) == (row["receiver_before"], row["receiver_after"])
    (story,) = [one["events"] for one in told["leavers"] if one["email"] == "lee@corp.example"]
    assert any("Zoom is asked to delete it" in event["says"] for event in story)
    assert [1] == [one["used"] for one in told["approvals"] if one["guards"] == ["handover"]]
    page = left.folder / "evidence.html"
    today = datetime.now(UTC).date()
    assert 0 == left.syncd("report", "--from", f"{today - timedelta(days=1)}", "--to", f"{today}", "--out", str(page)).code
    assert "Handed over" in page.read_text(encoding="utf-8")


def test_the_managers_name_lies_beside_the_chain(left: Company) -> None:
    """And is remembered from before leaving, whatever the directory says now."""
    left.rows["lee"] = left.rows["lee"].replace(",mia", ",")
    left.save()
    left.syncd("apply")
    bodies = json.dumps([entry["body"] for entry in left.entries() if entry["kind"].startswith("handover")])

    assert "mia" not in bodies
    assert [{"who"}] == [set(one["body"]) for one in left.entries() if one["kind"] == "handover.inventory"]
    assert "mia@corp.example" == rows(left)["lee@corp.example"]["receiver"]["email"]


def test_reports_and_explain_say_what_a_leaver_left_and_that_nobody_receives_it(left: Company) -> None:
    """From the report of the cycle that switched them off; somebody without a receiver stands first, with why."""
    section(left, receiver={"else": "nobody@corp.example"})
    leaves(left, "ned")  # nobody manages ned, and nobody else is there
    done = left.syncd("apply", "--format", "json")
    assert done.code == 0, done.said
    filed = json.loads(max(left.reports.glob("*_applied.json")).read_text())
    page = max(left.reports.glob("*_applied.html")).read_text()
    why = "no manager is remembered; receiver.else has no account in Zoom"

    for told_by in (done.document, filed):
        assert [("ned@corp.example", why)] == [(row["email"], row["why"]) for row in told_by["waiting_for_a_receiver"]]
    held = {row["email"]: row for row in filed["handover"]}
    assert ("mia@corp.example", "manager") == (held["lee@corp.example"]["receiver"], held["lee@corp.example"]["rule"])
    assert {"licence": "licensed", "meetings": 2, "recordings": 1, "recording_bytes": 4096, "webinars": "unknown"} == {
        key: value for key, value in held["lee@corp.example"]["inventory"].items() if key != "add_ons"
    }
    assert 0 == held["ned@corp.example"]["inventory"]["meetings"]
    assert "Waiting for a receiver" in page
    assert why in page
    told = left.syncd("explain", "ned@corp.example")
    assert "waiting for a receiver: no manager is remembered" in told.out
    assert "meetings 2, webinars unknown, recordings 1" in left.syncd("explain", "lee@corp.example").out


def test_the_page_about_it_as_it_stands(left: Company) -> None:
    """Three leavers listed, planned, approved by one, run by another; a fourth to be opened for it; a legal hold that is over."""
    section(left, legal_hold={"accounts": ["p2@corp.example"]})
    for name in ("p0", "p1", "p2"):
        leaves(left, name)
    left.approve_what_is_held()
    assert 0 == left.syncd("apply").code
    section(left)
    retention_ends()
    names = {"held@corp.example": "p2@corp.example", "leaver@corp.example": "p3@corp.example"}
    walk = Walk("hand-over-content", left, "## 1. A Zoom app", **names)

    walk.pass_over()
    assert "lee@corp.example" in walk.run().out
    walk.run(3)
    assert 3 == deletions(left)
    leaves(left, "p3")
    assert 0 == left.syncd("apply").code
    retention_ends()
    walk.run(2)
    assert (["kept"], []) == ([stage(left, "p2")[0]], walk.left)


def test_called_back_until_the_request_is_sent(left: Company) -> None:
    """Entitled again, on hold, held by law, receiver gone, paused, in report mode: nothing is deleted, each says why."""
    digest = approved(left)
    returns(left, "lee")
    assert (("kept", "entitled_again"), 3) == (stage(left), handed(left, digest).code)
    leaves(left, "lee")
    section(left, legal_hold={"accounts": ["lee@corp.example"]})
    assert (("kept", "legal_hold"), 3) == (stage(left), handed(left, digest).code)
    section(left)
    leaves(left, "mia")
    ran = handed(left, digest)
    assert (3, True) == (ran.code, "no longer as planned" in ran.said)
    returns(left, "mia")
    section(left, end="unlink")
    assert 3 == handed(left, digest).code
    section(left)
    left.syncd("account", "hold", "lee@corp.example", *KIM)
    assert (("kept", "on_hold"), 3) == (stage(left), handed(left, digest).code)
    left.syncd("account", "release", "lee@corp.example", *KIM)
    left.syncd("pause", *KIM)
    assert 3 == handed(left, digest).code
    left.syncd("resume", *KIM)
    left.configure({"mode": "report"})
    assert 2 == handed(left, digest).code
    left.configure({"mode": "enforce"})

    assert 0 == deletions(left)
    assert (0, 1) == (handed(left, digest).code, deletions(left))


def test_a_legal_hold_once_seen_stays_until_two_people_release_it(left: Company) -> None:
    """Whoever was in the group while leaving is held although the group says nothing now; a missing group stops everything."""
    section(left, legal_hold={"directory_groups": ["trial"]})
    assert 4 == left.syncd("handover", "plan").code
    left.rows["lee"] = left.rows["lee"].replace(";left,", ";left;trial,")
    left.save()
    assert 0 == left.syncd("apply").code
    too_early = left.syncd("handover", "release", "lee@corp.example", *LEE)
    assert (2, True) == (too_early.code, "still stands for: lee@corp.example" in too_early.said)
    left.rows["lee"] = left.rows["lee"].replace(";trial,", ",")
    left.rows["p1"] = left.rows["p1"].replace(",staff,", ",staff;trial,")
    left.save()
    assert ("kept", "legal_hold") == stage(left)
    said = [left.syncd("handover", "release", "lee@corp.example", *who).out for who in (KIM, KIM, LEE)]

    assert [True, True, False] == ["1 of 2" in one for one in said]
    assert ("due", None) == stage(left)
    assert 2 == left.syncd("handover", "release", "lee@corp.example", *KIM).code


def test_only_run_needs_the_app_that_deletes(left: Company) -> None:
    """Its secret need not lie where the daemon runs. An app that cannot sign in uses no approval up; one without the scope is
    the set-up's fault, and nothing was done."""
    secret = left.folder / "handover-secret"
    secret.unlink()
    assert 0 == left.syncd("check", "--offline").code
    digest = approved(left)
    assert 0 == left.syncd("apply").code
    missing = handed(left, digest)
    secret.write_text("another", encoding="utf-8")
    wrong = handed(left, digest)
    assert [(2, True), (4, True)] == [(one.code, "handover.client_" in one.said) for one in (missing, wrong)], missing.said
    assert (("approved", None), 0) == (stage(left), deletions(left))
    secret.write_text("handover-secret", encoding="utf-8")
    left.zoom.oauth.more_apps["handover-app"] = ("handover-secret", frozenset({"user:read:user:admin"}))
    no_scope = handed(left, digest)
    assert (4, "not_tried") == (no_scope.code, no_scope.document[0]["state"]), no_scope.said
    left.zoom.oauth.more_apps["handover-app"] = ("handover-secret", frozenset({DELETE}))
    assert 0 == handed(left, approved(left)).code


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_answer_is_never_repeated(left: Company, done: bool) -> None:
    """What became of it is told by looking: gone and the content there, or still there."""
    digest = approved(left)
    left.zoom.faults.add(faults.lost_answer() if done else faults.connection_reset(), "delete_user")
    ran = handed(left, digest)
    state = ran.document[0]["state"]

    assert (1, "handed_over" if done else "unconfirmed") == (deletions(left), stage(left)[0])
    assert state in ("unconfirmed", "handed_over")
    assert (3, 1) == (handed(left, digest).code, deletions(left))
    assert [] == planned(left)["items"]


@pytest.mark.parametrize("sent", [True, False])
def test_a_run_that_died_is_told_by_a_look(left: Company, sent: bool) -> None:
    """kill -9 before and after Zoom did it: the intent stands, and nothing is sent again."""
    digest = approved(left)
    never = 10 * PATIENCE_SECONDS  # the kill comes first, however slow the machine
    fault = faults.late_answer(never) if sent else Fault("never_done", cut=Cut.BEFORE, wait_before=never)
    struck = left.zoom.faults.add(fault, "delete_user", times=None)
    words = ("handover", "run", "--plan", digest[:12], "--confirm-count", "1", *KIM)
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", *words],
        cwd=left.folder,
        stdin=subprocess.DEVNULL,
        env={**clean_environment(), "SYNCD_CONFIG": str(left.config)},
    )
    until(lambda: struck.hits)
    assert any(entry["kind"] == "handover.intent" for entry in left.entries())
    if sent:
        until(lambda: left.zoom.tenant.find("lee@corp.example") is None)
    process.kill()
    process.wait()

    assert "handing_over" == stage(left)[0]
    assert 0 == left.syncd("handover", "plan").code
    assert ("handed_over" if sent else "unconfirmed") == stage(left)[0]
    assert 3 == handed(left, digest).code
    assert 1 == struck.hits
    assert sent == (left.zoom.tenant.find("lee@corp.example") is None)


@pytest.mark.parametrize("answer", ["licence", "active", "support"])
def test_a_zoom_that_will_not_end_somebody_inactive_is_survived(left: Company, answer: str) -> None:
    """Refused, said with what to do, and nobody is activated for it."""
    left.zoom.tenant.ending_inactive = answer
    ran = handed(left, approved(left))

    assert (5, "refused", "inactive") == (ran.code, ran.document[0]["state"], left.status("lee"))
    assert ("support" in ran.document[0]["do"], "due") == (True, stage(left)[0])


@pytest.mark.parametrize(("needs", "seats"), [("licence", True), ("active", True), ("active", False)])
def test_a_zoom_that_ends_only_active_accounts_needs_a_plan_that_says_so(left: Company, needs: str, seats: bool) -> None:
    """Made active, given a seat, ended; without a seat it is deactivated again and stays as due as it was. The evidence tells
    how long it was open."""
    left.zoom.tenant.ending_inactive = needs
    left.zoom.tenant.seats = left.zoom.tenant.seats_used + seats
    ran = left.syncd("handover", "plan", "--reopen", "--format", "json")
    assert "THIS PLAN OPENS ACCESS" in ran.err
    digest = ran.document["digest"]
    assert 0 == left.syncd("approve", "--plan", digest[:12], "--guard", "handover", *LEE).code
    done = handed(left, digest)
    (row,) = evidence(left)["handovers"]

    assert (5 - 5 * seats, "handed_over" if seats else "refused") == (done.code, done.document[0]["state"]), done.said
    assert (True, row["state"]) == (row["reopened"], done.document[0]["state"])
    assert row["opened_at"] <= row["closed_at"]
    assert (None if seats else "inactive") == (None if seats else left.status("lee"))
    assert seats == (left.zoom.tenant.find("lee@corp.example") is None)
    assert ("handed_over" if seats else "due", None) == stage(left)
    assert 0 == left.syncd("ledger", "verify").code


def test_two_people_where_two_are_required(left: Company) -> None:
    """And one of them is not whoever runs it."""
    left.configure({"approvals": {"required": 2}})
    digest = approved(left)
    assert (3, 0) == (handed(left, digest).code, deletions(left))
    ran = left.syncd("approve", "--plan", digest[:12], "--guard", "handover", *KIM)

    assert (0, 0, 1) == (ran.code, handed(left, digest).code, deletions(left))


def test_the_daily_limit_and_a_count_that_is_wrong(left: Company) -> None:
    """One a day: the second stays approved."""
    section(left, max_per_day=1)
    leaves(left, "p3")
    left.syncd("apply")
    retention_ends()
    digest = approved(left)
    ran = handed(left, digest, count="2")

    assert (5, {"handed_over", "not_tried"}, 1) == (ran.code, {one["state"] for one in ran.document}, deletions(left))
    assert (5, 1) == (handed(left, digest).code, deletions(left))


def test_what_zoom_deletes_by_itself_is_warned_of(left: Company) -> None:
    """Whoever is due in time is named with the day, whoever is kept or not due as lost."""
    section(left, zoom_deletes_after="30d")
    in_time = left.syncd("handover", "list", "--format", "json")
    section(left, zoom_deletes_after="30d", after="31d")
    too_late = left.syncd("handover", "list")
    section(left, zoom_deletes_after="30d", legal_hold={"accounts": ["lee@corp.example"]})
    held = left.syncd("handover", "list")
    section(left)
    silent = left.syncd("handover", "list", "--format", "json")

    (row,) = in_time.document
    assert (
        30 * 86400
        == (datetime.fromisoformat(row["zoom_deletes_at"]) - datetime.fromisoformat(row["deactivated_at"])).total_seconds()
    )
    assert [True, True, True, False] == [
        "Zoom's own setting deletes lee@corp.example" in in_time.err,
        "1 deleted by Zoom's own setting before they fall due: lee@corp.example" in too_late.err,
        "1 kept, and Zoom's own setting deletes them all the same: lee@corp.example" in held.err,
        "warning" in silent.err,
    ], (in_time.err, too_late.err, held.err, silent.err)
    assert silent.document[0]["zoom_deletes_at"] is None


def test_without_the_section_nothing_of_it_exists(company: Company) -> None:
    """Neither verb nor entry."""
    company.staff(3)
    company.enforcing()
    ran = company.syncd("handover", "list")
    document = company.syncd("plan", "--format", "json").document

    assert {"handover", "waiting_for_a_receiver"}.isdisjoint(document)
    assert "handovers" not in evidence(company)
    assert (2, []) == (ran.code, [one for one in company.entries() if one["kind"].startswith("handover")])
