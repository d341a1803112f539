"""What an auditor must not overlook: evidence that was lost or taken away, every word with which a person overruled the rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from msgspec import convert

from syncd.cli.reporting import made_of
from syncd.evidence.periods import Asked
from syncd.ledger import record
from syncd.ledger.entries import CycleEnded
from syncd.model import Acknowledgement, Action, Announcement, Decision, Draft, EffectOutcome, Head, OutcomeKind, Reason, Status
from syncd.reports.period import period_view
from syncd.reports.view import Tone
from tests.reports.october import ASKED, Chronicle, account, at, document, done, entitled, october

BEGAN = at(29, 9, month=9)
RESTORED = record.restored(Head(120, "a" * 64), Head(130, "b" * 64))


def quiet_with(*drafts: Draft, when: datetime, first: datetime = BEGAN) -> Chronicle:
    """Cycles every hour from *first* to the 2nd of November, with this between them."""
    told = Chronicle()
    told.write(first, record.opened("ledger-1", "zoom-account", "file:/srv/people.csv"))
    told.cycle(first, entitled("ann"))
    told.quiet(first.replace(hour=10), when)
    told.write(when, *drafts, term=0)
    told.quiet(when, at(2, 12, month=11))
    return told


def missing(told: Chronicle, asked: Asked = ASKED) -> list[tuple[str, str]]:
    return [(one["what"], one["says"]) for one in document(told, asked)["missing"]]


@pytest.mark.parametrize(
    ("draft", "what", "says"),
    [
        (RESTORED, "entries_lost", "ends at entry 120 was put back; the ledger that was there ended at entry 130"),
        (
            record.accepted(by="Ann", because="disk", missing=[Head(9000, "c" * 64)]),
            "entries_lost",
            "1 published heads, up to entry 9000",
        ),
        (record.report_unfiled("cycle-7", "disk full"), "not_filed", "cycle cycle-7: disk full"),
        (record.report_removed("cycle-7", ["a.html", "b.html"], at(1)), "reports_removed", "2 report files were removed"),
        (record.blanked(["ref-1", "ref-2", "ref-3"], at(1))[0], "names_blanked", "3 names and addresses were blanked"),
        (record.upgraded("0.1.0", "0.2.0", ["ref-1"]), "names_blanked", "1 names and addresses were blanked"),
    ],
)
def test_what_was_lost_or_taken_away_is_named(draft: Draft, what: str, says: str):
    """On the page, with its entry; a period in which nothing of it happened says so."""
    told = quiet_with(draft, when=at(10, 8))
    month = document(told)

    assert [what] == [one["what"] for one in month["missing"]]
    assert says in month["missing"][0]["says"]
    assert next(entry.seq for entry in told.entries if entry.at.startswith("2026-10-10T08:00:00")) == month["missing"][0]["entry"]
    table = next(table for table in period_view(month).tables if table.key == "missing")
    assert (1, what) == (table.count, next(iter(table.rows()))[0])
    assert [] == missing(quiet_with(when=at(10, 8)))


def test_lost_entries_stand_in_the_headline():
    """In red, whoever was late; what retention removed is no loss."""
    lost = period_view(document(quiet_with(RESTORED, when=at(10, 8))))
    assert (Tone.BAD, True) == (lost.tone, "entries were lost" in lost.state)

    removed = period_view(document(quiet_with(record.report_removed("c", ["a.html"], at(1)), when=at(10, 8))))
    assert (Tone.GOOD, "0 leavers, none late, no gap in the record") == (removed.tone, removed.state)


def test_a_backup_that_was_whole_lost_nothing():
    """Put back where it ended, or where no ledger was."""
    assert [] == missing(quiet_with(record.restored(Head(5, "a" * 64), Head(5, "a" * 64)), when=at(10, 8)))
    assert [] == missing(quiet_with(record.restored(Head(5, "a" * 64), Head(0, "")), when=at(10, 8)))


def test_a_loss_counts_for_the_time_whose_entries_are_gone():
    """Found in November: what was lost is of the time after the last entry that is left."""
    on_the_second = quiet_with(RESTORED, when=at(2, 9, month=11))
    assert [] == missing(on_the_second)  # October's entries are all there
    told = Chronicle()
    told.write(at(29, 8, month=9), record.opened("ledger-1", "zoom-account", "file:/srv/people.csv"))
    told.cycle(at(29, 9, month=9), entitled("ann"))
    told.quiet(at(30, month=9), at(20))
    told.write(at(2, month=11), RESTORED, term=0)
    assert ["entries_lost"] == [what for what, _ in missing(told)]


def test_an_accepted_restore_is_told_once():
    """As a loss; the word of the person who accepted it stands among the overrides."""
    told = quiet_with(RESTORED, record.accepted(by="Ann", because="backup", missing=[Head(125, "b" * 64)]), when=at(10, 8))
    assert ["entries_lost"] == [what for what, _ in missing(told)]
    assert ["accept"] == [one["what"] for one in document(told)["overrides"]]


def test_a_ledger_begun_beside_reports_of_another_is_no_whole_record():
    told = Chronicle()
    told.write(at(3, 8), record.opened("ledger-2", "zoom-account", "file:/srv/people.csv", "enforce", 12))
    told.quiet(at(3, 9), at(2, month=11))
    assert [("earlier_ledger", "12 reports of an earlier ledger lay in the folder when this one was begun")] == missing(told)


@pytest.mark.parametrize(
    ("draft", "what", "details", "zoom_id"),
    [
        (record.accepted(by="Ann", because="why"), "accept", "the ledger, as it is", None),
        (record.accepted(by="Ann", because="why", directory="entra:t"), "accept", "the ledger, now read against entra:t", None),
        (
            record.acknowledged("z-dan", Acknowledgement("Ann", "why", at(9), at(20), "f"), None),
            "acknowledge",
            "nobody is alerted of this account until 2026-10-20T00:00:00Z",
            "z-dan",
        ),
        (
            record.announced(Announcement("people-1", frozenset({"z-a", "z-b"}), at(10), at(12), "Ann", "why", at(9)), {}),
            "announce",
            "2 leavers named beforehand, 2026-10-10T00:00:00Z to 2026-10-12T00:00:00Z",
            None,
        ),
    ],
)
def test_every_word_of_a_person_is_an_override(draft: Draft, what: str, details: str, zoom_id: str | None):
    """Those that let something pass, too; outside of the period they are not told."""
    row = document(quiet_with(draft, when=at(10, 8)))["overrides"][0]
    assert (what, details, zoom_id, "Ann", "why") == (row["what"], row["details"], row["zoom_id"], row["by"], row["because"])
    assert [] == document(quiet_with(draft, when=at(1, 8, month=11)))["overrides"]


@pytest.mark.parametrize(("kind", "details"), [(OutcomeKind.DONE, "by hand"), (OutcomeKind.FAILED, "by hand: failed")])
def test_access_given_back_by_hand_names_who_asked(kind: OutcomeKind, details: str):
    """A person brought an account back: nobody's rule did. A cycle's own return is no override."""
    back = Decision(account("dan", Status.INACTIVE), Action.REACTIVATE, Reason.BY_HAND)
    outcome = EffectOutcome(kind, "", "active", None, at(10, 9), at(10, 9), 1)
    told = Chronicle()
    told.write(at(1, 8), record.opened("ledger-1", "zoom-account", "file:/srv/people.csv"))
    told.effect("hand-1", at(10, 9), back, outcome, by="hand")
    told.write(
        at(10, 9, 1),
        record.cycle_ended(
            "hand-1",
            convert(
                {
                    "mode": "enforce",
                    "trigger": "account",
                    "result": "applied",
                    "success": False,
                    "started_at": "2026-10-10T09:00:00Z",
                    "ended_at": "2026-10-10T09:01:00Z",
                    "version": "0.2.0",
                    "policy": "p",
                    "by": "Ben Ray",
                    "because": "Is back",
                },
                CycleEnded,
            ),
        ),
    )
    told.effect("cycle-2", at(10, 10), back, done(at(10, 10)))

    assert [("reactivate", details, "dan@corp.example", "Ben Ray", "Is back")] == [
        (one["what"], one["details"], one["email"], one["by"], one["because"]) for one in document(told)["overrides"]
    ]


# ------------------------------------------------------------------------------------------------ no more than is known


def none_late(month: dict[str, Any]) -> str:
    return next(table.none for table in period_view(month).tables if table.key == "late")


def test_no_late_ones_never_says_more_than_is_known():
    """Nothing without evidence, and not beyond what the record reaches."""
    told = october()
    assert "None: every promise was kept." == none_late(document(quiet_with(when=at(10, 8))))
    assert none_late(document(quiet_with(when=at(10, 8), first=at(3, 9)))).endswith(", as far as the record reaches.")
    year_before = Asked(ASKED.first.replace(year=2025), ASKED.last.replace(year=2025), ASKED.promise, ASKED.schedule)
    assert "Nobody knows: there is no evidence for this period." == none_late(document(told, year_before))
    month = document(told)
    month["gaps"], month["totals"]["promise_open"] = [], 2
    assert "None; for 2 nothing was promised, or the time still runs." == none_late(month)


def test_the_digest_is_the_same_for_whoever_makes_it_again():
    """Whatever their configuration and name; another story or another parameter is another one."""

    def digest_of(told: Chronicle, configuration: str | None, parameters: dict[str, Any], omit: tuple[str, ...] = ()) -> str:
        month = document(told)
        made_of(month, parameters, configuration, omit)
        assert month["digest"] in " ".join(period_view(month, omit).says)
        return str(month["digest"])

    one = digest_of(october(), "configuration", {"from": "2026-10-01"})
    assert one == digest_of(october(), None, {"from": "2026-10-01"})
    assert one != digest_of(october(), None, {"from": "2026-10-01"}, ("department",))
    assert one != digest_of(quiet_with(when=at(10, 8)), None, {"from": "2026-10-01"})
