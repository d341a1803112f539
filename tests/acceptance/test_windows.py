"""Windows: what the operator's calendar denies is due, guarded, shown with its next opening, and not done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.acceptance.company import WHO, Company

NOW = datetime.now(UTC)


def denied_now(**more: Any) -> dict[str, Any]:
    """A window around this moment: from two hours ago for six hours, today only."""
    begun = NOW - timedelta(hours=2)
    return {"kind": "deny", "cron": f"{begun.minute} {begun.hour} {begun.day} {begun.month} *", "duration": "6h", **more}


def allowed_later() -> dict[str, Any]:
    """The only time for changes is half a day away."""
    return {"kind": "allow", "cron": f"{NOW.minute} {(NOW.hour + 12) % 24} * * *", "duration": "1h"}


def enforced(company: Company, *windows: dict[str, Any]) -> None:
    """Ten people in step under an enforced policy without a grace, then the windows."""
    company.staff(10)
    company.configure({"deactivate.grace": "0s", "deactivate.grace_reads": 1, "guards.percent_floor": 5})
    company.enforcing()
    company.configure({"schedule.windows": list(windows), "reports.promise": "60d"})


def test_what_a_window_denies_stays_due_and_is_no_trouble(company: Company) -> None:
    """Exit 0, planned, not tried, with the next opening; without the window it goes."""
    enforced(company, denied_now())
    company.leaves("p000")

    cycle = company.syncd("apply", "--format", "json")

    row = next(row for row in cycle.document["decisions"] if row["email"] == "p000@corp.example")
    assert (0, "planned", "not_tried", "window") == (cycle.code, cycle.document["result"], row["outcome"], row["outcome_reason"])
    opening = datetime.fromisoformat(row["next_opening"])
    assert NOW < opening <= NOW + timedelta(hours=4)
    assert [] == company.written()

    company.configure({"schedule.windows": []})
    assert "applied" == company.syncd("apply", "--format", "json").document["result"]
    assert [("p000", "deactivate")] == company.written()


def test_known_leavers_go_through_a_denial_and_reactivations_do_too(company: Company) -> None:
    """The defaults of a denial: deactivations, known leavers excepted."""
    enforced(company, denied_now())
    company.person("p001", enabled="false")
    company.leaves("p000")

    cycle = company.syncd("apply", "--format", "json")

    assert ("done", "not_tried") == (cycle.outcome_of("p001@corp.example")[0], cycle.outcome_of("p000@corp.example")[0])
    assert (0, "applied") == (cycle.code, cycle.document["result"])
    assert [("p001", "deactivate")] == company.written()


def test_outside_of_the_only_allowance_nothing_is_done(company: Company) -> None:
    """Not even for known leavers: an allowance has no exceptions by itself."""
    enforced(company, allowed_later())
    company.person("p001", enabled="false")
    company.save()

    cycle = company.syncd("apply", "--format", "json")

    assert (0, "planned", ("not_tried", "window")) == (
        cycle.code,
        cycle.document["result"],
        cycle.outcome_of("p001@corp.example"),
    )
    assert [] == company.written()


def test_a_person_is_not_bound_by_windows(company: Company) -> None:
    """`account deactivate` works at any time."""
    enforced(company, denied_now(**{"except": []}))

    done = company.syncd("account", "deactivate", "p003@corp.example", "--yes", *WHO)

    assert (0, [("p003", "deactivate")]) == (done.code, company.written())


def test_size_guards_judge_what_is_denied_and_it_can_be_approved_before_the_opening(company: Company) -> None:
    """Then it goes at the opening without asking again; the approval's time begins there."""
    enforced(company, denied_now(**{"except": []}))
    company.configure({"guards.max_deactivations": 1})
    company.leaves("p000", "p001")

    held = company.syncd("apply", "--format", "json")
    assert (3, ["max-deactivations"]) == (held.code, held.tripped())
    digest = held.document["plan_digest"]
    approved = company.syncd("approve", "--plan", digest, "--guard", *held.tripped(), *WHO, "--for", "1h")
    assert 0 == approved.code, approved.said
    until = next(entry["body"]["expires_at"] for entry in company.entries() if entry["kind"] == "approval")
    opening = next(datetime.fromisoformat(row["next_opening"]) for row in held.document["decisions"] if row["next_opening"])
    assert opening + timedelta(minutes=59) < datetime.fromisoformat(until) < opening + timedelta(minutes=61)

    waiting = company.syncd("apply", "--format", "json")
    assert (0, "planned") == (waiting.code, waiting.document["result"])
    company.configure({"schedule.windows": []})
    assert 0 == company.syncd("apply").code
    assert {("p000", "deactivate"), ("p001", "deactivate")} == set(company.written())


def test_the_plan_shows_the_next_opening_to_people(company: Company) -> None:
    """In the time zone of the window, on a terminal and in a pipe."""
    begun = (NOW - timedelta(hours=2)).astimezone(ZoneInfo("Europe/Berlin"))
    enforced(company, denied_now(timezone="Europe/Berlin", cron=f"{begun.minute} {begun.hour} * * *"))
    company.leaves("p000")

    plan = company.syncd("plan")

    assert "window\t1 to deactivate waits for the next opening, " in plan.out
    assert "calendar\tdeactivate for left_groups, absent_from_directory: denied until " in plan.out
    assert " CE" in plan.out.split("next opening, ")[1].splitlines()[0]
