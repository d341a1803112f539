"""One odd account never stops the others; the same answer everywhere is the set-up's. Reads and writes, cycles and people."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from syncd.errors import AccountUnreadable, Refused, ScopeMissing, SourceError
from syncd.events import Noted
from syncd.execution.context import ExecutionContext, Progress
from syncd.execution.executor import execute
from syncd.execution.set_up import RUNNING
from syncd.model import Action, Decision, Limits, Mode, Reason, Status, StopReason, Trigger
from syncd.operations import holds, inspect, manual
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.lookup import find_accounts
from syncd.operations.undo import wanted_by_undo
from tests.execution.test_executor import POLICY, leavers, outcomes
from tests.fakes import START, Company

REQUEST = manual.Request("Kim", "because")

#: What makes one account odd: (its id in the fakes) -> done to the fake Zoom, and the outcome it leads to.
Oddity = Callable[[Company, str], str]


def unreadable(answer: str) -> Oddity:
    def make(company: Company, zoom_id: str) -> str:
        company.zoom.odd[zoom_id] = AccountUnreadable(
            f"zoom: account {zoom_id} could not be read", zoom_id=zoom_id, answer=answer
        )
        return "failed account_unreadable"

    return make


def refuses(kind: str, *, status: int, code: int | None, reason: str = "refused", alone: bool = False) -> Oddity:
    def make(company: Company, zoom_id: str) -> str:
        error = Refused("Zoom refused set_status", kind=kind, status=status, code=code, alone=alone)
        company.zoom.answers[zoom_id, "set_status"] = (error, False)
        return f"failed {reason}"

    return make


ODD = {
    "get 400/1010": unreadable("400/1010"),
    "get 400/300": unreadable("400/300"),
    "get 403": unreadable("HTTP 403"),
    "get 500": unreadable("HTTP 500"),
    "get odd status": unreadable("not understood"),
    "get other id": unreadable("other id"),
    "put 404/1010": refuses("other", status=404, code=1010),
    "put 403": refuses("other", status=403, code=None),
    "put 400/200 permission": refuses("rights", status=400, code=200),
    "put 400/300": refuses("events", status=400, code=300, reason="upcoming_zoom_events"),
    "put 400/200 room": refuses("account", status=400, code=200, reason="refused_by_zoom"),
    "put 429 too many concurrent": refuses("throttled", status=429, code=None, alone=True),
}


@pytest.mark.parametrize("place", [0, 9, 19], ids=["first", "middle", "last"])
@pytest.mark.parametrize("oddity", ODD)
@pytest.mark.parametrize("action", [Action.DEACTIVATE, Action.REACTIVATE])
async def test_one_odd_account_is_its_own_outcome(oddity: str, place: int, action: Action):
    """Wherever it stands, for leavers and returners: named, failed, and everybody else is done."""
    company, effects = leavers(20)
    if action is Action.REACTIVATE:
        for number in range(20):
            company.person(f"ann{number:02}")
        effects = [
            Decision(
                company.account(f"ann{number:02}", Status.INACTIVE),
                Action.REACTIVATE,
                Reason.ENTITLED_AGAIN,
                f"p-ann{number:02}",
                "address",
            )
            for number in range(20)
        ]
    expected = ODD[oddity](company, f"z-ann{place:02}")
    progress = Progress()
    await execute(effects, ExecutionContext("c1", 1, replace(POLICY, limits=Limits())), company.deps.ports, progress)

    assert {"done": 19, expected: 1} == outcomes(progress)
    assert progress.stopped is None
    told = [event.facts for event in company.events if isinstance(event, Noted) and event.event == "account.failed"]
    assert [f"z-ann{place:02}"] == [facts["zoom_id"] for facts in told] or oddity == "put 400/200 room"


@pytest.mark.parametrize("seed", range(6))
async def test_twenty_different_odd_accounts_stop_nobody_in_any_order(seed: int):
    """Two hundred leavers, twenty of them odd in different ways: a hundred and eighty go, exit 5; undo puts those back."""
    company = Company()
    company.employ(*(f"l{number:03}" for number in range(200)))
    company.crowd(400)
    policy = replace(POLICY, limits=replace(POLICY.limits, max_failing_writes_percent=20.0))
    await run_cycle(company.deps, policy, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    for number in range(200):
        company.person(f"l{number:03}", enabled=False)
    order = random.Random(seed)
    odd = [
        f"z-l{number:03}"
        for number in (range(20) if seed == 0 else range(180, 200) if seed == 1 else order.sample(range(200), 20))
    ]
    kinds = order.sample([*ODD] * 2, 20)
    for zoom_id, kind in zip(odd, kinds, strict=True):
        ODD[kind](company, zoom_id)
    report = await run_cycle(company.deps, policy, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))

    assert ({"done": 180, "failed": 20}, 5, "partial") == (
        Counter(one.outcome.value for one in report.outcomes.values()),
        report.exit_code,
        report.result.value,
    )

    odd_since = order.sample(sorted({f"z-l{number:03}" for number in range(200)} - set(odd)), 4)
    for zoom_id in odd_since:
        ODD["get other id"](company, zoom_id)
    undoing = await wanted_by_undo(company.deps, policy, "last", manual.Request("Kim", "because", confirm_count=176))
    undone = await manual.execute_request(
        company.deps, policy, Mode.ENFORCE, undoing.wanted, REQUEST, 1, trigger=Trigger.UNDO, undo_of=undoing.cycle
    )

    assert {"done": 176} == dict(Counter(one.outcome.value for one in undone.outcomes.values()))
    assert sorted(odd_since) == sorted(one.name for one in undoing.wanted.unreadable)


@pytest.mark.parametrize(
    ("oddity", "stop"),
    [
        ("get 400/1010", StopReason.ZOOM_UNREADABLE),
        ("put 403", StopReason.ZOOM_UNREADABLE),
        ("put 400/200 permission", StopReason.SCOPE_MISSING),
    ],
)
async def test_the_same_answer_from_everybody_is_the_set_up(oddity: str, stop: StopReason):
    """Five running, two of them from other parts of the plan: no more are tried, and it says what to do."""
    company, effects = leavers(60)
    for effect in effects:
        ODD[oddity](company, effect.account.zoom_id or "")
    progress = Progress()
    await execute(effects, ExecutionContext("c1", 1, POLICY), replace(company.deps.ports, concurrency=1), progress)

    tried = [id_ for (id_, _), one in progress.outcomes.items() if one.outcome.value == "failed"]
    assert (stop, RUNNING) == (progress.stopped, len(tried))
    assert isinstance(progress.error, SourceError)
    assert {"z-ann59"} <= set(tried), "none of them from another part of the plan"


async def test_neighbours_with_the_same_answer_are_no_fault_of_the_set_up():
    """Thirty side by side, as ids of one department may be: the looks elsewhere show that others are well."""
    company, effects = leavers(60)
    for number in range(10, 40):
        ODD["get 400/1010"](company, f"z-ann{number:02}")
    progress = Progress()
    await execute(effects, ExecutionContext("c1", 1, POLICY), replace(company.deps.ports, concurrency=1), progress)

    assert {"done": 30, "failed account_unreadable": 30} == outcomes(progress)


@pytest.mark.parametrize("count", [1, 4])
async def test_a_few_accounts_are_never_the_set_up(count: int):
    """Fewer than five prove nothing: all are tried, each with its own outcome."""
    company, effects = leavers(count)
    for effect in effects:
        ODD["get 500"](company, effect.account.zoom_id or "")
    progress = Progress()
    await execute(effects, ExecutionContext("c1", 1, POLICY), company.deps.ports, progress)

    assert ({"failed account_unreadable": count}, None) == (outcomes(progress), progress.stopped)


async def test_what_can_only_be_the_set_up_stops_at_once():
    """A scope that a fresh token lacks too: one request."""
    company, effects = leavers(20)
    company.zoom.odd["z-ann00"] = ScopeMissing("zoom", "no scope", scope="user:read:user:admin")
    progress = Progress()
    await execute(effects, ExecutionContext("c1", 1, POLICY), company.deps.ports, progress)

    assert (StopReason.SCOPE_MISSING, {"not_tried scope_missing": 20}) == (progress.stopped, outcomes(progress))


async def test_admins_in_a_row_are_no_fault_of_the_set_up():
    """What a refusal means for one account it means for that account, however many there are of them."""
    company, effects = leavers(12)
    for effect in effects:
        ODD["put 400/200 room"](company, effect.account.zoom_id or "")
    progress = Progress()
    await execute(effects[:9], ExecutionContext("c1", 1, POLICY), company.deps.ports, progress)

    assert {"failed refused_by_zoom": 9} == outcomes(progress)


# ----------------------------------------------------------------------------------------------------------- people


def employed(*odd: str) -> Company:
    company = Company()
    company.crowd(20)
    company.employ("ann", "bob", "cid")
    for name in odd:
        ODD["get 400/1010"](company, f"z-{name}")
    return company


@pytest.mark.parametrize("odd", ["ann", "bob", "cid"])
async def test_a_person_changes_the_others(odd: str):
    """``account deactivate`` of three, one of them odd: two are done, one is named."""
    company = employed(odd)
    names = [company.address(name) for name in ("ann", "bob", "cid")]
    wanted = await manual.wanted_by_address(company.deps, POLICY, names, Action.DEACTIVATE, REQUEST)
    report = await manual.execute_request(company.deps, POLICY, Mode.ENFORCE, wanted, REQUEST, 1, trigger=Trigger.ACCOUNT)

    assert {"done": 2} == dict(Counter(one.outcome.value for one in report.outcomes.values()))
    assert [company.address(odd)] == [one.name for one in wanted.unreadable]


async def test_a_hold_finds_an_odd_account_in_the_list():
    """Holding needs an id and nothing else; the list shows it where the single read does not."""
    company = employed("bob")
    found = await holds.hold(company.deps, [company.address(name) for name in ("ann", "bob")], REQUEST, None)

    assert ({"z-ann", "z-bob"}, ()) == (set((await company.ledger.history()).holds), found.unreadable)


async def test_a_hold_of_the_others_stands_when_the_list_cannot_be_read():
    """The odd one is named; the others are left alone from now on."""
    company = employed("bob")
    company.zoom.fails = SourceError("zoom", "down")
    found = await holds.hold(company.deps, [company.address(name) for name in ("ann", "bob")], REQUEST, None)

    assert {"z-ann"} == set((await company.ledger.history()).holds)
    assert ["bob@corp.example"] == [one.name for one in found.unreadable]


async def test_show_tells_of_the_others():
    """The row of the odd one says why."""
    company = employed("bob")
    rows = await inspect.look_at_all(company.deps, POLICY, [company.address(name) for name in ("ann", "bob", "cid")])

    assert ["active", "unknown", "active"] == [row["status"] for row in rows]
    assert "could not be read" in rows[1]["problem"]


async def test_a_whole_list_with_one_answer_is_the_set_up_for_people_too():
    """Twenty addresses, twenty times 403: said once, as what it is."""
    company = employed()
    for number in range(20):
        ODD["get 403"](company, f"z-crowd{number:03}")

    with pytest.raises(SourceError):
        await find_accounts(company.deps, [company.address(f"crowd{number:03}") for number in range(20)])


# ----------------------------------------------------------------------------------------------------------- the memory


async def test_two_cycles_in_a_row_make_it_a_persons_task_for_a_week():
    """Once is nothing yet; twice is ``manual`` ``refused_by_zoom``; done once, nothing is remembered."""
    company = employed()
    company.person("ann", enabled=False)
    company.ledger._history = replace(company.ledger._history, policy_in_use=POLICY.as_json())
    ODD["get 500"](company, "z-ann")
    reasons = []
    for _ in range(3):
        report = await run_cycle(company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
        assert report.plan is not None
        reasons += [one.reason for one in report.plan.decisions if one.account.zoom_id == "z-ann"]

    assert [Reason.DISABLED_IN_DIRECTORY, Reason.DISABLED_IN_DIRECTORY, Reason.REFUSED_BY_ZOOM] == reasons
    assert START == company.clock.now()
