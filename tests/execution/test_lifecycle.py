"""The table of an effect's life: complete, ending, and in the words that reports and the ledger use."""

from __future__ import annotations

from itertools import product

import pytest

from syncd.errors import ConfigError, LedgerError, LimitReached, NotLeader, ScopeMissing, SourceError, SyncdError
from syncd.execution.lifecycle import (
    ENDINGS,
    OF_ONE_ACCOUNT,
    REFUSALS,
    SUBJECTS,
    Seen,
    State,
    conclude,
    conclude_request,
    step,
    stop_reason,
)
from syncd.model import EffectOutcome, OutcomeKind, OutcomeReason, Result, StopReason

ANSWERS = [Seen.ACCEPTED, Seen.LOST, Seen.FOR_GOOD, Seen.EVENTS, Seen.NONE_FREE, Seen.UNKNOWN, Seen.REFUSED, Seen.SET_UP]
LOOKS = [Seen.WANTED, Seen.OTHER, Seen.GONE, Seen.UNREADABLE, Seen.NOT_READ]
ENDED = {State.OPEN, State.SETTLED}

DONE, SKIPPED, FAILED, NOT_TRIED = OutcomeKind.DONE, OutcomeKind.SKIPPED, OutcomeKind.FAILED, OutcomeKind.NOT_TRIED


def steps() -> list[tuple[str, State, Seen]]:
    found = []
    for action, state, seen in product(SUBJECTS, State, Seen):
        try:
            step(action, state, seen)
        except KeyError:
            continue
        found.append((action, state, seen))
    return found


@pytest.mark.parametrize(("action", "answer"), [*product(SUBJECTS, ANSWERS)])
def test_every_answer_ends_at_once_or_after_a_look(action: str, answer: Seen):
    """No answer leaves an effect nowhere, whatever a look after it shows."""
    first = step(action, State.ANNOUNCED, answer)

    assert first.state in ENDED or all(step(action, first.state, look).state in ENDED for look in LOOKS)


@pytest.mark.parametrize(("action", "state", "seen"), steps())
def test_who_has_ended_has_an_outcome_and_nobody_else(action: str, state: State, seen: Seen):
    """An outcome under way would be told twice."""
    there = step(action, state, seen)

    assert (there.state in ENDED) == (there.outcome is not None)
    assert state not in ENDED, "nothing follows the end"


@pytest.mark.parametrize(("action", "state", "seen"), steps())
def test_done_is_only_what_was_seen_or_answered(action: str, state: State, seen: Seen):
    """Never what was hoped: a look shows it, or Zoom said yes and no look contradicts it."""
    if step(action, state, seen).outcome is DONE:
        unseen = state is State.ANSWERED and seen in (Seen.UNREADABLE, Seen.NOT_READ)
        assert unseen or seen in (Seen.WANTED, Seen.ACCEPTED)


@pytest.mark.parametrize(("action", "seen"), [*product(["deactivate", "reactivate", "restore_licence"], LOOKS)])
def test_a_lost_answer_is_never_settled_as_failed(action: str, seen: Seen):
    """It may still have happened: either a look shows it, or the intent stays open."""
    there = step(action, State.UNANSWERED, seen)

    assert there.state is State.OPEN or there.outcome in (DONE, SKIPPED)


@pytest.mark.parametrize("seen", [*ANSWERS[1:-1], Seen.SET_UP, Seen.NO_SCOPE, Seen.ENOUGH_REFUSED, Seen.HALTED])
def test_a_licence_stays_owed_until_a_look_shows_it(seen: Seen):
    """Refused, lost, stopped: the intent stays open unless the account is gone or has it."""
    first = step("restore_licence", State.ANNOUNCED, seen)

    assert first.state is State.OPEN or step("restore_licence", first.state, Seen.OTHER).state is State.OPEN


@pytest.mark.parametrize(
    ("state", "seen", "expected"),
    [
        (State.PLANNED, Seen.CHANGED, (SKIPPED, "changed_since_plan", State.SETTLED)),
        (State.PLANNED, Seen.UNREADABLE, (FAILED, "account_unreadable", State.SETTLED)),
        (State.ANNOUNCED, Seen.FOR_GOOD, (FAILED, "refused_by_zoom", State.SETTLED)),
        (State.ANNOUNCED, Seen.UNKNOWN, (SKIPPED, "gone_from_zoom", State.SETTLED)),
        (State.ANSWERED, Seen.OTHER, (FAILED, "not_confirmed", State.SETTLED)),
        (State.ANSWERED, Seen.NOT_READ, (DONE, "not_verified", State.SETTLED)),
        (State.UNANSWERED, Seen.WANTED, (DONE, "answer_lost_but_done", State.SETTLED)),
        (State.UNANSWERED, Seen.OTHER, (FAILED, "no_answer", State.OPEN)),
        (State.UNANSWERED, Seen.NOT_READ, (FAILED, "left_open", State.OPEN)),
        (State.THROTTLED, Seen.CHANGED, (SKIPPED, "changed_since_plan", State.SETTLED)),
        (State.INTERRUPTED, Seen.WANTED, (DONE, "settled_by_looking", State.SETTLED)),
        (State.INTERRUPTED, Seen.OTHER, (FAILED, "not_carried_out", State.SETTLED)),
    ],
)
def test_a_change_of_a_status_goes_by_these_words(state: State, seen: Seen, expected: tuple[OutcomeKind, str, State]):
    """As they stand in documents, logs, metrics and the ledger."""
    there = step("deactivate", state, seen)

    assert expected == (there.outcome, there.reason, there.state)


def test_what_surely_did_not_reach_zoom_does_not_count_as_written():
    """Exit codes hang on it: 4 while nothing was written, 5 afterwards."""
    unwritten = {
        seen
        for seen in Seen
        if (("deactivate", State.ANNOUNCED, seen) in steps() and not step("deactivate", State.ANNOUNCED, seen).written)
    }

    assert {Seen.HALTED, Seen.BUSY, Seen.SET_UP, Seen.NO_SCOPE} == unwritten
    assert set(REFUSALS.values()) == OF_ONE_ACCOUNT


@pytest.mark.parametrize(
    ("stop", "before", "after"),
    [
        ("stopped", ("interrupted", 4), ("interrupted", 5)),
        ("paused", ("interrupted", 4), ("interrupted", 5)),
        ("not_leader", ("interrupted", 7), ("interrupted", 5)),
        ("ledger_unwritable", ("failed", 6), ("failed", 6)),
        ("scope_missing", ("unreadable", 4), ("partial", 5)),
        ("secret_unreadable", ("unreadable", 4), ("partial", 5)),
        ("limit_reached", ("unreadable", 4), ("partial", 5)),
        ("zoom_unreadable", ("unreadable", 4), ("partial", 5)),
        ("directory_unreadable", ("unreadable", 4), ("partial", 5)),
        ("configuration_unreadable", ("unreadable", 4), ("partial", 5)),
        ("too_many_failures", ("partial", 5), ("partial", 5)),
    ],
)
def test_what_each_stop_comes_to(stop: str, before: tuple[str, int], after: tuple[str, int]):
    """Result and exit code, before anything was written and afterwards."""
    reason = StopReason(stop)

    assert before == conclude(reason, (), written=0)
    assert after == conclude(reason, (), written=1)
    assert set(ENDINGS) == set(StopReason)


@pytest.mark.parametrize(
    ("kinds", "cycle", "person"),
    [
        ([], None, (Result.IN_STEP, 0)),
        ([DONE], None, (Result.APPLIED, 0)),
        ([DONE, FAILED], (Result.PARTIAL, 5), (Result.PARTIAL, 5)),
        ([DONE, SKIPPED], None, (Result.PARTIAL, 5)),
    ],
)
def test_people_are_told_of_skipped_ones_too(
    kinds: list[OutcomeKind], cycle: tuple[Result, int] | None, person: tuple[Result, int]
):
    """A cycle tries again by itself; a person asked for something and did not get it."""
    outcomes = [EffectOutcome(kind) for kind in kinds]

    assert cycle == conclude(None, outcomes, written=1)
    assert person == conclude_request(None, outcomes, written=1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LedgerError("x"), "ledger_unwritable"),
        (NotLeader("x"), "not_leader"),
        (ConfigError("x"), "secret_unreadable"),
        (ScopeMissing("zoom", "x"), "scope_missing"),
        (LimitReached("zoom", "x"), "limit_reached"),
        (SourceError("zoom", "x"), "zoom_unreadable"),
        (SourceError("directory", "x"), "directory_unreadable"),
    ],
)
def test_whose_fault_stops_everybody(error: SyncdError, expected: str):
    """One word for each."""
    assert expected == stop_reason(error)


def test_every_word_has_a_row():
    """A reason that nothing leads to is a word too many; REACTIVATED_WITHOUT_LICENCE is said of a change by its licence, and
    NEXT_CYCLE of what a look leaves to others before it is tried."""
    said = {step(*key).reason for key in steps()} - {None}

    assert set(OutcomeReason) == said | {OutcomeReason.REACTIVATED_WITHOUT_LICENCE, OutcomeReason.NEXT_CYCLE}
