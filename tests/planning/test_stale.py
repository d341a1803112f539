"""Another controller: who may only look older waits, and who was disabled does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from syncd.ledger.history import History
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


def waits(decision: Decision, history: History, view: str = "dc2", now: datetime = NOW) -> bool:
    """Whether this decision becomes unclear."""
    directory = whole.directory("active_directory", NOW, (), view=view)
    plan, count = wait_for_replication(Plan(NOW, "p", (decision,)), directory, history, POLICY, now)
    assert (count == 1) == (plan.decisions[0].reason is Reason.DIRECTORY_UNCLEAR)
    assert count or plan.decisions[0] is decision
    return count == 1


BEFORE = History(view="dc1", entitled_through={"z": "G"})


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
    assert expected == waits(decision, BEFORE)


@pytest.mark.parametrize(
    ("history", "view", "expected"),
    [
        (BEFORE, "dc1", False),  # the same copy
        (replace(BEFORE, view=""), "dc2", False),  # nothing to compare with
        (BEFORE, "", False),  # only one copy: a file, Entra ID
        (replace(BEFORE, entitled_through={}), "dc2", False),  # was not entitled before either
        (replace(BEFORE, view="dc2", view_since=NOW - HOURS), "dc2", True),  # read from it for an hour
        (replace(BEFORE, view="dc2", view_since=NOW - 3 * HOURS), "dc2", False),  # it has had time to catch up
        (History(view="dc2", view_since=NOW - HOURS, entitled_until={"z": ("G", NOW - HOURS)}), "dc2", True),
        (History(view="dc2", view_since=NOW - HOURS, entitled_until={"z": ("G", NOW - 2 * HOURS)}), "dc2", False),  # left before
    ],
)
def test_it_waits_no_longer_than_replication_takes(history: History, view: str, expected: bool):
    """From the change of the copy on."""
    assert expected == waits(leaving(Reason.LEFT_GROUPS), history, view)


def test_who_waits_is_kept_and_says_why():
    """Nothing of the leaving is left but its notes."""
    directory = whole.directory("active_directory", NOW, (), view="dc2")
    made, _ = wait_for_replication(Plan(NOW, "p", (leaving(Reason.WITHIN_GRACE, "left_groups"),)), directory, BEFORE, POLICY, NOW)
    found = made.decisions[0]

    assert (Action.KEEP, Reason.DIRECTORY_UNCLEAR, None, None, ("left_groups", "may_look_older")) == (
        found.action,
        found.reason,
        found.since,
        found.due_at,
        found.notes,
    )
