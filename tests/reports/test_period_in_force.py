"""A period is judged by what the ledger recorded as in force, and its headline says first what it rests on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import LedgerError, UsageError
from syncd.evidence.comparing import Known, compared, other_leavers
from syncd.evidence.exported import verified
from syncd.evidence.periods import Asked, Sample
from syncd.ledger import record
from syncd.ledger.chain import Exported, export_line, personal_text, who_of
from syncd.model import Action, Decision, EffectOutcome, OutcomeKind, Reason, promise_met
from syncd.operations.schedule import Schedule
from syncd.reports.cycle import cycle_view
from syncd.reports.period import period_view, without
from syncd.reports.view import Tone
from tests.reports.a_cycle import a_cycle
from tests.reports.october import ASKED, HOUR, NAMES, Chronicle, account, at, document, done, entitled, gone, leaver, october

IN_FORCE: dict[str, Any] = {
    "reports.promise": 86400.0,
    "reports.keep": 34560000.0,
    "reports.directory": True,
    "reports.timezone": "UTC",
    "reports.omit_columns": [],
    "schedule.interval": 3600.0,
    "schedule.cron": None,
    "schedule.timezone": "UTC",
    "schedule.jitter": 0.0,
    "schedule.windows": [],
    "ledger.keep_personal": 34560000.0,
    "approvals.required": 1,
}

DENIED = {
    "kind": "deny",
    "cron": "0 0 12 10 *",
    "duration": 47 * 3600.0,
    "timezone": "UTC",
    "applies_to": ["deactivate"],
    "except": [],
}


def with_in_force(*states: tuple[datetime, dict[str, Any]]) -> Chronicle:
    """October, with these states recorded at its beginning, as of their times."""
    told = Chronicle()
    told.write(
        at(29, 8, month=9),
        record.opened("ledger-1", "zoom-account", "file:/srv/people.csv"),
        *(record.in_force("cycle-0", {**IN_FORCE, **values}, since) for since, values in states),
    )
    told.cycle(at(29, 9, month=9), *(entitled(name) for name in NAMES))
    told.quiet(at(30, 10, month=9), at(12, 9))
    now = at(12, 9)
    bob = leaver("bob", Action.DEACTIVATE, Reason.ABSENT_FROM_DIRECTORY, now)
    told.cycle(now, bob, memory=gone(now, "bob"), result="planned")
    told.quiet(at(12, 10), at(14, 0))
    told.cycle(at(14, 0), result="applied", effects=[(bob, done(at(14, 0)), "")])
    told.quiet(at(14, 1), at(1, 12, month=11))
    return told


def bob_of(told: Chronicle, asked: Asked = ASKED) -> dict[str, Any]:
    return document(told, asked)["leavers"][0]  # type: ignore[index]


def test_a_leaver_is_judged_by_the_promise_of_that_day():
    """Bob took 40 hours. Whoever makes the report asks for another promise in vain."""
    long_before, before, after = at(1, month=9), at(12, 7), at(13)
    two_days, one_day = {"reports.promise": 172800.0}, {"reports.promise": 86400.0}

    assert bob_of(with_in_force((long_before, two_days)))["promise_met"] is True
    assert bob_of(with_in_force((long_before, one_day)), replace(ASKED, promise=timedelta(days=9)))["promise_met"] is False
    assert bob_of(with_in_force((long_before, one_day), (before, two_days)))["promise_met"] is True
    assert bob_of(with_in_force((long_before, one_day), (after, two_days)))["promise_met"] is False
    assert 172800.0 == bob_of(with_in_force((long_before, two_days)))["promise_seconds"]


def test_without_a_record_the_configuration_counts():
    """Ledgers of 0.1.0, which say so."""
    told = document(october())

    assert (86400.0, False, []) == (told["settings"]["promise_seconds"], told["settings"]["recorded"], told["in_force"])  # type: ignore[index]


def test_late_by_window_is_late_and_says_so():
    """The calendar denied 39 of Bob's 40 hours; a calendar of other days explains nothing."""
    by_window = document(with_in_force((at(1, month=9), {"schedule.windows": [DENIED]})))
    other = document(with_in_force((at(1, month=9), {"schedule.windows": [{**DENIED, "cron": "0 0 1 1 *"}]})))

    bob = by_window["leavers"][0]  # type: ignore[index]
    assert (False, "window") == (bob["promise_met"], bob["late_by"])
    assert "1 later than promised (1 by window)" in period_view(by_window).state
    assert (False, None) == tuple(other["leavers"][0][key] for key in ("promise_met", "late_by"))  # type: ignore[index]


def test_gaps_follow_the_schedule_of_that_time():
    """Hourly cycles are no gap under the schedule in force, whatever the configuration says now; every two hours would be
    none either, every ten minutes would."""
    fine = document(with_in_force((at(1, month=9), {})), replace(ASKED, schedule=Schedule(timedelta(minutes=1))))
    broken = document(with_in_force((at(1, month=9), {}), (at(20), {"schedule.interval": 600.0})))

    assert [] == fine["gaps"]
    assert {at(20).isoformat().replace("+00:00", "Z")} < {gap["from"] for gap in broken["gaps"]} | {"2026-10-20T00:00:00Z"}  # type: ignore[attr-defined]
    assert all(gap["from"] >= "2026-10-19T23" for gap in broken["gaps"])  # type: ignore[attr-defined]


def test_changes_of_what_is_in_force_are_listed():
    """In the words of the configuration; the states of the period stand in a table."""
    told = document(
        with_in_force((at(1, month=9), {}), (at(29, 8, month=9), {"reports.promise": 172800.0})),
        replace(ASKED, first=date(2026, 9, 1)),
    )

    assert ("reports.promise", "1d", "2d") in [(one["key"], one["before"], one["after"]) for one in told["changes"]]  # type: ignore[attr-defined]
    assert [24.0, 48.0] == [row[1] for table in period_view(told).tables if table.key == "in_force" for row in table.rows()]


@pytest.mark.parametrize(
    ("left", "ended", "promised", "met"),
    [
        (None, None, True, None),
        (0, 24, True, True),
        (0, 25, True, False),
        (0, None, True, False),
        (20, None, True, None),
        (0, 5, False, None),
        (0, 25, False, False),
    ],
)
def test_one_rule_for_the_promise(left: int | None, ended: int | None, promised: bool, met: bool | None):
    """Exactly at its end it is kept; whoever came back in time was promised nothing; whoever came back too late was let down."""
    hours = [None if hour is None else at(1) + hour * HOUR for hour in (left, ended)]

    assert promise_met(hours[0], hours[1], at(1) + 30 * HOUR, timedelta(hours=24), promised=promised) is met


# ------------------------------------------------------------------------------------------------------ the headline


def test_no_evidence_is_never_none_late():
    """In red, for a month that the ledger does not reach, and for one of held cycles only."""
    view = period_view(document(october(), replace(ASKED, first=date(2026, 12, 1), last=date(2026, 12, 31))))

    assert (Tone.BAD, True) == (view.tone, view.state.startswith("No evidence for this period"))
    assert "none late" not in view.state
    held = Chronicle()
    held.write(at(1), record.opened("ledger-1", "zoom-account", "file:/srv/people.csv"))
    for hour in range(48):
        held.cycle(at(1) + hour * HOUR, result="held", tripped=[("max-deactivations", 30, 25)])
    assert period_view(document(held)).state.startswith("No evidence for this period")


def test_coverage_comes_first_and_who_still_has_access_stands_there():
    """The 13th was held all day, the 25th had no cycle; the admin and the account on hold can still log in."""
    told = document(october())
    state = period_view(told).state

    assert state.startswith("Evidence for 29 of 31 days: 7 leavers, 2 later than promised")
    assert (1, True) == (told["totals"]["still_access"], "1 still have access (1 manual)" in state)  # type: ignore[index]
    assert "Coverage" == period_view(told).facts[0].title


@pytest.mark.parametrize(("outcome", "word"), [(None, "due"), (OutcomeKind.FAILED, "failed"), ("held", "held")])
def test_the_headline_says_why_who_left_can_still_log_in(outcome: OutcomeKind | str | None, word: str):
    """An exempt account is not a failed one: whoever reads the first line alone must not take the one for the other."""
    told = Chronicle()
    exempt = Decision(account("zoe"), Action.KEEP, Reason.EXEMPT, "guid-zoe", "address")
    told.cycle(at(5, 8), entitled("ann"), exempt)
    ann = leaver("ann", Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, at(5, 9))
    tried = [(ann, EffectOutcome(outcome, "server_error"), "")] if isinstance(outcome, OutcomeKind) else []
    held = [("max-deactivations", 30, 25)] if outcome == "held" else []
    told.cycle(at(5, 9), ann, memory=gone(at(5, 9), "ann"), result="partial", effects=tried, tripped=held)

    found: Any = document(told)

    assert {"exempt": 1, word: 1} == found["totals"]["still_access_by"]
    assert (
        f"2 still have access ({', '.join(sorted(('1 exempt', f'1 {word}'), key=lambda one: one[2:]))})"
        in period_view(found).state
    )


def test_days_in_report_mode_say_detected_only():
    """Nobody lost access by syncd on these days, whatever was found."""
    told = Chronicle()
    told.write(at(1), record.opened("ledger-1", "zoom-account", "file:/srv/people.csv"))
    for hour in range(31 * 24):
        told.cycle(at(1) + hour * HOUR, mode="report" if hour < 48 else "enforce", result="in_step")
    told.quiet(at(1, month=11), at(1, 2, month=11))
    view = period_view(document(told))

    assert (Tone.WARN, True) == (view.tone, "detected only on 2 days (mode: report)" in view.state)


def test_days_are_those_of_the_configured_time_zone():
    """A day of Berlin begins at 22:00 UTC in summer and 23:00 in winter: October has an hour more."""
    asked = replace(ASKED, timezone="Europe/Berlin")

    assert (datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)) == (asked.start, asked.end)
    told = document(october(), asked)
    assert "in Europe/Berlin (31 days)" in period_view(told).says[0]
    assert "z-gina" not in [row["zoom_id"] for row in told["leavers"]]  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------- made again, by an outsider


def exported(told: Chronicle, path: Path) -> Path:
    """A chronicle as ``ledger export`` writes it."""
    path.write_text(
        "".join(
            export_line(
                Exported(entry, told.personal.get(who_of(entry)), b"salt".hex() if who_of(entry) in told.personal else "")
            )
            + "\n"
            for entry in told.entries
        ),
        encoding="utf-8",
    )
    assert personal_text({}) == "{}"
    return path


def test_an_export_alone_tells_the_same(tmp_path: Path):
    """By what it recorded as in force, time zone and left out columns included."""
    told = with_in_force((at(1, month=9), {"reports.omit_columns": ["department"], "reports.timezone": "Europe/Berlin"}))
    export = verified(exported(told, tmp_path / "ledger.jsonl"))

    assert ("Europe/Berlin", ("department",)) == (export.timezone, export.omit)
    again = export.document(ASKED.first, ASKED.last, None, lambda _: None)
    assert document(told, replace(ASKED, timezone="Europe/Berlin")) == again


def test_an_edited_or_empty_export_is_refused(tmp_path: Path):
    path = exported(october(), tmp_path / "ledger.jsonl")
    path.write_text(path.read_text(encoding="utf-8").replace("Ann Lee", "Bob Lee", 1), encoding="utf-8")
    with pytest.raises(LedgerError, match="not intact"):
        verified(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="no entry"):
        verified(path)


def test_an_export_made_later_is_cut_back_to_the_entry_at_the_foot(tmp_path: Path):
    """So that a report of then can be made again: a line of an export is an entry."""
    told = with_in_force((at(1, month=9), {}))
    then: Any = document(told)
    told.cycle(at(3, 1, month=11))
    path = exported(told, tmp_path / "ledger.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: then["ledger"]["head_sequence"]]), encoding="utf-8")

    assert then == verified(path).document(ASKED.first, ASKED.last, None, lambda _: None)


def test_an_export_alone_answers_what_an_auditor_asks(tmp_path: Path):
    """Who left, when they lost access, who approved what, whether it ran all the time, by which promise, who looked, and what is
    missing: each in a table that the guide names."""
    told = october()
    for since, promise in ((at(1, month=9), 86400.0), (at(20), 172800.0)):
        told.write(at(2, 13, month=11), record.in_force("cycle-x", {**IN_FORCE, "reports.promise": promise}, since))
    told.write(at(3, 8, month=11), record.reviewed("2026-10", by="Cyd", note="ticket 4713"), term=0)
    export = verified(exported(told, tmp_path / "ledger.jsonl"))
    view = period_view(export.document(ASKED.first, ASKED.last, None, lambda _: None))
    tables = {
        table.title: [
            {column.title: value for column, value in zip(table.columns, row, strict=True) if value is not None}
            for row in table.rows()
        ]
        for table in (*view.tables, view.main)
    }

    bob = next(row for row in tables["Leavers"] if row["Account"] == "bob@corp.example")
    assert (at(12, 9), at(14, 11), ("max-deactivations",)) == (
        bob["First seen gone"].replace(minute=0, second=0),
        bob["Verified"].replace(minute=0, second=0),
        bob["Held by"],
    )
    assert (False, 24.0) == (bob["Promise met"], bob["Hours promised"])
    assert [("Ann Lee", "Sales was sold, ticket 4711", "alee@ops1")] == [
        (row["By"], row["Why"], row["Typed by"]) for row in tables["Approvals"]
    ]
    assert {"hold", "pause", "resume", "deactivate"} <= {row["What"] for row in tables["Overrides"]}
    assert "Evidence for 29 of 31 days" in view.state
    assert any(row["From"].day == 24 and row["Until"].day == 26 for row in tables["Gaps"])
    assert [24.0, 48.0] == [row["Hours promised"] for row in tables["In force"]]
    assert [("Cyd", "2026-10", "ticket 4713")] == [(row["By"], row["Of"], row["Note"]) for row in tables["Reviews"]]
    assert [] == tables["Missing"]


def test_reports_made_of_a_ledger_are_no_part_of_what_it_tells():
    """So the same report can be made twice."""
    told = october()
    before = document(told)
    told.write(at(3, month=11), record.reported("", "october.html", "a" * 64, {"by": "ann"}), term=0)

    assert before == document(told)
    told.cycle(at(3, 1, month=11))
    assert before["ledger"] != document(told)["ledger"]


# -------------------------------------------------------------------------------------------------------- the workpaper


def test_a_sample_holds_kept_accounts_too():
    """As many as leavers, picked by the same rule; whoever lost access is not among them."""
    told = document(october(), sample=Sample(2, "7"))
    found = told["kept_sample"]

    assert (3, 2, "7") == (found["of"], found["chosen"], found["seed"])  # type: ignore[index]
    assert all(row["email"] and row["reason"] != "disabled_in_directory" for row in found["rows"])  # type: ignore[index]
    assert found == document(october(), sample=Sample(2, "7"))["kept_sample"]
    assert document(october())["kept_sample"] is None
    assert 2 == next(table for table in period_view(told).tables if table.key == "kept_sample").count


def test_another_systems_leavers_are_tied_to_ours(tmp_path: Path):
    """Letter case is no difference; what stands in one only comes first; other months are passed over."""
    path = tmp_path / "personnel.csv"
    path.write_text("Address,Left_at\nANN@corp.example,2026-10-05\nzoe@corp.example,2026-10-30\nold@corp.example,2026-09-30\n")
    rows: Any = document(october(), replace(ASKED, others=other_leavers(path)))["compared"]

    assert ("zoe@corp.example", "only_there") == (rows[0]["address"], rows[0]["stands_in"])
    assert [("ann@corp.example", "deactivated")] == [(row["address"], row["state"]) for row in rows if row["stands_in"] == "both"]
    assert 6 == sum(row["stands_in"] == "only_here" for row in rows)
    assert "old@corp.example" not in {row["address"] for row in rows}


def test_addresses_of_both_lists_are_compared_as_they_are_matched():
    """Letter case is none of the differences, in Zoom's spelling either; ß is not ss."""
    here = [{"email": "Bob@Corp.example", "zoom_id": "z-bob", "first_seen_at": None, "state": "due"}]
    rows = compared(
        here,
        [("bob@corp.example", "2026-10-05"), ("strasse@corp.example", "2026-10-05")],
        ASKED.first,
        ASKED.last,
        {"straße@corp.example": Known("in_step", "active", None)},
    )
    assert [("strasse@corp.example", "only_there", "none known"), ("Bob@Corp.example", "both", None)] == [
        (one["address"], one["stands_in"], one["account"]) for one in rows
    ]


def test_a_leaver_of_the_other_list_only_is_told_with_what_is_known_of_the_account():
    """Still entitled, kept, of another month, or no account at all: four findings, not one. A sample hides nobody."""
    told = Chronicle()
    held = Decision(account("dan"), Action.KEEP, Reason.ON_HOLD)
    told.cycle(at(1, 8), *map(entitled, ("ann", "bob", "eve")), held)
    for day, name in ((5, "bob"), (31, "eve")):
        gone_ = leaver(name, Action.DEACTIVATE, Reason.ABSENT_FROM_DIRECTORY, at(day, 23))
        told.cycle(at(day, 23), gone_, memory=gone(at(day, 23), name), result="applied", effects=[(gone_, done(at(day, 23)), "")])
    others = [(f"{name}@Corp.example", "2026-10-30") for name in ("ann", "bob", "dan", "eve", "nobody")]

    for sample in (None, Sample(1, "7")):
        rows: Any = document(told, replace(ASKED, last=date(2026, 10, 30), others=others), sample)["compared"]
        assert {
            "ann@Corp.example": ("only_there", None, "active, in_step"),
            "dan@Corp.example": ("only_there", None, "active, on_hold"),
            "eve@Corp.example": ("only_there", "2026-10-31T23:00:00Z", "active, in_step"),
            "nobody@Corp.example": ("only_there", None, "none known"),
            "bob@corp.example": ("both", "2026-10-05T23:00:00Z", None),
        } == {one["address"]: (one["stands_in"], one["first_seen_at"], one["account"]) for one in rows}


def test_windows_and_approvers_are_read_without_the_configuration():
    """In words of their own, not as a count; whether approvals had to be signed."""
    window = {"kind": "deny", "cron": "0 18 * * 5", "duration": 223200.0, "timezone": "Europe/Berlin"}
    window |= {"applies_to": ["deactivate"], "except": ["expired_in_directory"]}
    changed = {"schedule.windows": [window], "approvals.approvers": ["Ann", "Ben"], "approvals.signers_file": ["Ann 42"]}
    told = Chronicle()
    told.write(at(2, 8), record.in_force("cycle-1", IN_FORCE, at(2, 8)))
    told.write(at(3, 8), record.in_force("cycle-2", {**IN_FORCE, **changed}, at(3, 8)))

    table = next(table for table in period_view(document(told)).tables if table.key == "in_force")
    before, after = ({column.key: value for column, value in zip(table.columns, row, strict=True)} for row in table.rows())

    assert (None, None, "not_required") == (before["windows"], before["approvers"], before["signed"])
    assert (
        ("deny deactivate at 0 18 * * 5 for 62 h, Europe/Berlin, except expired_in_directory",),
        ("Ann", "Ben"),
        "required",
    ) == (after["windows"], after["approvers"], after["signed"])


@pytest.mark.parametrize(
    "text", ["mail,left_at\na@b.c,2026-10-01\n", "address,left_at\na@b.c,soon\n", "address,left_at\nann,2026-10-01\n"]
)
def test_a_list_that_cannot_be_compared_is_refused(tmp_path: Path, text: str):
    """With its line, before anything is read."""
    path = tmp_path / "personnel.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match="--compare"):
        other_leavers(path)


def test_who_looked_is_named_or_that_nobody_did():
    """Of the month, of one of its cycles; another month's reviews are not of this one."""
    told = october()
    assert "Nobody said" in next(table for table in period_view(document(told)).tables if table.key == "reviews").none
    for of, by in (("2026-10", "Ann"), ("cycle-20", "Ben"), ("2026-09", "Cyd")):
        told.write(at(3, month=11), record.reviewed(of, by=by, note="fine"), term=0)

    assert ["Ann", "Ben"] == [one["by"] for one in document(told)["reviews"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("omit", ["display_name", "department", "last_login_at", "licence"])
def test_left_out_columns_are_nowhere(omit: str):
    """Not under another name, and not in the stories."""
    told = document(october())
    assert omit not in json.dumps(without(told, (omit,))["leavers"])
    if omit == "licence":
        assert "licence" not in json.dumps([row["events"] for row in without(told, (omit,))["leavers"]])
        assert {"licence", "licence_after"}.isdisjoint({one.key for one in cycle_view(a_cycle(3), (omit,)).main.columns})
    assert omit not in {one.key for one in period_view(told, (omit,)).main.columns}
