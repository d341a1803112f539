"""Which changes an undo puts back, how a cycle is named, and who is asked about once more."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.errors import LedgerError, Refused, UsageError
from syncd.model import Action, Mode, Trigger
from syncd.operations import manual
from syncd.operations.approve import Asked, approve
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.undo import Choice, changed_cycles, wanted_by_undo, without
from tests.execution.test_executor import POLICY
from tests.fakes import Company

QUICK = replace(POLICY, grace_reads=1, reactivate_reads=1)
REQUEST = manual.Request("Kim", "because")


async def a_bad_day() -> Company:
    """A cycle deactivated two known leavers and two who merely left the groups; an earlier one somebody else."""
    company = Company()
    company.crowd(40)
    company.employ("ann", "bob", "cid", "dan", "eve")
    company.person("eve", enabled=False)
    await run(company)
    company.clock.pass_time(timedelta(hours=1))
    for name in ("ann", "bob"):
        company.person(name, enabled=False)
    for name in ("cid", "dan"):
        company.person(name, entitled=False)
    await run(company)
    assert "inactive" == company.status("dan")
    return company


async def run(company: Company) -> None:
    company.ledger._history = replace(company.ledger._history, policy_in_use=QUICK.as_json())
    await run_cycle(company.deps, QUICK, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))


async def put_back(company: Company, cycle: str = "last", **choice: tuple[str, ...]) -> list[str]:
    undoing = await wanted_by_undo(company.deps, QUICK, cycle, REQUEST, choice=Choice(**choice))
    return [(effect.account.zoom_id or "").removeprefix("z-") for effect in undoing.wanted.effects]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ["ann", "bob", "cid", "dan"]),
        ({"only": ("BOB@corp.example", "z-dan")}, ["bob", "dan"]),
        ({"excluded": ("bob@corp.example",)}, ["ann", "cid", "dan"]),
        ({"reasons": ("left_groups",)}, ["cid", "dan"]),
        ({"reasons": ("left_groups", "disabled_in_directory"), "excluded": ("cid@corp.example",)}, ["ann", "bob", "dan"]),
        ({"only": ("ann@corp.example", "cid@corp.example"), "reasons": ("left_groups", "disabled_in_directory")}, ["ann", "cid"]),
    ],
)
async def test_what_is_put_back_is_chosen(choice: dict[str, tuple[str, ...]], expected: list[str]):
    """By address in any spelling, by id, by reason; known leavers stand first."""
    assert expected == await put_back(await a_bad_day(), **choice)


@pytest.mark.parametrize(
    "choice",
    [
        {"only": ("nobody@corp.example",)},
        {"excluded": ("eve@corp.example",)},
        {"reasons": ("expired_in_directory",)},
        {"only": ("ann@corp.example",), "excluded": ("ann@corp.example",)},
    ],
)
async def test_a_name_that_stands_for_nothing_puts_nobody_back(choice: dict[str, tuple[str, ...]]):
    """A slip of the keyboard must not become "everybody" or "nobody" in silence."""
    with pytest.raises(UsageError):
        await put_back(await a_bad_day(), **choice)


async def test_a_reason_that_the_cycle_did_not_have_is_answered_with_those_it_had():
    with pytest.raises(UsageError) as refused:
        await put_back(await a_bad_day(), reasons=("expired_in_directory",))

    assert "Reasons in that cycle: disabled_in_directory, left_groups" == refused.value.do


async def test_cycles_are_listed_latest_first_with_what_they_changed():
    """Only those that changed a status."""
    company = await a_bad_day()
    listed = changed_cycles(await company.ledger.history())

    assert [{"deactivate": 4}, {"deactivate": 1}] == [dict(one.changes) for one in listed]
    assert {"disabled_in_directory": 2, "left_groups": 2} == listed[0].reasons


async def test_last_is_the_last_that_changed_something_and_no_undo():
    """Whoever says it twice does not lock everybody out again."""
    company = await a_bad_day()
    undoing = await wanted_by_undo(company.deps, QUICK, "last", REQUEST)
    await manual.execute_request(
        company.deps, QUICK, Mode.ENFORCE, undoing.wanted, REQUEST, 1, trigger=Trigger.UNDO, undo_of=undoing.cycle
    )
    again = await wanted_by_undo(company.deps, QUICK, "last", REQUEST)

    assert (undoing.cycle, (), 4) == (again.cycle, again.wanted.effects, len(again.wanted.already))


async def test_known_leavers_can_be_left_out():
    """They are asked about once more; the others are put back all the same, judged without them."""
    company = await a_bad_day()
    undoing = await wanted_by_undo(company.deps, QUICK, "last", REQUEST)
    assert {"z-ann", "z-bob"} == undoing.known_leavers
    fewer = await without(company.deps, QUICK, undoing, undoing.known_leavers, REQUEST)

    assert ["z-cid", "z-dan"] == [effect.account.zoom_id for effect in fewer.wanted.effects]


@pytest.mark.parametrize("cycle", ["last", "none-of-the-ledgers"])
async def test_nothing_is_put_back_by_a_ledger_that_does_not_verify(cycle: str):
    """What it tells of a cycle may be forged; that is said before anything else is."""
    company = await a_bad_day()
    company.ledger._history = replace(company.ledger._history, broken="entry 7 was edited")
    with pytest.raises(LedgerError, match="entry 7 was edited"):
        await wanted_by_undo(company.deps, QUICK, cycle, REQUEST)


async def test_what_was_changed_again_since_is_not_this_cycles_to_put_back():
    """Whoever left for good meanwhile, by a later cycle or by hand, does not get access back by the undo of an older one."""
    company = await a_bad_day()
    bad = changed_cycles(await company.ledger.history())[0].cycle
    company.person("cid")
    await run(company)
    company.person("cid", enabled=False)
    await run(company)
    back = await manual.wanted_by_address(company.deps, QUICK, ["dan@corp.example"], Action.REACTIVATE, REQUEST)
    await manual.execute_request(company.deps, QUICK, Mode.ENFORCE, back, REQUEST, 1, trigger=Trigger.ACCOUNT)
    assert ["ann", "bob"] == await put_back(company, bad)
    gone = await manual.wanted_by_address(company.deps, QUICK, ["dan@corp.example"], Action.DEACTIVATE, REQUEST)
    await manual.execute_request(company.deps, QUICK, Mode.ENFORCE, gone, REQUEST, 1, trigger=Trigger.ACCOUNT)
    assert ("inactive", "inactive") == (company.status("cid"), company.status("dan"))

    undoing = await wanted_by_undo(company.deps, QUICK, bad, REQUEST)

    assert ["z-ann", "z-bob"] == [effect.account.zoom_id for effect in undoing.wanted.effects]
    assert {"z-cid": ("deactivate", "cycle"), "z-dan": ("deactivate", "hand")} == {
        account.zoom_id: (last.action, last.by) for account, last in undoing.later
    }
    assert undoing.later == (await without(company.deps, QUICK, undoing, undoing.known_leavers, REQUEST)).later


async def test_an_undo_gives_back_the_licence_that_was_still_owed():
    """Deactivated again before its licence was back: it had a basic one then, but another was promised."""
    company = await a_bad_day()
    company.zoom.answers[("*", "restore_licence")] = (Refused("none is free", kind="no_licence"), False)
    company.person("ann")
    await run(company)
    company.clock.pass_time(timedelta(days=2))
    company.person("ann", enabled=False)
    await run(company)
    assert ("inactive", 1) == (company.status("ann"), company.zoom.accounts["z-ann"].type)
    undoing = await wanted_by_undo(company.deps, QUICK, "last", REQUEST)

    assert {"z-ann": {"type": 2, "plan": None}} == dict(undoing.wanted.restore)


async def test_an_undo_that_takes_access_away_keeps_the_licence_that_is_owed():
    """A return that is put back before its licence was given: whoever comes back another time gets the one of the first time."""
    company = await a_bad_day()
    company.zoom.answers[("*", "restore_licence")] = (Refused("none is free", kind="no_licence"), False)
    company.person("ann")
    await run(company)
    assert ("active", 1) == (company.status("ann"), company.zoom.accounts["z-ann"].type)

    undoing = await wanted_by_undo(company.deps, QUICK, "last", REQUEST)
    await manual.execute_request(company.deps, QUICK, Mode.ENFORCE, undoing.wanted, REQUEST, 1, trigger=Trigger.UNDO, undo_of="c")
    await run(company)
    company.zoom.answers.clear()
    back = await manual.wanted_by_address(company.deps, QUICK, ["ann@corp.example"], Action.REACTIVATE, REQUEST)
    await manual.execute_request(company.deps, QUICK, Mode.ENFORCE, back, REQUEST, 1, trigger=Trigger.ACCOUNT)

    assert ("active", 2) == (company.status("ann"), company.zoom.accounts["z-ann"].type)


async def test_an_undo_that_two_people_must_approve_can_be_approved():
    """It takes access from more than a few: the plan it names is recorded, with known leavers left out or not."""
    company = await a_bad_day()
    for name in ("ann", "bob", "cid", "dan"):
        company.person(name)
    await run(company)
    two = replace(QUICK, approvals_required=2)
    request = manual.Request("Kim", "because", confirm_count=4)

    first = await wanted_by_undo(company.deps, two, "last", request, term=1)
    [held] = [one for one in first.wanted.verdicts if one.tripped]
    [digest] = re.findall(r"--plan (\w+)", held.do)
    for by in ("Kim", "Lee"):
        await approve(company.deps, two, Mode.ENFORCE, Asked(digest, ["max-deactivations"], by, "r", timedelta(hours=1)))

    again = await wanted_by_undo(company.deps, two, "last", request, term=1)
    assert (4, []) == (len(again.wanted.effects), [one for one in again.wanted.verdicts if one.tripped])
