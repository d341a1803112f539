"""``syncd apply`` and ``syncd approve``: what is carried out, what holds it, what an approval covers (sections 4 and 5)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime

from syncd.lab import faults
from tests.acceptance.company import WHO, Company, wait_until


def test_first_enforcing_use_is_held_once_then_carried_out_then_nothing(company: Company) -> None:
    """The story of a new installation: held by policy-changed, approved, applied and verified, in step."""
    company.staff(5)
    company.leaves("p000", "p001")
    company.configure({"mode": "enforce"})

    held = company.syncd("apply", "--format", "json")
    assert (3, "held", ["policy-changed"]) == (held.code, held.document["result"], held.tripped())
    assert ("not_tried", "held_by policy-changed") == held.outcome_of("p000@corp.example")
    assert [] == company.zoom.writes

    approved = company.syncd("approve", "--plan", held.document["plan_digest"][:12], "--guard", "policy-changed", *WHO)
    assert 0 == approved.code, approved.said
    assert [] == company.zoom.writes

    applied = company.syncd("apply", "--format", "json")
    assert (0, "applied") == (applied.code, applied.document["result"])
    rows = {row["email"]: row for row in applied.document["decisions"]}
    for name in ("p000", "p001"):
        row = rows[f"{name}@corp.example"]
        assert ("done", "inactive", 1) == (row["outcome"], row["status_after"], row["attempts"])
        assert row["decided_at"] <= row["done_at"] <= row["verified_at"]
    assert {"p000", "p001"} == {name for name, _ in company.written()}
    assert ["Ann Lee"] == [approval["by"] for approval in applied.document["approvals"]]

    again = company.syncd("apply", "--format", "json")
    assert (0, "in_step") == (again.code, again.document["result"])
    assert 2 == len(company.zoom.writes)
    last = [entry for entry in company.entries() if entry["kind"] == "cycle.ended"][-1]
    assert again.document["ledger"]["head_sequence"] == last["seq"]  # only the reports' own entries follow it
    assert 0 == company.syncd("ledger", "verify", "--head", again.document["ledger"]["head_hash"]).code


def test_once_approved_later_leavers_go_without_another_review(company: Company) -> None:
    """policy-changed stays disarmed until the policy widens; the widened policy is held again."""
    company.staff(8)
    company.enforcing()
    company.leaves("p000")
    assert 0 == company.syncd("apply").code
    assert "inactive" == company.status("p000")

    company.leaves("p001")
    company.configure({"protect.accounts": ["somebody-else@corp.example"]})  # more protection: can only shrink the plan
    assert 0 == company.syncd("apply").code
    assert "inactive" == company.status("p001")

    company.leaves("p002")
    company.configure({"protect.accounts": None})  # less protection: widens it
    widened = company.syncd("apply", "--format", "json")
    assert (3, ["policy-changed"]) == (widened.code, widened.tripped())
    assert "active" == company.status("p002")


def test_apply_of_a_plan_that_moved_says_what_moved(company: Company) -> None:
    """``--plan DIGEST``: exit 3 with the new digest, nothing written; with the right digest it is carried out."""
    company.staff(9)
    company.enforcing()
    company.leaves("p000")
    reviewed = company.syncd("plan", "--format", "json").document["plan_digest"]
    company.leaves("p001")

    moved = company.syncd("apply", "--plan", reviewed)
    now = company.syncd("plan", "--format", "json").document["plan_digest"]
    assert (3, "") == (moved.code, moved.out)
    assert reviewed[:12] in moved.err
    assert now[:12] in moved.err
    assert [] == company.zoom.writes

    assert 0 == company.syncd("apply", "--plan", now[:12]).code
    assert [("p000", "deactivate"), ("p001", "deactivate")] == sorted(company.written())


def test_apply_in_report_mode_is_a_usage_error(company: Company) -> None:
    """2, before anything is read or made; the same for undo and the hand verbs."""
    company.staff(2)
    before = company.everything_on_disk()

    for words in (
        ("apply",),
        ("undo", "abcdef123456", *WHO),
        ("account", "deactivate", "p000@corp.example", *WHO),
        ("account", "reactivate", "p000@corp.example", *WHO),
    ):
        ran = company.syncd(*words)
        assert (2, "") == (ran.code, ran.out), words
        assert "mode: report" in ran.err

    assert before == company.everything_on_disk()
    assert [] == company.zoom.requests


def test_a_held_direction_does_not_stop_the_other_one(company: Company) -> None:
    """Deactivations over the limit are held with exit 3; the reactivation of a re-hired colleague goes on."""
    company.staff(12)
    company.configure({"reactivate_reads": 1})
    company.enforcing()
    company.leaves("p000")
    assert 0 == company.syncd("apply").code
    company.configure({"guards.max_deactivations": 1})
    company.person("p000")
    company.leaves("p001", "p002")

    ran = company.syncd("apply", "--format", "json")

    assert (3, "held", ["max-deactivations"]) == (ran.code, ran.document["result"], ran.tripped())
    assert ("done", None) == ran.outcome_of("p000@corp.example")
    assert ("not_tried", "held_by max-deactivations") == ran.outcome_of("p001@corp.example")
    assert 2 == company.zoom.tenant.existing("p000@corp.example").type  # the licence came back with it
    assert "active" == company.status("p001") == company.status("p002")


def test_an_approval_covers_exactly_the_effects_reviewed(company: Company) -> None:
    """A leaver who comes after the review is counted and held by itself; the reviewed ones pass, once."""
    company.staff(30)
    company.enforcing()
    company.configure({"guards": {"max_deactivations": 1, "max_deactivations_percent": 100, "max_directory_shrink_percent": 90}})
    company.leaves("p000", "p001", "p002")
    company.approve_what_is_held()
    company.leaves("p003", "p004")

    ran = company.syncd("apply", "--format", "json")

    assert (3, ["max-deactivations"]) == (ran.code, ran.tripped())
    assert ["p000", "p001", "p002"] == sorted(name for name, _ in company.written())
    assert ("not_tried", "held_by max-deactivations") == ran.outcome_of("p003@corp.example")


def test_what_cannot_be_approved_is_refused(company: Company) -> None:
    """Unknown guards, guards that see what is wrong, plans nobody made, empty reasons, bad durations."""
    company.staff(4)
    company.leaves("p000")
    company.configure({"mode": "enforce"})
    digest = company.syncd("apply", "--format", "json").document["plan_digest"]
    before = len(company.entries())

    for guards in (("no-such-guard",), ("directory-empty",), ("policy-changed", "zoom-empty"), ("paused",)):
        ran = company.syncd("approve", "--plan", digest, "--guard", *guards, *WHO)
        assert (2, "") == (ran.code, ran.out), guards
    for words in (
        ("--plan", digest, *WHO),
        ("--plan", "abc", "--guard", "policy-changed", *WHO),
        ("--plan", digest, "--guard", "policy-changed", "--by", " ", "--because", "x"),
        ("--plan", digest, "--guard", "policy-changed", *WHO, "--for", "soon"),
        ("--plan", digest, "--guard", "policy-changed", *WHO, "--for", "0s"),
        ("--plan", digest, "--guard", "policy-changed", *WHO, "--for", "9999999999d"),
    ):
        assert 2 == company.syncd("approve", *words).code, words
    other = company.syncd("approve", "--plan", "0123456789abcdef", "--guard", "policy-changed", *WHO)
    assert 3 == other.code
    assert digest[:12] in other.err
    assert before == len(company.entries())


def test_a_plan_seen_only_by_a_dry_run_can_be_approved_when_it_still_is_the_plan(company: Company) -> None:
    """``approve`` reads again for a digest no cycle recorded; several guards may follow one ``--guard``."""
    company.staff(4)
    company.leaves("p000")
    company.configure({"mode": "enforce"})
    digest = company.syncd("plan", "--format", "json").document["plan_digest"]

    ran = company.syncd("approve", "--plan", digest, "--guard", "policy-changed", "max-deactivations", *WHO, "--for", "2h")

    assert 0 == ran.code, ran.said
    approval = next(entry for entry in company.entries() if entry["kind"] == "approval")
    assert ["policy-changed", "max-deactivations"] == approval["body"]["guards"]
    assert 0 == company.syncd("apply").code
    assert [("p000", "deactivate")] == company.written()


def test_an_expired_approval_covers_nothing(company: Company) -> None:
    """``--for``: afterwards the plan is held as before."""
    company.staff(4)
    company.leaves("p000")
    company.configure({"mode": "enforce"})
    digest = company.syncd("plan", "--format", "json").document["plan_digest"]
    assert 0 == company.syncd("approve", "--plan", digest, "--guard", "policy-changed", *WHO, "--for", "1s").code

    approval = next(entry for entry in company.entries() if entry["kind"] == "approval")
    expires_at = datetime.fromisoformat(approval["body"]["expires_at"])
    wait_until(lambda: datetime.now(UTC) > expires_at, "the approval expires")

    held = company.syncd("apply", "--format", "json")

    assert (3, ["policy-changed"]) == (held.code, held.tripped())
    assert [] == company.zoom.writes


def test_accepting_a_smaller_directory_accepts_that_size_and_nothing_below(company: Company) -> None:
    """directory-shrunk holds everything; approved, the measured size is the new baseline; the next loss is held again."""
    company.staff(40)
    company.enforcing()
    company.configure({"guards.max_deactivations_percent": 100})
    company.leaves(*[f"p{number:03}" for number in range(8)])
    held = company.syncd("apply", "--format", "json")
    assert 3 == held.code
    assert {"directory-shrunk"} <= set(held.tripped())

    said = company.syncd("approve", "--plan", held.document["plan_digest"], "--guard", *held.tripped(), *WHO)
    assert "accepted from now on: entitled 32, people 32" in said.out
    assert 0 == company.syncd("apply").code
    assert 8 == len(company.written())

    company.leaves(*[f"p{number:03}" for number in range(8, 16)])
    again = company.syncd("apply", "--format", "json")
    assert 3 == again.code
    assert {"directory-shrunk"} <= set(again.tripped())
    assert 8 == len(company.written())


def test_what_was_reviewed_for_34_people_is_no_approval_for_4(company: Company) -> None:
    """The changes are the same ones; what the read showed is part of what was looked at, and the smaller read is held."""
    company.staff(6)
    others = [f"q{number:03}" for number in range(34)]
    for name in others:
        company.person(name)  # without an account, so that nobody is due when they vanish
    company.save()
    company.enforcing()
    company.configure({"guards.max_directory_shrink_percent": 10})
    company.leaves("p000", *others[:5])
    reviewed = company.syncd("apply", "--format", "json")
    assert (3, ["directory-shrunk"]) == (reviewed.code, reviewed.tripped())
    kept = {name: company.rows[name] for name in [*others[5:], "p005"]}
    company.leaves(*others[5:])
    smaller = company.syncd("apply", "--format", "json")
    assert reviewed.document["counts"] == smaller.document["counts"]
    assert reviewed.document["plan_digest"] != smaller.document["plan_digest"]

    said = company.syncd("approve", "--plan", reviewed.document["plan_digest"], "--guard", "directory-shrunk", *WHO)
    assert "people 34" in said.out, said.said
    held = company.syncd("apply", "--format", "json")
    assert (3, ["directory-shrunk"], []) == (held.code, held.tripped(), company.written())
    company.rows |= kept
    company.save()
    assert 0 == company.syncd("apply").code
    assert [("p000", "deactivate")] == company.written()


def test_apply_waits_for_the_writer_lock_and_then_says_who_holds_it(company: Company) -> None:
    """7 after ``--wait``, nothing read from Zoom meanwhile; at once when the lock is free again."""
    company.staff(3)
    company.enforcing()
    asked = len(company.zoom.requests)

    with writer_lock_held(company):
        ran = company.syncd("apply", "--wait", "1s")
        assert (7, "") == (ran.code, ran.out)
        assert "held by process" in ran.err
        by_hand = company.syncd("account", "deactivate", "p000@corp.example", *WHO, "--wait", "0s")
        assert 7 == by_hand.code
        assert 0 == company.syncd("pause", *WHO).code  # always work beside a writer
        assert 0 == company.syncd("resume", *WHO).code
        assert 0 == company.syncd("ledger", "verify").code

    assert asked == len(company.zoom.requests)
    assert 0 == company.syncd("apply").code


def test_a_bad_duration_for_wait_is_a_usage_error(company: Company) -> None:
    """``--wait soon``: 2."""
    company.staff(1)
    company.configure({"mode": "enforce"})

    assert 2 == company.syncd("apply", "--wait", "soon").code


def test_some_failed_accounts_make_a_cycle_partial(company: Company) -> None:
    """5 with each account's own outcome; one refused for good is not tried again but left to a person."""
    company.staff(60)
    company.enforcing()
    company.zoom.tenant.alter("p001@corp.example", room=True)
    company.zoom.faults.add(
        faults.refusal(300, "Something odd."), "set_status", user=company.zoom.tenant.existing("p002@corp.example").id
    )
    company.leaves("p000", "p001", "p002")

    partial = company.syncd("apply", "--format", "json")
    assert (5, "partial") == (partial.code, partial.document["result"])
    assert ("done", None) == partial.outcome_of("p000@corp.example")
    assert ("failed", "refused_by_zoom") == partial.outcome_of("p001@corp.example")
    assert "failed" == partial.outcome_of("p002@corp.example")[0]

    later = company.syncd("apply", "--format", "json")
    assert (0, "applied") == (later.code, later.document["result"])
    assert ("manual", "refused_by_zoom") == later.action_of("p001@corp.example")
    assert ("done", None) == later.outcome_of("p002@corp.example")
    assert 1 == company.written().count(("p001", "deactivate"))


def test_a_lost_answer_is_settled_by_looking_and_never_repeated(company: Company) -> None:
    """The connection breaks after the work was done: done, one write."""
    company.staff(20)
    company.enforcing()
    company.zoom.faults.add(faults.lost_answer(), "set_status")
    company.leaves("p000")

    ran = company.syncd("apply", "--format", "json")

    assert (0, "done") == (ran.code, ran.outcome_of("p000@corp.example")[0])
    assert [("p000", "deactivate")] == company.written()


def test_an_account_that_changed_since_the_plan_is_skipped(company: Company) -> None:
    """Read again right before the change: somebody made them an administrator meanwhile."""
    company.staff(20)
    company.enforcing()
    company.leaves("p000")
    company.zoom.faults.add(faults.meanwhile(lambda: company.zoom.tenant.alter("p000@corp.example", role_id="1")), "get_user")

    ran = company.syncd("apply", "--format", "json")

    assert ("skipped", "changed_since_plan") == ran.outcome_of("p000@corp.example")
    assert [] == company.zoom.writes


def test_a_missing_write_scope_stops_the_cycle_before_anything_is_written(company: Company) -> None:
    """4: it concerns every account, so nothing more is tried; the message names the scope."""
    company.staff(40)
    company.enforcing()
    company.leaves("p000", "p001", "p002")
    company.zoom.oauth.scopes = frozenset(
        scope for scope in company.zoom.oauth.scopes if scope.startswith(("user:read", "role:read", "group:read"))
    )

    ran = company.syncd("apply", "--format", "json")

    assert 4 == ran.code
    assert "scope" in ran.said
    assert [] == company.zoom.changes
    assert {"not_tried", "failed"} >= {ran.outcome_of(f"p00{number}@corp.example")[0] for number in range(3)}


def test_a_cycle_stops_when_too_many_writes_fail(company: Company) -> None:
    """max_failing_writes_percent, after the first 10: 5, the rest is not tried."""
    company.staff(60)
    company.enforcing()
    company.configure({"guards": {"max_deactivations_percent": 100, "max_directory_shrink_percent": 90}, "zoom.concurrency": 1})
    company.leaves(*[f"p{number:03}" for number in range(25)])
    company.approve_what_is_held()
    company.zoom.faults.add(faults.refusal(300, "Something odd."), "set_status", times=None)

    ran = company.syncd("apply", "--format", "json")

    outcomes = [row["outcome"] for row in ran.document["decisions"] if row["outcome"]]
    assert (5, "partial") == (ran.code, ran.document["result"])
    assert {"failed": 10, "not_tried": 15} == {word: outcomes.count(word) for word in set(outcomes)}


def test_reports_are_written_once_per_plan_and_result(company: Company) -> None:
    """A repeat only adds a line to cycles.jsonl; the ledger knows each file's hash."""
    company.staff(10)
    company.configure({"mode": "enforce", "reports.formats": ["json"]})
    company.leaves("p000")
    for _ in range(2):
        assert 3 == company.syncd("apply").code

    assert ["held"] == kinds(company)
    lines = [json.loads(line) for line in (company.reports / "cycles.jsonl").read_text(encoding="utf-8").splitlines()]
    assert 2 == len(lines)
    assert 1 == len({line["file"] for line in lines})

    company.approve_what_is_held()
    company.syncd("apply")
    company.syncd("apply")
    assert ["applied", "held", "in_step"] == kinds(company)
    recorded = {entry["body"]["file"] for entry in company.entries() if entry["kind"] == "report"}
    assert recorded == {path.name for path in company.reports.glob("*_*_*.json")}
    assert 0 == company.syncd("ledger", "verify").code

    changed = next(company.reports.glob("*_applied.json"))
    changed.write_text(changed.read_text(encoding="utf-8").replace("p000", "p009"), encoding="utf-8")
    verify = company.syncd("ledger", "verify")
    assert 6 == verify.code
    assert changed.name in verify.out


def test_a_reports_folder_that_cannot_be_written_is_said_without_a_traceback(company: Company) -> None:
    """Foreseeable: a file where the folder should be."""
    company.staff(2)
    company.configure({"mode": "enforce"})
    company.reports.write_text("not a folder", encoding="utf-8")

    ran = company.syncd("apply")

    assert ran.code in (2, 6)
    assert str(company.reports) in ran.err


def kinds(company: Company) -> list[str]:
    """The results in the names of the cycle documents."""
    return sorted(path.stem.split("_", 2)[2] for path in company.reports.glob("*_*_*.json"))


@contextlib.contextmanager
def writer_lock_held(company: Company) -> Iterator[None]:
    """Another process in the middle of a cycle, as far as anybody can see."""
    descriptor = os.open(company.ledger.with_name("ledger.db.lock"), os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": "here", "since": "now"}).encode(), 0)
    try:
        yield
    finally:
        os.close(descriptor)
