"""Another controller: who may only look older waits, and who was disabled does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from syncd.ledger.history import Gone, History
from syncd.model import Action, Decision, Plan, Policy, Reason, Status, ZoomAccount
from syncd.planning.stale import wait_for_replication
from tests import whole
from tests.planning.strategies import NOW

POLICY = Policy("a", ("corp.example",))
HOURS = timedelta(hours=1)


def leaving(reason: Reason, note: str = "", status: Status = Status.ACTIVE) -> Decision:
    return Decision(
        ZoomAccount("z", "z@corp.example", status),
        Action.KEEP if note else Action.DEACTIVATE,
        reason,
        notes=(note,) if note else (),
        since=NOW,
        due_at=NOW,
    )


def made(decision: Decision, history: History, view: str = "dc2", now: datetime = NOW) -> tuple[bool, int]:
    """Whether this decision becomes unclear, and how many people look worse."""
    directory = whole.directory("active_directory", NOW, (), view=view)
    beside = leaving(Reason.DISABLED_IN_DIRECTORY)
    plan, count = wait_for_replication(Plan(NOW, "p", (decision, beside)), directory, history, POLICY, now)
    waits = plan.decisions[0].reason is Reason.DIRECTORY_UNCLEAR
    assert waits or plan.decisions[0] is decision
    assert plan.decisions[1] is beside
    return waits, count


BEFORE = History(view="dc1", decided={"z": "in step"}, entitled_through={"z": "G"})

#: Out of step once a good read from the copy of before had shown it in step, or before any did.
LEFT = replace(BEFORE, entitled_through={}, out_of_step={"z": 3})
NEVER = replace(BEFORE, entitled_through={}, out_of_step={"z": 0})


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (leaving(Reason.LEFT_GROUPS), True),
        (leaving(Reason.ABSENT_FROM_DIRECTORY), True),
        (leaving(Reason.EXPIRED_IN_DIRECTORY), True),
        (leaving(Reason.WITHIN_GRACE, "left_groups"), True),
        (leaving(Reason.DISABLED_IN_DIRECTORY), False),
        (leaving(Reason.IN_LEAVERS_GROUP), False),
        (leaving(Reason.WITHIN_GRACE, "disabled_in_directory"), False),
        (leaving(Reason.IN_STEP), False),
        (leaving(Reason.LEFT_GROUPS, status=Status.INACTIVE), False),
    ],
)
def test_who_looks_worse_on_another_copy_waits(decision: Decision, expected: bool):
    """What was made where it is seen counts at once."""
    assert (expected, int(expected)) == made(decision, BEFORE)


@pytest.mark.parametrize(
    ("history", "view", "expected"),
    [
        (BEFORE, "dc1", False),  # the same copy
        (replace(BEFORE, view=""), "dc2", False),  # nothing to compare with
        (BEFORE, "", False),  # only one copy: a file, Entra ID
        (LEFT, "dc2", False),  # was not entitled before either
        (replace(BEFORE, view="dc2", view_since=NOW - HOURS), "dc2", True),  # read from it for an hour
        (replace(BEFORE, view="dc2", view_since=NOW - 3 * HOURS), "dc2", False),  # it has had time to catch up
        (replace(LEFT, view="dc2", view_since=NOW - HOURS, entitled_until={"z": ("G", NOW - HOURS)}), "dc2", True),
        (replace(LEFT, view="dc2", view_since=NOW - HOURS, entitled_until={"z": ("G", NOW - 2 * HOURS)}), "dc2", False),
        (replace(LEFT, view_since=NOW - 4 * HOURS, entitled_until={"z": ("G", NOW - 3 * HOURS)}), "dc2", False),
    ],
)
def test_it_waits_no_longer_than_replication_takes(history: History, view: str, expected: bool):
    """From the change of the copy on."""
    assert (expected, int(expected)) == made(leaving(Reason.LEFT_GROUPS), history, view)


@pytest.mark.parametrize(
    ("history", "view", "expected"),
    [
        (replace(NEVER, decided={}, out_of_step={}), "dc2", True),  # made since the last good read
        (replace(NEVER, decided={}, out_of_step={}), "dc1", False),
        (replace(NEVER, view="dc2", view_since=NOW - HOURS), "dc2", True),  # shown unclear until now
        (replace(NEVER, view="dc2", view_since=NOW - 3 * HOURS), "dc2", False),
        (replace(NEVER, gone={"z": Gone(NOW - HOURS, 7)}), "dc2", False),  # the copy of before knew of nobody either
        (LEFT, "dc2", False),
    ],
)
@pytest.mark.parametrize("reason", [Reason.ABSENT_FROM_DIRECTORY, Reason.LEFT_GROUPS])
def test_an_account_made_for_somebody_whom_this_copy_may_not_know_yet_waits(
    reason: Reason, history: History, view: str, expected: bool
):
    """A joiner is no leaver, and nobody looks worse than before: for the guard it does not count."""
    assert (expected, 0) == made(leaving(reason), history, view)


def test_an_account_made_for_somebody_who_is_disabled_does_not_wait():
    """Disabled is disabled where it is seen."""
    assert (False, 0) == made(leaving(Reason.DISABLED_IN_DIRECTORY), replace(NEVER, decided={}, out_of_step={}))


@pytest.mark.parametrize(
    ("decision", "notes"),
    [
        (leaving(Reason.WITHIN_GRACE, "left_groups"), ("left_groups", "may_look_older")),
        (leaving(Reason.LEFT_GROUPS), ("may_look_older",)),
    ],
)
def test_who_waits_is_kept_and_says_why(decision: Decision, notes: tuple[str, ...]):
    """Nothing of the leaving is left but its notes."""
    directory = whole.directory("active_directory", NOW, (), view="dc2")
    plan, _ = wait_for_replication(Plan(NOW, "p", (decision,)), directory, BEFORE, POLICY, NOW)
    found = plan.decisions[0]

    assert (Action.KEEP, Reason.DIRECTORY_UNCLEAR, None, None, notes) == (
        found.action,
        found.reason,
        found.since,
        found.due_at,
        found.notes,
    )
