"""Runs every story of this folder; a failing one shows as a diff between what it expects and what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.model import Guard, Reason
from syncd.planning.guards import NOT_APPROVABLE
from tests.scenarios.story import lived, steps_of

STORIES = sorted(Path(__file__).parent.glob("*.txt"))


def _text(steps: list[tuple[str, list[str]]]) -> list[str]:
    return [text for line, below in steps for text in (line, *(f"    {one}" for one in below))]


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
async def test_the_story_goes_as_it_is_told(path: Path):
    """Every step says exactly the lines below it."""
    steps = await lived(path)

    assert _text([(line, expected) for line, expected, _ in steps]) == _text([(line, said) for line, _, said in steps])


def _expected() -> str:
    return "\n".join(line for path in STORIES for step in steps_of(path)[1] for line in (step.line, *step.expected))


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.IN_STEP, Reason.BY_HAND}))
def test_every_row_of_the_decision_table_has_a_story(reason: Reason):
    """In step is what nobody mentions; by_hand is no row."""
    assert f" {reason.value}" in _expected()


@pytest.mark.parametrize(
    "guard", sorted(set(Guard) - {Guard.PROTECTED_IN_PLAN, Guard.LEDGER_NEW, Guard.LEDGER_ROLLED_BACK, Guard.HANDOVER})
)
def test_every_guard_trips_in_a_story(guard: Guard):
    """Each with what it measured. protected-in-plan trips by hand only, and a story has one ledger that is never lost: for those
    tests/planning/test_guards.py breaks a plan."""
    assert f"{guard.value} " in _expected(), f"no story expects  {guard.value} MEASURED > LIMIT"


@pytest.mark.parametrize("guard", sorted(set(Guard) - NOT_APPROVABLE - {Guard.HANDOVER}))
def test_every_approvable_guard_is_approved_in_a_story(guard: Guard):
    """The way past it works."""
    steps = [step.line for path in STORIES for step in steps_of(path)[1]]
    approved = {word for line in steps if line.startswith("approve ") for word in line.split()[1:]}
    assert guard.value in approved, f"no story has the step  approve {guard.value}"
