"""Carrying out: concurrency, order, and what stops everything. Single accounts as stories: tests/scenarios."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from syncd.errors import (
    AccountUnreadable,
    AnswerLost,
    LedgerError,
    LimitReached,
    NotLeader,
    Refused,
    ScopeMissing,
    SourceError,
    Withheld,
)
from syncd.events import EffectSettled
from syncd.execution.attempt import LOOKS_AFTER_WRITE
from syncd.execution.executor import ExecutionContext, Progress, execute
from syncd.execution.settlement import look_before_settling, resolve_from_observation
from syncd.model import (
    Action,
    Decision,
    Guard,
    Intent,
    Limits,
    Mode,
    OutcomeKind,
    Policy,
    Reason,
    Status,
    Trigger,
    ZoomAccount,
)
from syncd.operations.cycle import Run, run_cycle
from syncd.planning.guards.sizes import sum_before
from tests.fakes import START, Company
from tests.planning.strategies import LOOSE

POLICY = Policy("zoom-account", ("corp.example",), grace=timedelta(0), limits=LOOSE)


def leavers(count: int) -> tuple[Company, list[Decision]]:
    """So many people who left, and the decisions to deactivate their accounts."""
    company, effects = Company(), []
    for number in range(count):
        name = f"ann{number:02}"
        company.person(name, enabled=False)
        effects.append(
            Decision(company.account(name), Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, f"p-{name}", "address", since=START)
        )
    return company, effects


async def executed(company: Company, effects: list[Decision], policy: Policy = POLICY, **context: Any) -> Progress:
    progress = Progress()
    await execute(effects, ExecutionContext("c1", 1, policy, **context), company.deps.ports, progress)
    return progress


def outcomes(progress: Progress) -> dict[str, int]:
    return dict(Counter(" ".join(filter(None, (one.outcome.value, one.reason))) for one in progress.outcomes.values()))


async def test_every_effect_is_tried_once_and_told_once():
    """With several at a time, none is lost and none is doubled."""
    company, effects = leavers(40)
    progress = await executed(company, effects)

    assert {"done": 40} == outcomes(progress)
    assert {effect.key for effect in effects} == set(progress.outcomes)
    assert Counter(id_ for _, id_ in company.zoom.writes).most_common(1) == [(company.zoom.writes[0][1], 1)]
    assert 40 == sum(isinstance(event, EffectSettled) for event in company.events)
    assert {} == (await company.ledger.history()).intents


async def test_never_more_at_a_time_than_allowed():
    """The first alone, so that a fault of all shows on one; then as many as concurrency says."""
    company, effects = leavers(12)
    under_way: list[int] = []
    company.zoom.before_write = lambda _: under_way.append(len(company.ledger._history.intents))
    await executed(company, effects)

    assert 1 == under_way[0]
    assert 4 == max(under_way)


async def test_reactivations_come_first():
    """Being locked out is worse than a seat that costs a little longer."""
    company, effects = leavers(3)
    company.person("zoe")
    effects.append(Decision(company.account("zoe", Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN, "p-zoe"))
    await executed(company, effects)

    assert ("set_status", "z-zoe") == company.zoom.writes[0]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ScopeMissing("zoom", "no scope", scope="user:update:status:admin"), "scope_missing"),
        (LimitReached("zoom", "the daily limit is used up"), "limit_reached"),
        (SourceError("zoom", "refused the connection"), "zoom_unreadable"),
    ],
)
async def test_a_fault_of_all_shows_on_one_account_and_stops(error: SourceError, word: str):
    """One request, not forty; nothing counts as written."""
    company, effects = leavers(40)
    company.zoom.answers[("*", "set_status")] = (error, False)
    progress = await executed(company, effects)

    assert {f"failed {word}": 1, f"not_tried {word}": 39} == outcomes(progress)
    assert (word, error, 0, 1) == (progress.stopped, progress.error, progress.written, len(company.zoom.writes))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("account", "failed refused_by_zoom"),
        ("events", "failed upcoming_zoom_events"),
        ("no_licence", "failed licence_limit_reached"),
        ("gone", "skipped gone_from_zoom"),
        ("other", "failed refused"),
    ],
)
async def test_a_refusal_ends_one_account_and_the_others_go_on(kind: str, expected: str):
    """Each in its own word; only a refusal for good is remembered."""
    company, effects = leavers(3)
    company.zoom.answers[("z-ann01", "set_status")] = (Refused("no", kind=kind, code=200), False)
    progress = await executed(company, effects)

    assert {"done": 2, expected: 1} == outcomes(progress)
    assert (kind == "account") == (("z-ann01", "deactivate") in (await company.ledger.history()).refusals)


@pytest.mark.parametrize(("sent", "lost", "counted"), [(True, False, 1), (True, True, 1), (False, False, 0)])
async def test_who_is_deleted_before_the_look_counts_like_who_is_seen_off(sent: bool, lost: bool, counted: int):
    """Their change was accepted, or may have been: the daily sum has it. Whom Zoom did not know was not changed."""
    company, effects = leavers(1)
    if not sent:
        company.zoom.answers[("z-ann00", "set_status")] = (Refused("no", kind="gone", code=1001), False)
    elif lost:
        company.zoom.answers[("z-ann00", "set_status")] = (AnswerLost("zoom", "cut"), True)
    company.zoom.before_look = lambda: company.zoom.accounts.clear() if company.zoom.writes and sent else None
    progress = await executed(company, effects)
    history = await company.ledger.history()

    assert {"skipped gone_from_zoom": 1} == outcomes(progress)
    assert counted == len(sum_before(history, Guard.MAX_DEACTIVATIONS_PER_DAY, START))
    assert {} == history.deactivated


async def test_a_lagging_read_is_looked_at_again_and_an_unconfirmed_write_is_a_failure():
    """Three looks; then what was hoped is not reported as done."""
    company, effects = leavers(1)
    company.zoom.ignores.add("z-ann00")
    looks: list[int] = []
    company.zoom.before_look = lambda: looks.append(1)
    progress = await executed(company, effects)

    assert {"failed not_confirmed": 1} == outcomes(progress)
    assert 1 + LOOKS_AFTER_WRITE == len(looks)
    assert {"active"} == {one.status_after for one in progress.outcomes.values()}


async def test_the_outcome_says_what_a_read_showed():
    """Status, licence and when it was verified, not what was asked for."""
    company, effects = leavers(1)
    outcome = next(iter((await executed(company, effects)).outcomes.values()))

    assert (OutcomeKind.DONE, "inactive", "basic", START, START, 1) == (
        outcome.outcome,
        outcome.status_after,
        outcome.licence_after,
        outcome.done_at,
        outcome.verified_at,
        outcome.attempts,
    )


async def test_a_newer_leader_stops_the_older_one_before_its_write():
    """The intent is fenced by the term: what the ledger refuses is not sent."""
    company, effects = leavers(3)
    company.ledger._history = replace(company.ledger._history, term=2)
    progress = await executed(company, effects)

    assert ({"not_tried not_leader": 3}, []) == (outcomes(progress), company.zoom.writes)
    assert isinstance(progress.error, NotLeader)


@pytest.mark.parametrize(
    ("stops", "came_to", "sent"),
    [(False, {"done": 1}, 1), (True, {"not_tried stopped": 1}, 0)],
    ids=["the look was old", "stopping"],
)
async def test_a_change_withheld_when_its_turn_came_is_looked_at_again_or_settled_as_not_tried(stops, came_to, sent):
    """Nothing was sent, so nothing stays open."""
    company, effects = leavers(1)
    withheld = iter([Withheld("zoom", "not sent")])

    def turn(_: int) -> None:
        for error in withheld:
            company.stopping = stops
            raise error

    company.zoom.before_write = turn
    progress = await executed(company, effects)

    assert came_to == outcomes(progress)
    assert sent == len(company.zoom.writes)
    assert {} == (await company.ledger.history()).intents


async def test_what_happened_is_told_even_when_it_cannot_be_written_down():
    """The write was answered, the disk was full: done, and the run stops with the intent open."""
    company, effects = leavers(3)
    company.ledger.refuse_after = 1
    progress = await executed(company, effects)

    assert {"done": 1, "not_tried ledger_unwritable": 2} == outcomes(progress)
    assert isinstance(progress.error, LedgerError)
    assert (1, 1) == (progress.written, len((await company.ledger.history()).intents))


async def test_pause_stop_and_lease_are_looked_at_between_status_and_licence_too():
    """Two writes of one account: the licence waits for the next cycle, announced."""
    company = Company()
    company.person("zoe")
    effect = Decision(company.account("zoe", Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN, "p-zoe")
    company.zoom.before_write = lambda _: setattr(company.leadership, "leading", False)
    progress = await executed(company, [effect], restore={"z-zoe": {"type": 2, "plan": None}})

    assert ({"done reactivated_without_licence": 1}, "not_leader") == (outcomes(progress), progress.stopped)
    assert ["restore_licence"] == [one.action for one in (await company.ledger.history()).intents.values()]
    company.leadership.leading = True
    company.zoom.before_write = lambda _: None
    company.ledger._history = replace(company.ledger._history, policy_in_use=POLICY.as_json())
    await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))

    assert (2, {}) == (company.zoom.accounts["z-zoe"].type, (await company.ledger.history()).intents)


def returning(count: int) -> tuple[Company, list[Decision], dict[str, dict[str, Any]]]:
    """So many people who are back, the decisions to reactivate them, and the licences they had."""
    company, effects = Company(), []
    for number in range(count):
        name = f"zoe{number:02}"
        company.person(name)
        effects.append(Decision(company.account(name, Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN, f"p-{name}"))
    return company, effects, {f"z-zoe{number:02}": {"type": 2, "plan": None} for number in range(count)}


async def test_a_lagging_read_is_no_missing_licence():
    """As with a status, three looks."""
    company, effects, restore = returning(1)
    shown: list[ZoomAccount] = []

    def lag() -> None:  # the first look after the licence was given still shows the account before it
        if "restore_licence" in {operation for operation, _ in company.zoom.writes}:
            account = company.zoom.accounts["z-zoe00"]
            if not shown:
                company.zoom.accounts["z-zoe00"] = structs.replace(account, type=1)
            elif len(shown) == 1:
                company.zoom.accounts["z-zoe00"] = structs.replace(account, type=2)
            shown.append(account)

    company.zoom.before_look = lag
    progress = await executed(company, effects, restore=restore)

    assert ({"done": 1}, 2) == (outcomes(progress), len(shown))
    assert {"licensed"} == {one.licence_after for one in progress.outcomes.values()}


async def test_a_licence_whose_answer_was_lost_is_given_back_by_the_next_cycle():
    """No look shows it: the intent stays open, as that of a status does, and the next cycle goes on with it."""
    company, effects, restore = returning(1)
    company.zoom.answers[("z-zoe00", "restore_licence")] = (AnswerLost("lost"), False)
    progress = await executed(company, effects, restore=restore)

    assert {"done reactivated_without_licence": 1} == outcomes(progress)
    assert ["restore_licence"] == [one.action for one in (await company.ledger.history()).intents.values()]
    company.zoom.answers.clear()
    company.ledger._history = replace(company.ledger._history, policy_in_use=POLICY.as_json())
    await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))

    assert (2, {}) == (company.zoom.accounts["z-zoe00"].type, (await company.ledger.history()).intents)


@pytest.mark.parametrize("kind", ["other", "no_licence", "gone"])
async def test_licences_that_keep_being_refused_are_asked_for_no_more(kind: str):
    """Whatever the reason: three in a row, and everybody comes back all the same."""
    company, effects, restore = returning(12)
    company.zoom.answers[("*", "restore_licence")] = (Refused("no", kind=kind, code=1), False)
    progress = Progress()
    await execute(
        effects, ExecutionContext("c1", 1, POLICY, restore=restore), replace(company.deps.ports, concurrency=1), progress
    )

    assert {"done reactivated_without_licence": 12} == outcomes(progress)
    assert 3 == sum(operation == "restore_licence" for operation, _ in company.zoom.writes)


async def test_sessions_that_cannot_be_ended_are_asked_for_no_more():
    """Three refusals in a row; everybody is locked out all the same, and nothing is left open."""
    company, effects = leavers(12)
    company.zoom.answers[("*", "revoke_sessions")] = (Refused("no SSO", kind="other", code=1), False)
    progress = Progress()
    await execute(
        effects,
        ExecutionContext("c1", 1, replace(POLICY, revoke_sessions=True)),
        replace(company.deps.ports, concurrency=1),
        progress,
    )

    assert {"done": 12} == outcomes(progress)
    assert 3 == sum(operation == "revoke_sessions" for operation, _ in company.zoom.writes)
    assert {} == (await company.ledger.history()).intents


@pytest.mark.parametrize("revoke", [False, True])
async def test_what_stands_beside_a_change_does_not_make_the_share_of_failing_ones_look_small(revoke: bool):
    """Three of the first ten fail: more than 20 %, with sessions ended or not. It says how many, and what to do."""
    company, effects = leavers(20)
    company.zoom.ignores = {"z-ann01", "z-ann04", "z-ann07"}
    progress = Progress()
    await execute(
        effects,
        ExecutionContext("c1", 1, replace(POLICY, revoke_sessions=revoke, limits=Limits())),
        replace(company.deps.ports, concurrency=1),
        progress,
    )

    assert {"done": 7, "failed not_confirmed": 3, "not_tried too_many_failures": 10} == outcomes(progress)
    assert progress.error is not None
    assert "3 of 10 changes failed, more than 20 %" in progress.error.what


async def test_a_hand_verb_asks_no_directory_and_no_hold():
    """In an emergency the directory is what is broken, and a person knows of the hold."""
    company, effects = leavers(1)
    company.directory.look_fails = SourceError("directory", "down")
    progress = Progress()
    await execute(effects, ExecutionContext("c1", 1, POLICY, by="hand"), replace(company.deps.ports, directory=None), progress)

    assert {"done": 1} == outcomes(progress)


# ------------------------------------------------------------------------------------------------- settled by looking


def account(status: Status = Status.ACTIVE, type_: int = 1) -> ZoomAccount:
    return ZoomAccount("z", "ann@corp.example", status, type=type_)


RESTORE = {"type": 2, "plan": None}


@pytest.mark.parametrize(
    ("action", "shown", "expected"),
    [
        ("deactivate", account(Status.INACTIVE), "done settled_by_looking"),
        ("deactivate", account(), "failed not_carried_out"),
        ("deactivate", None, "skipped gone_from_zoom"),
        ("reactivate", account(), "done settled_by_looking"),
        ("reactivate", account(Status.INACTIVE), "failed not_carried_out"),
        ("restore_licence", account(type_=2), "done settled_by_looking"),
        ("restore_licence", account(), "open"),
        ("restore_licence", account(Status.INACTIVE), "skipped settled_by_looking"),
        ("restore_licence", None, "skipped gone_from_zoom"),
        ("revoke_sessions", account(), "failed no_answer"),
    ],
)
def test_what_a_crash_left_open_is_judged_by_what_zoom_shows(action: str, shown: ZoomAccount | None, expected: str):
    """Every kind of intent; only a licence that is not back yet stays open."""
    intent = Intent("i1", "c1", START, "z", action, "cycle", "left_groups", {}, restore=RESTORE)
    settled = resolve_from_observation([intent], {"z": shown} if shown else {})

    assert expected == next((f"{one.outcome.value} {one.reason}" for _, one in settled), "open")


def left_open(*zoom_ids: str) -> list[Intent]:
    return [
        Intent(f"i{at}", "c1", START, zoom_id, "restore_licence", "cycle", "entitled_again", {}, restore=RESTORE)
        for at, zoom_id in enumerate(zoom_ids)
    ]


async def test_each_account_that_a_list_leaves_out_is_asked_for_once():
    """However much is open for it; one that cannot be read stays open, unless the list shows it, and the others are settled."""
    company, looks = Company(), []
    company.zoom.before_look = lambda: looks.append(None)
    company.zoom.accounts = {
        "odd": structs.replace(account(), zoom_id="odd"),
        "there": structs.replace(account(), zoom_id="there"),
    }
    company.zoom.odd["odd"] = AccountUnreadable("zoom: account odd could not be read", zoom_id="odd", answer="400/1010")
    intents = left_open("odd", "odd", "gone", "gone", "there", "z")
    looked = await look_before_settling(intents, {"z": account()}, company.zoom)

    assert {"gone": None, "there": company.zoom.accounts["there"]} == looked  # that of z is open whatever a look shows
    assert 3 == len(looks)
    given = structs.replace(company.zoom.accounts["odd"], type=2)
    assert {"odd": given} == await look_before_settling(intents[:1], {"odd": given}, company.zoom)


async def test_a_zoom_that_does_not_answer_is_asked_once():
    """Else each account would wait until the tries are used up."""
    company, looks = Company(), []
    company.zoom.before_look, company.zoom.look_fails = (
        lambda: looks.append(None),
        SourceError("zoom", "the connection was reset"),
    )
    intents = left_open(*map(str, range(1000)), "z")

    assert {} == await look_before_settling(intents, {"z": account()}, company.zoom)
    assert 1 == len(looks)


async def test_a_list_of_nobody_is_no_reason_to_ask():
    """It proves nothing, and the guard says so."""
    company = Company()
    company.zoom.look_fails = SourceError("zoom", "must not be asked")

    assert {} == await look_before_settling(left_open("z"), {}, company.zoom)
