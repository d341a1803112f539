"""What others saw, held against what we did: a row of the tables in ``planning.witness`` each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.ledger.history import History
from syncd.model import ForeignChange, Happened, SeenEffect, Sighting, Unreadable, Witnesses, WitnessSource, WitnessState
from syncd.planning.witness import Comparison, count_states, covered, is_signal, state_of

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVENT, LOG = WitnessSource.EVENT, WitnessSource.LOG
BOTH = ((NOON - DAY, Witnesses(events=True, operation_log=True)),)
ANN_OUT = SeenEffect("z-ann", "deactivate", NOON - timedelta(seconds=2), done_at=NOON)


def knowing(*effects: SeenEffect, **more: object) -> History:
    """A ledger that holds these changes of ours: i1, i2 and so on."""
    return History(effects={f"i{number}": one for number, one in enumerate(effects, 1)}, **{"witnesses": BOTH, **more})  # type: ignore[arg-type]


def saw(what: str, at: datetime = NOON, zoom_id: str = "z-ann", source: WitnessSource = EVENT, *fields: str) -> Sighting:
    return Sighting(source, at, Happened(what), zoom_id, fields=frozenset(fields))


HANDED = SeenEffect("z-ann", "handover", NOON - timedelta(seconds=2), done_at=NOON)

# ------------------------------------------------------------------------------------------------- what a sighting is


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (timedelta(0), "confirmed"),
        (15 * MINUTE, "confirmed"),
        (15 * MINUTE + timedelta(seconds=1), "foreign"),
        (-15 * MINUTE, "confirmed"),
        (-16 * MINUTE, "foreign"),
    ],
)
def test_a_sighting_within_a_quarter_of_an_hour_confirms_and_a_later_one_is_somebody_elses(late: timedelta, state: str):
    """Measured from the time that Zoom gives, whenever it comes."""
    assert state == Comparison(knowing(ANN_OUT)).judge(saw("deactivated", NOON + late), in_scope=True).state


@pytest.mark.parametrize(
    ("sighting", "state"),
    [
        (saw("deleted"), "confirmed"),
        (saw("deleted", NOON + 16 * MINUTE), "foreign"),
        (saw("deactivated"), "foreign"),
        (saw("activated"), "foreign"),
        (saw("deleted", NOON, "z-bob"), "foreign"),
    ],
)
@pytest.mark.parametrize("effect", [HANDED, replace(HANDED, done_at=None)], ids=["answered", "unconfirmed"])
def test_a_deletion_that_a_handover_sent_is_ours_and_any_other_is_not(effect: SeenEffect, sighting: Sighting, state: str):
    """Whether its answer came or was lost."""
    finding = Comparison(knowing(effect)).judge(sighting, in_scope=True)

    assert (state, state == "confirmed") == (finding.state, finding.ours)


def test_the_time_it_took_is_told():
    """From done to seen."""
    finding = Comparison(knowing(ANN_OUT)).judge(saw("deactivated", NOON + timedelta(seconds=3.2)), in_scope=True)

    assert ("i1", 3.2) == (finding.intent, finding.seconds)


def test_an_event_may_come_before_our_own_answer():
    """An intent that is not settled yet is confirmed, too."""
    announced = replace(ANN_OUT, done_at=None)

    assert Comparison(knowing(announced)).judge(saw("deactivated"), in_scope=True).ours


@pytest.mark.parametrize(
    "sighting",
    [
        saw("activated"),
        saw("deleted"),
        saw("deactivated", NOON, "z-bob"),
        saw("updated", NOON, "z-ann", EVENT, "role"),
        saw("updated", NOON, "z-bob", EVENT, "type"),
    ],
)
def test_whatever_fits_none_of_ours_is_foreign(sighting: Sighting):
    """Another act on the same account, and the same act on another."""
    assert Comparison(knowing(ANN_OUT)).judge(sighting, in_scope=True).state is WitnessState.FOREIGN


@pytest.mark.parametrize(
    "sighting",
    [
        saw("updated", NOON, "z-bob", EVENT, "email"),
        saw("updated", NOON, "z-bob"),
        saw("updated", NOON, "z-bob", EVENT, "dept"),
    ],
)
def test_what_changes_no_status_type_role_or_existence_is_of_no_interest(sighting: Sighting):
    """A changed address is a signal, and no foreign change."""
    assert Comparison(knowing(ANN_OUT)).judge(sighting, in_scope=True).state is None
    assert is_signal(sighting) == (sighting.fields == {"email"})


def test_accounts_out_of_scope_are_nobodys_business():
    """Not even a deletion."""
    assert Comparison(knowing()).judge(saw("deleted"), in_scope=False).state is None


def test_the_licence_that_goes_with_a_deactivation_is_ours_and_proves_nothing():
    """Zoom tells it as an update of its own; the change itself still waits to be seen."""
    compared = Comparison(knowing(ANN_OUT))
    update = compared.judge(saw("updated", NOON, "z-ann", EVENT, "type"), in_scope=True)

    assert (None, True) == (update.state, update.ours)
    assert compared.judge(saw("deactivated"), in_scope=True).state is WitnessState.CONFIRMED


def test_a_change_is_confirmed_once_and_never_becomes_foreign_by_being_told_again():
    """Events are delivered at least once, and the log is read three times."""
    compared = Comparison(knowing(ANN_OUT))
    findings = [compared.judge(saw("deactivated", source=source), in_scope=True) for source in (EVENT, EVENT, LOG)]

    assert ["confirmed", None, None] == [one.state for one in findings]
    assert all(one.ours for one in findings)


def test_two_changes_of_one_account_are_told_apart_by_which_is_nearer():
    """Out, back and out again within ten minutes."""
    again = replace(ANN_OUT, announced_at=NOON + 8 * MINUTE, done_at=NOON + 9 * MINUTE)
    compared = Comparison(knowing(ANN_OUT, again))

    assert "i2" == compared.judge(saw("deactivated", NOON + 9 * MINUTE), in_scope=True).intent
    assert "i1" == compared.judge(saw("deactivated", NOON), in_scope=True).intent


def test_a_foreign_change_is_told_once_by_event_and_log():
    """The log's time may differ a little; another one an hour later is another change."""
    history = knowing(foreign=(ForeignChange("z-bob", "activated", NOON, "event"),))
    compared = Comparison(history)

    assert compared.judge(saw("activated", NOON, "z-bob"), in_scope=True).state is None
    assert compared.judge(saw("activated", NOON + MINUTE, "z-bob", LOG), in_scope=True).state is None
    assert compared.judge(saw("activated", NOON + HOUR, "z-bob", LOG), in_scope=True).state is WitnessState.FOREIGN
    assert compared.judge(saw("activated", NOON + MINUTE, "z-bob"), in_scope=True).state is WitnessState.FOREIGN


def test_a_deleted_account_that_nobody_knew_is_told_once():
    """The log names an address only; the next two days show the same line."""
    compared = Comparison(knowing())
    states = [compared.judge(saw("deleted", NOON, "", LOG), in_scope=True).state for _ in range(2)]

    assert [WitnessState.FOREIGN, None] == states


# --------------------------------------------------------------------------------------------------- how ours stand


WHOLE = ((NOON - DAY, NOON + DAY), (NOON, NOON + 3 * DAY))


@pytest.mark.parametrize(
    ("after", "logs", "effect", "state"),
    [
        (HOUR, (), replace(ANN_OUT, seen_by="event", seen_at=NOON), "confirmed"),
        (90 * DAY, (), replace(ANN_OUT, seen_by="log", seen_at=NOON), "confirmed"),
        (47 * HOUR, WHOLE, ANN_OUT, "waiting"),
        (49 * HOUR, WHOLE, ANN_OUT, "missing"),
        (49 * HOUR, (), ANN_OUT, "unknown"),
        (49 * HOUR, ((NOON + MINUTE, NOON + 3 * DAY),), ANN_OUT, "unknown"),  # not from its very time on
        (49 * HOUR, ((NOON - DAY, NOON + 47 * HOUR),), ANN_OUT, "unknown"),  # not up to 48 h
        (49 * HOUR, ((NOON - DAY, NOON + HOUR), (NOON + 2 * HOUR, NOON + 3 * DAY)), ANN_OUT, "unknown"),  # a hole
        (49 * HOUR, WHOLE, replace(ANN_OUT, doubtful=True), "unknown"),
    ],
)
def test_a_change_waits_48_hours_and_is_missing_only_when_the_log_was_read_whole(after, logs, effect, state):
    """No alarm is made of what is not known."""
    assert state == state_of(effect, knowing(logs_read=logs), NOON + after)


@pytest.mark.parametrize(
    ("witnesses", "state"),
    [
        ((), "unwatched"),
        (((NOON + MINUTE, Witnesses(events=True)),), "unwatched"),
        (((NOON - DAY, Witnesses(events=True)), (NOON - HOUR, Witnesses())), "unwatched"),
        (((NOON - DAY, Witnesses(events=True)), (NOON + HOUR, Witnesses())), "waiting"),
        (((NOON - DAY, Witnesses(operation_log=True)),), "waiting"),
    ],
)
def test_what_was_configured_when_it_was_done_counts(witnesses, state):
    """Switching a witness on or off changes nothing of what was before."""
    assert state == state_of(ANN_OUT, knowing(witnesses=witnesses), NOON + 2 * HOUR)


def test_spans_that_touch_cover_and_an_empty_list_covers_nothing():
    """In any order."""
    assert covered([(NOON, NOON + HOUR), (NOON - HOUR, NOON)], NOON - HOUR, NOON + HOUR)
    assert not covered([], NOON, NOON + HOUR)


def test_observers_get_changes_of_status_of_thirty_days():
    """Licences and what is not settled are not counted; old ones neither."""
    history = knowing(
        ANN_OUT,
        replace(ANN_OUT, seen_by="log"),
        replace(ANN_OUT, done_at=None),
        replace(ANN_OUT, action="restore_licence"),
        foreign=(ForeignChange("z-bob", "deleted", NOON, "event"), ForeignChange("z-cy", "deleted", NOON - 31 * DAY, "event")),
    )

    assert {"confirmed": 1, "waiting": 1, "missing": 0, "unknown": 0, "foreign": 1, "unwatched": 0} == count_states(
        history, NOON + HOUR
    )
    assert 0 == sum(count_states(history, NOON + 31 * DAY).values())


# ---------------------------------------------------------------------------------------- lines nobody understands


@pytest.mark.parametrize(
    ("line", "doubtful"),
    [
        (Unreadable(NOON, frozenset({"ann@corp.example"})), True),
        (Unreadable(NOON), True),
        (Unreadable(None), True),
        (Unreadable(NOON, frozenset({"bob@corp.example"})), False),
        (Unreadable(NOON + HOUR, frozenset({"ann@corp.example"})), False),
    ],
)
def test_a_line_nobody_understands_makes_only_what_it_may_be_about_doubtful(line: Unreadable, doubtful: bool):
    """It names the account, or nobody at all."""
    found = Comparison(knowing(ANN_OUT)).doubtful([line], {"z-ann": frozenset({"ann@corp.example"})})

    assert (["i1"] if doubtful else []) == list(found)


def test_what_was_seen_is_never_doubtful():
    """By the time the odd lines are looked at."""
    compared = Comparison(knowing(ANN_OUT))
    compared.judge(saw("deactivated"), in_scope=True)

    assert {} == compared.doubtful([Unreadable(NOON)], {})
