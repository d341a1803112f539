"""A licence that a return was promised is owed until a look shows it or a person gives another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.errors import AnswerLost, Refused, ScopeMissing, SourceError
from syncd.ledger import record
from syncd.model import Mode, Policy, Status, Trigger
from syncd.operations.cycle import Run, run_cycle
from tests.execution.test_executor import POLICY as ORDINARY
from tests.fakes import Company

POLICY = replace(ORDINARY, reactivate_reads=1)


async def cycle(company: Company, policy: Policy = POLICY) -> None:
    company.ledger._history = replace(company.ledger._history, policy_in_use=policy.as_json())
    await run_cycle(company.deps, policy, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
    company.clock.pass_time(timedelta(minutes=15))


async def back_without_licence(*names: str) -> Company:
    """People whom syncd deactivated and brought back while no licence was free."""
    company = Company()
    company.crowd(40)
    company.employ(*names)
    for name in names:
        company.person(name, enabled=False)
    await cycle(company)
    company.zoom.answers[("*", "restore_licence")] = (Refused("none is free", kind="no_licence", code=3412, status=400), False)
    for name in names:
        company.person(name)
    await cycle(company)
    assert {("active", 1)} == {(company.status(name), company.zoom.accounts[f"z-{name}"].type) for name in names}
    return company


def licence(company: Company, name: str) -> int | None:
    return company.zoom.accounts[f"z-{name}"].type


async def owed(company: Company) -> list[str]:
    return [intent.zoom_id for intent in (await company.ledger.history()).intents.values()]


async def test_a_seat_that_becomes_free_is_given():
    """However many cycles later; then nothing is owed and nothing more is sent."""
    company = await back_without_licence("ann")
    for _ in range(5):
        await cycle(company)
    company.zoom.answers.clear()
    await cycle(company)
    sent = len(company.zoom.writes)
    await cycle(company)

    assert (2, [], sent) == (licence(company, "ann"), await owed(company), len(company.zoom.writes))


async def test_waiting_for_a_seat_fills_no_ledger_with_outcomes():
    """The promise stays one open intent."""
    company = await back_without_licence("ann")
    before = company.ledger.kinds().count("outcome")
    for _ in range(4):
        await cycle(company)

    assert (before, ["z-ann"]) == (company.ledger.kinds().count("outcome"), await owed(company))


async def test_leaving_again_does_not_lose_it():
    """Gone and back once more, still without a seat, then with one: the licence of the first time."""
    company = await back_without_licence("ann")
    company.person("ann", enabled=False)
    await cycle(company)
    company.clock.pass_time(timedelta(days=2))
    await cycle(company)
    assert ("inactive", []) == (company.status("ann"), await owed(company))
    company.zoom.answers.clear()
    company.person("ann")
    await cycle(company)
    await cycle(company)

    assert ("active", 2) == (company.status("ann"), licence(company, "ann"))


@pytest.mark.parametrize(("type_", "expected"), [(4, 4), (2, 2)])
async def test_a_person_who_gives_a_licence_ends_the_debt(type_: int, expected: int):
    """Another one, or the very same: what a person did stays."""
    company = await back_without_licence("ann")
    company.account("ann", type=type_)
    company.zoom.answers.clear()
    await cycle(company)
    await cycle(company)

    assert (expected, []) == (licence(company, "ann"), await owed(company))


@pytest.mark.parametrize(
    "error",
    [
        ScopeMissing("zoom", "no scope", scope="user:update:user:admin"),
        AnswerLost("lost"),
        SourceError("zoom", "down"),
        Refused("odd", kind="other", code=9999, status=400),
    ],
    ids=["scope", "lost", "source", "refused"],
)
async def test_what_kept_it_from_being_given_is_forgotten_when_it_is_over(error: Exception):
    """A scope granted later, a service that is well again."""
    company = await back_without_licence("ann")
    company.zoom.answers[("*", "restore_licence")] = (error, False)  # type: ignore[assignment]
    await cycle(company)
    company.zoom.answers.clear()
    await cycle(company)
    await cycle(company)

    assert (2, []) == (licence(company, "ann"), await owed(company))


async def test_a_pause_keeps_it():
    """Nothing is given while paused; afterwards it is."""
    company = await back_without_licence("ann")
    company.zoom.answers.clear()
    await company.ledger.append([record.paused(by="Kim", because="x")])
    await cycle(company)
    assert 1 == licence(company, "ann")
    await company.ledger.append([record.resumed(by="Kim", because="x")])
    await cycle(company)

    assert 2 == licence(company, "ann")


async def test_odd_refusals_twice_in_a_row_wait_a_week():
    """Requests that keep failing may cost the app; a week later it is asked again."""
    company = await back_without_licence("ann")
    company.zoom.answers[("*", "restore_licence")] = (Refused("odd", kind="other", code=9999, status=400), False)
    for _ in range(2):
        await cycle(company)
    sent = len(company.zoom.writes)
    await cycle(company)
    assert sent == len(company.zoom.writes)
    company.zoom.answers.clear()
    company.clock.pass_time(timedelta(days=7))
    await cycle(company)

    assert (2, []) == (licence(company, "ann"), await owed(company))


async def test_few_seats_go_round():
    """Not the same three are asked for first each time: whose licence can be given gets it."""
    names = [f"ann{number}" for number in range(8)]
    company = await back_without_licence(*names)
    company.zoom.answers[("z-ann7", "restore_licence")] = (Refused("x", kind="no_licence"), False)
    del company.zoom.answers[("*", "restore_licence")]
    for name in names[:7]:
        company.zoom.answers[(f"z-{name}", "restore_licence")] = (Refused("x", kind="no_licence"), False)
    del company.zoom.answers[("z-ann7", "restore_licence")]
    for _ in range(8):
        await cycle(company)

    assert 2 == licence(company, "ann7")


async def test_an_account_switched_off_by_others_is_owed_nothing_until_it_is_back():
    """A licence is given to an active account only."""
    company = await back_without_licence("ann")
    company.account("ann", Status.INACTIVE, type=1)
    company.zoom.answers.clear()
    sent = len(company.zoom.writes)
    await cycle(company)

    assert sent == len([one for one in company.zoom.writes if one[0] != "set_status"]) + sum(
        one[0] == "set_status" for one in company.zoom.writes[:sent]
    )


async def test_an_account_that_zoom_still_works_on_is_asked_again():
    """The killed process's own change: a little later, not in the next cycle, and nothing is remembered against it."""
    company = await back_without_licence("ann")
    busy = Refused("too many concurrent requests", kind="throttled", status=429, alone=True)
    company.zoom.answers[("*", "restore_licence")] = (busy, False)
    sent = len(company.zoom.writes)

    def free_after_three(writes: int) -> None:
        if writes == sent + 3:
            company.zoom.answers.clear()

    company.zoom.before_write = free_after_three
    await cycle(company)

    assert (2, 4, {}) == (licence(company, "ann"), len(company.zoom.writes) - sent, (await company.ledger.history()).troubles)


@pytest.mark.parametrize("rounds", [1, 3])
async def test_switched_off_and_on_by_others_it_is_still_owed(rounds: int):
    """Nobody gave another licence: Zoom took none, there was none."""
    company = await back_without_licence("ann")
    for _ in range(rounds):
        company.account("ann", Status.INACTIVE, type=1)
        await cycle(company)
        assert (["z-ann"], 1) == (await owed(company), licence(company, "ann"))
    company.zoom.answers.clear()
    company.account("ann", type=1)
    await cycle(company)
    await cycle(company)

    assert (2, []) == (licence(company, "ann"), await owed(company))


async def test_switched_off_by_others_and_brought_back_by_us_it_is_given_once():
    """What is owed from before and what this return promises are one licence."""
    company = await back_without_licence("ann")
    company.account("ann", Status.INACTIVE, type=1)
    await cycle(company)
    company.zoom.answers.clear()
    sent = len(company.zoom.writes)
    for _ in range(3):
        await cycle(company, replace(POLICY, reactivate="any"))

    assert ("active", 2, []) == (company.status("ann"), licence(company, "ann"), await owed(company))
    assert ["set_status", "restore_licence"] == [operation for operation, _ in company.zoom.writes[sent:]]
