"""The evidence of a month: who left, when they lost access, who approved the exceptions, is this complete?"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace as change

from syncd.evidence.periods import Asked, Sample
from syncd.ledger import record
from syncd.ledger.entries import CycleEnded
from syncd.model import Action, Decision, Reason, Status
from syncd.operations.schedule import Schedule
from syncd.planning.policy_change import Change, changes_between
from syncd.reports.period import COLUMNS, STATES, period_view, without
from syncd.reports.period_text import print_period
from syncd.reports.render import VIEW_FORMATS, render
from syncd.reports.view import Unbalanced
from tests.reports.october import ASKED, POLICY, Chronicle, account, at, back, document, done, entitled, gone, october
from tests.reports.october import leaver as leaver_of


@pytest.fixture(scope="module")
def told() -> Chronicle:
    return october()


@pytest.fixture(scope="module")
def month(told: Chronicle) -> dict[str, Any]:
    return document(told)


def leaver(month: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in month["leavers"] if row["zoom_id"] == f"z-{name}")
    return found


def made(month: dict[str, Any], format_: str, omit: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    render(period_view(month, omit), format_, out)
    return out.getvalue()


def test_everybody_who_left_in_the_period_is_told_with_what_became_of_them(month: dict[str, Any]):
    """Nobody of the month before, nobody who stayed."""
    assert {
        "z-ann": "deactivated",
        "z-bob": "deactivated",
        "z-carol": "entitled_again",
        "z-dan": "manual",
        "z-eve": "deactivated",
        "z-frank": "deactivated_by_others",
        "z-gina": "deactivated",
    } == {row["zoom_id"]: row["state"] for row in month["leavers"]}


def test_a_story_goes_on_beyond_the_period(month: dict[str, Any]):
    """Gina was first seen gone in October's last hour and deactivated in November."""
    assert ("2026-10-31T23:00:00Z", "2026-11-01T00:00:21Z", True) == tuple(
        leaver(month, "gina")[key] for key in ("first_seen_at", "acted_at", "promise_met")
    )


def test_november_tells_the_story_it_inherited(told: Chronicle):
    """Whoever was on the way out when a period begins belongs to it, and so does who needs manual action."""
    november = document(told, replace(ASKED, first=date(2026, 11, 1), last=date(2026, 11, 30)))

    assert ["z-dan", "z-gina"] == [row["zoom_id"] for row in november["leavers"]]


def test_time_counts_from_the_last_read_that_showed_them_entitled(month: dict[str, Any]):
    """The worst case: the read before was an hour earlier, so the hour counts."""
    ann = leaver(month, "ann")

    assert ("2026-10-05T08:00:00Z", "2026-10-05T09:00:00Z") == (ann["last_entitled_at"], ann["first_seen_at"])
    assert ("last_seen_entitled", 3622.0, True) == (ann["measured_from"], ann["delay_seconds"], ann["promise_met"])


def test_the_directorys_own_change_is_better_where_it_is_known(told: Chronicle):
    """A disabled account's change between the two reads says when they left; an older one says nothing."""

    def measured(changed_at: str) -> str:
        entries = [
            replace(entry, body=json.dumps({**json.loads(entry.body), "changed_at": changed_at}))
            if entry.kind == "decision" and entry.subject == "z-ann" and "disabled" in entry.body
            else entry
            for entry in told.entries
        ]
        return str(leaver(document(replace(told, entries=entries)), "ann")["measured_from"])

    assert "directory_change" == measured("2026-10-05T08:40:00Z")
    assert "last_seen_entitled" == measured("2026-10-04T08:40:00Z")


def test_who_was_late_is_named_with_who_approved_what_held_them(month: dict[str, Any]):
    """Bob waited two days for an approval; dan still needs manual action."""
    bob = leaver(month, "bob")

    assert {"z-bob", "z-dan"} == {zoom_id for zoom_id, _ in month["late"]}
    assert ("Ann Lee", "Sales was sold, ticket 4711", ["max-deactivations"]) == (
        bob["approved_by"],
        bob["approved_because"],
        bob["held_by"],
    )
    assert [("Ann Lee", "alee@ops1", False, 1, 1)] == [
        tuple(one[key] for key in ("by", "typed_by", "signed", "changes", "used")) for one in month["approvals"]
    ]


def test_a_change_by_hand_names_who_asked_and_why(month: dict[str, Any]):
    """Nothing was promised for eve: the directory never showed them gone."""
    assert ("hand", "Ben Ray", "Lost laptop, ticket 4712", None) == tuple(
        leaver(month, "eve")[key] for key in ("by", "asked_by", "asked_because", "promise_met")
    )


def test_the_story_is_told_line_by_line_with_its_ledger_entries(month: dict[str, Any]):
    """From the read that showed them gone to the verified state."""
    events = leaver(month, "bob")["events"]

    says = " | ".join(event["says"] for event in events)
    assert says.startswith("the first good read that shows this account's person not entitled | decided: deactivate")
    assert "approved past max-deactivations by Ann Lee" in says
    assert says.endswith("deactivate: done, seen inactive, licence basic")
    assert sorted(event["entry"] for event in events) == [event["entry"] for event in events]


def test_gaps_are_times_without_a_good_cycle(month: dict[str, Any]):
    """Two days of being held, and a day on which nothing ran. A pause of an hour is none."""
    assert [
        ("2026-10-12T08:01:00Z", "2026-10-14T11:00:00Z", "50 held; held by max-deactivations"),
        ("2026-10-24T23:01:00Z", "2026-10-26T00:00:00Z", "no cycle ended"),
    ] == [(one["from"], one["until"], one["why"]) for one in month["gaps"]]


def test_what_the_ledger_does_not_cover_is_a_gap(told: Chronicle):
    """Before its first entry and after its last one."""
    wide = document(told, replace(ASKED, first=date(2026, 9, 1), last=date(2026, 12, 31)))

    covered = [(one["from"], one["until"]) for one in wide["gaps"] if one["kind"] == "not_covered"]
    assert [("2026-09-01T00:00:00Z", "2026-09-29T08:00:00Z"), ("2026-11-02T11:01:00Z", "2027-01-01T00:00:00Z")] == covered


def test_gaps_follow_a_cron_schedule(told: Chronicle):
    """A schedule of one cycle a day explains nearly a day without one."""
    daily = document(told, replace(ASKED, schedule=Schedule(None, "0 0 * * *")))

    assert ["50 held; held by max-deactivations"] == [one["why"] for one in daily["gaps"]]


def test_an_empty_period_says_that_nobody_left(told: Chronicle):
    """The 3rd of October: cycles ran, nobody left, no gap."""
    quiet = document(told, replace(ASKED, first=date(2026, 10, 3), last=date(2026, 10, 3)))

    assert ([], [], 24) == (quiet["leavers"], quiet["gaps"], quiet["totals"]["cycles"])


def test_changes_of_the_configuration_are_told_in_its_words(month: dict[str, Any]):
    """Key, before, after, when."""
    assert [("deactivate.grace", "4h", "8h"), ("protect.accounts", "[]", "[ceo@corp.example]")] == [
        (one["key"], one["before"], one["after"]) for one in month["changes"]
    ]


def test_changes_reach_into_the_directory_and_the_guards():
    """Each key as the configuration file spells it."""
    old = replace(POLICY, directory='{"file":{"groups":["staff"]}}')
    new = replace(old, directory='{"file":{"groups":["staff","temps"]}}', limits=replace(POLICY.limits, max_deactivations=10))

    assert [Change("directory.file.groups", "[staff]", "[staff, temps]"), Change("guards.max_deactivations", "-", "10")] == (
        changes_between(old.as_json(), new.as_json())
    )


def test_people_who_overruled_the_rules_are_named(month: dict[str, Any]):
    """By hand, hold, pause, resume."""
    assert [
        ("deactivate", "Ben Ray", "eve@corp.example"),
        ("hold", "Ben Ray", "zoe@corp.example"),
        ("pause", "Ann Lee", None),
        ("resume", "Ann Lee", None),
    ] == [(one["what"], one["by"], one["email"]) for one in month["overrides"]]


def test_whoever_left_while_their_account_was_exempt_or_on_hold_is_not_forgotten():
    """They cannot stand among the leavers, since nobody judges the account; the hold is named even when it is older."""
    told = Chronicle()
    told.cycle(at(20, 9, month=9), Decision(account("zoe"), Action.KEEP, Reason.EXEMPT, "guid-zoe", "address"), entitled("eve"))
    told.write(
        at(21, 9, month=9),
        record.held("z-eve", by="Ben Ray", because="On leave", until=None, personal=record.personal_of(account("eve"))),
        term=0,
    )
    told.cycle(at(21, 10, month=9), Decision(account("eve"), Action.KEEP, Reason.ON_HOLD, "guid-eve", "address"))
    told.cycle(at(8, 9), Decision(account("eve"), Action.KEEP, Reason.ON_HOLD))
    told.write(at(9, 9), record.released("z-eve", by="Ann Lee", because="Back at work"), term=0)
    told.cycle(at(9, 10), entitled("eve"))
    told.quiet(at(9, 11), at(9, 12))

    month = document(told)

    assert [
        ("eve@corp.example", "on_hold", None, "2026-10-09T10:00:10Z", "Ben Ray"),
        ("zoe@corp.example", "exempt", "guid-zoe", None, None),
    ] == [(one["email"], one["reason"], one["directory_id"], one["until"], one["by"]) for one in month["kept"]]
    assert [("release", "eve@corp.example")] == [(one["what"], one["email"]) for one in month["overrides"]]
    assert b"Kept by exception" in made(month, "html")
    assert [] == document(told, replace(ASKED, first=date(2026, 8, 1), last=date(2026, 8, 31)))["kept"]


def test_since_when_nobody_has_the_address_of_a_kept_account_is_told():
    """The day on which its person left, since nobody judges it; a person who comes back ends it."""
    told = Chronicle()
    exempt = Decision(account("zoe"), Action.KEEP, Reason.EXEMPT, "guid-zoe", "address", notes=("exempt_account",))
    nobody = change(exempt, directory_id=None, matched_by=None)
    told.cycle(at(20, 9, month=9), exempt)
    told.cycle(at(8, 9), nobody)
    told.cycle(at(9, 9), change(nobody, notes=("exempt_account", "duplicate_account")))
    kept: Any = document(told)["kept"]
    assert [("2026-10-08T09:00:10Z", ["exempt_account", "duplicate_account"])] == [
        (one["nobody_since"], one["notes"]) for one in kept
    ]

    told.cycle(at(10, 9), exempt)
    kept = document(told)["kept"]
    assert [None] == [one["nobody_since"] for one in kept]


@pytest.mark.parametrize(
    ("before", "measured_from", "hours"),
    [
        (Decision(account("ann"), Action.KEEP, Reason.IN_STEP, "guid-ann", "address"), "last_seen_entitled", 1.0),
        (Decision(account("ann", Status.INACTIVE), Action.KEEP, Reason.DEACTIVATED_BY_OTHERS, "guid-ann"), "first_seen", 0.0),
        (Decision(account("ann", Status.INACTIVE), Action.KEEP, Reason.IN_STEP), None, None),
        (Decision(account("ann"), Action.KEEP, Reason.EXEMPT), None, None),
    ],
)
def test_whoever_left_while_their_account_was_off_is_a_leaver_too(
    before: Decision, measured_from: str | None, hours: float | None
) -> None:
    """Somebody switched it off in Zoom between two reads, or before; reads remember nobody as gone who has no access. An account
    of nobody, and one that was exempt, tell of no leaver."""
    told = Chronicle()
    told.cycle(at(5, 7), before)
    told.cycle(at(5, 8), before)
    told.cycle(at(5, 9), Decision(account("ann", Status.INACTIVE), Action.KEEP, Reason.IN_STEP))
    told.quiet(at(5, 10), at(5, 12))

    found: Any = document(told)
    rows = found["leavers"]

    assert [("deactivated_by_others", None, measured_from)][: measured_from is not None] == [
        (row["state"], row["reason"], row["measured_from"]) for row in rows
    ]
    assert [True][: len(rows)] == [row["promise_met"] for row in rows]
    assert [hours][: len(rows)] == pytest.approx([row["delay_seconds"] / 3600 for row in rows], abs=0.01)
    assert 0 == found["totals"]["still_access"]


def test_a_blind_read_makes_no_leaver_of_accounts_that_are_off():
    """With ``reactivate: never`` there may be hundreds, all of them without a person in such a read. The next good one tells."""
    told = Chronicle()
    off = [
        Decision(account(name, Status.INACTIVE), Action.KEEP, Reason.REACTIVATION_OFF, f"guid-{name}") for name in ("ann", "bob")
    ]
    nobody = [Decision(account(name, Status.INACTIVE), Action.KEEP, Reason.IN_STEP) for name in ("ann", "bob")]
    told.cycle(at(5, 8), *off)
    told.cycle(at(5, 9), *nobody, good=False, result="held", tripped=[("directory-empty", 0, 1)])
    assert [] == document(told)["leavers"]

    told.cycle(at(5, 10), off[0])
    rows: Any = document(told)["leavers"]
    assert [("z-bob", "2026-10-05T10:00:00Z")] == [(row["zoom_id"], row["first_seen_at"]) for row in rows]


def test_somebody_entitled_by_an_alias_alone_is_no_leaver_when_the_account_goes_off():
    """Nobody left: the account is somebody's alias."""
    told = Chronicle()
    told.cycle(at(5, 8), entitled("ann"))
    alias = Decision(account("ann", Status.INACTIVE), Action.KEEP, Reason.IN_STEP, notes=("claimed_by_alias",))
    told.cycle(at(5, 9), alias)
    assert [] == document(told)["leavers"]


def test_an_account_that_a_person_had_put_back_is_not_told_as_deactivated():
    """An undo: the row says so and names who asked, and it stands among what is not done."""
    told = Chronicle()
    told.cycle(at(5, 8), entitled("ann"))
    ann = leaver_of("ann", Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, at(5, 9))
    told.cycle(at(5, 9), ann, memory=gone(at(5, 9), "ann"), result="applied", effects=[(ann, done(at(5, 9)), "")])
    back_again = Decision(account("ann", Status.INACTIVE), Action.REACTIVATE, Reason.BY_HAND)
    undo = told.unique("cycle")
    told.effect(undo, at(5, 10), back_again, replace(done(at(5, 10)), status_after="active"), by="undo")
    told.write(
        at(5, 10, 1),
        record.cycle_ended(
            undo,
            convert(
                {
                    "mode": "enforce",
                    "trigger": "undo",
                    "result": "applied",
                    "success": False,
                    "started_at": "2026-10-05T10:00:00Z",
                    "ended_at": "2026-10-05T10:01:00Z",
                    "version": "0.1.0",
                    "policy": told.policy.digest(),
                    "by": "Ben Ray",
                    "because": "Wrong Ann",
                },
                CycleEnded,
            ),
        ),
    )

    month = document(told)

    row = leaver(month, "ann")
    assert ("put_back", None, "Ben Ray", "Wrong Ann") == tuple(
        row[key] for key in ("state", "promise_met", "asked_by", "asked_because")
    )
    assert ["z-ann"] == [row[2] for row in next(t for t in period_view(month).tables if t.key == "open").rows()]


def test_coming_back_after_the_promise_has_run_out_does_not_make_it_kept():
    """Gone for two days while a guard held everything, then hired again: late all the same."""
    told = Chronicle()
    told.cycle(at(5, 8), entitled("ann"))
    ann = leaver_of("ann", Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, at(5, 9))
    told.cycle(at(5, 9), ann, memory=gone(at(5, 9), "ann"), result="held", tripped=[("max-deactivations", 30, 25)])
    told.cycle(at(7, 9), entitled("ann"), memory=back(at(7, 9), "ann"))

    assert ("entitled_again", False) == tuple(leaver(document(told), "ann")[key] for key in ("state", "promise_met"))


def test_who_is_late_and_still_active_stands_among_what_is_not_done_too(month: dict[str, Any]):
    """``None`` under that heading would say that everybody was dealt with."""
    tables = {table.key: [row[2] for row in table.rows()] for table in period_view(month).tables}

    assert "z-dan" in tables["late"]
    assert ["z-dan"] == tables["open"]


def test_a_gap_of_the_period_before_leaves_no_crumb_in_this_one():
    """Cycles were missing until midnight: nothing of October is missing."""
    told = Chronicle()
    told.cycle(at(29, 8, month=9), entitled("ann"))
    told.quiet(at(1, 0), at(2, 1))

    assert [] == document(told, replace(ASKED, last=date(2026, 10, 1)))["gaps"]


def test_totals_balance_or_there_is_no_report(told: Chronicle, month: dict[str, Any]):
    """A deactivation that the chain records and no story tells would show."""
    period_view(month).demand_balance()
    month = {**month, "leavers": month["leavers"][1:]}
    month["balances"] = [{**month["balances"][0], "number": 6}, *month["balances"][1:]]

    with pytest.raises(Unbalanced, match="Leavers by what became of them"):
        period_view(month).demand_balance()


def test_names_that_are_no_longer_kept_are_empty(told: Chronicle):
    """The story stays, tied to the Zoom id."""
    blanked = document(replace(told, personal={ref: {} for ref in told.personal}))

    assert (None, None, "deactivated") == tuple(leaver(blanked, "ann")[key] for key in ("email", "display_name", "state"))


@pytest.mark.parametrize("format_", VIEW_FORMATS)
def test_the_same_ledger_gives_the_same_bytes(format_: str):
    """Two folds of two equal ledgers."""
    assert made(document(october()), format_) == made(document(october()), format_)


def test_a_sample_is_picked_the_same_each_time_and_another_seed_picks_others(told: Chronicle):
    """Anybody who knows the seed can repeat it; it says how."""

    def picked(seed: str) -> list[str]:
        return [row["zoom_id"] for row in document(told, sample=Sample(3, seed))["leavers"]]

    assert picked("7") == picked("7")
    assert 1 < len({tuple(picked(str(seed))) for seed in range(10)})
    assert {"asked_for": 3, "chosen": 3, "of": 7, "seed": "7", "method": "the lowest SHA-256 of seed:zoom_id:first_entry"} == (
        document(told, sample=Sample(3, "7"))["sample"]
    )


def test_a_sample_prints_one_page_of_evidence_each(told: Chronicle):
    """With the whole story under it; the totals stay those of the whole period."""
    out = io.StringIO()
    sampled = document(told, sample=Sample(2, "1"))
    print_period(period_view(sampled), out)

    assert 2 == out.getvalue().count("--- Evidence ")
    assert 2 == made(sampled, "html").decode().count('<section class="page">')
    assert "= 7 leavers" in out.getvalue()


class Terminal(io.StringIO):
    """A terminal's end."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_on_a_terminal_a_report_is_laid_out_by_its_width(told: Chronicle, width: int, monkeypatch: pytest.MonkeyPatch):
    """No line is longer, but one whose single word is; whom, what became of them and why stand in every row; what has no room is
    named."""
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    print_period(period_view(document(told)), out, width=width)
    lines = out.getvalue().splitlines()
    leavers = lines[next(at for at, line in enumerate(lines) if line.startswith("Leavers (7)")) + 1 :]
    heads = leavers[0].split()

    assert not [line for line in lines if len(line) > width and len(line.split()[-1]) < 40]
    assert not [line for line in lines if "\t" in line]
    assert {"Account", "State", "Reason"} <= set(heads)
    assert 7 == sum("@corp.example" in line for line in leavers[1:8])
    assert any(line.startswith("  no room for: ") for line in leavers) is (width < 160)


def test_a_csv_has_one_row_per_leaver(month: dict[str, Any]):
    """Every column has a meaning."""
    rows = list(csv.DictReader(io.StringIO(made(month, "csv").decode(), newline="")))

    assert 7 == len(rows)
    assert [column.key for column in COLUMNS] == list(rows[0])
    assert all(column.says for column in COLUMNS)


def test_json_lines_hold_header_gaps_approvals_and_stories(month: dict[str, Any]):
    """One kind of record each."""
    records = [json.loads(line) for line in made(month, "jsonl").decode().splitlines()]

    assert "period" == records[0]["record"]
    assert {"period", "gap", "approval", "override", "change", "guard", "leaver", "sighting"} == {
        one["record"] for one in records
    }
    assert all(one["events"] for one in records if one["record"] == "leaver")


def test_omitted_columns_are_left_out_of_the_document_too(month: dict[str, Any]):
    """Only what the evidence needs."""
    text = json.dumps(without(month, ("display_name", "department")))

    assert "Ann Doe" not in text
    assert "Ann Doe" not in made(month, "html", ("display_name", "department")).decode()


def test_every_state_has_a_meaning(month: dict[str, Any]):
    """The words of the core are those of the reports."""
    from syncd.evidence import offboarding

    assert set(offboarding.STATES) == set(STATES)
    assert {row["state"] for row in month["leavers"]} <= set(STATES)


def test_days_are_whole_days_and_the_last_one_counts():
    """Midnight belongs to the next day."""
    asked = Asked(date(2026, 10, 1), date(2026, 10, 1), timedelta(hours=24), Schedule())

    assert asked.holds(at(1))
    assert asked.holds(at(1, 23, 59))
    assert not asked.holds(at(2))
