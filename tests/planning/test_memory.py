"""What a read adds to memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import (
    Action,
    Deactivated,
    Decision,
    Draft,
    Gone,
    MemoryChange,
    Plan,
    Reason,
    Status,
    ZoomAccount,
)
from syncd.planning.memory import remember, seen_active
from tests.planning.strategies import NOW, Case, cases

EARLIER = NOW - timedelta(hours=1)


def plan(reason: Reason, action: Action = Action.KEEP, status: Status = Status.ACTIVE, **more: Any) -> Plan:
    """A plan for one account."""
    return Plan(NOW, "policy", (Decision(ZoomAccount("z", "ann@corp.example", status), action, reason, **more),))


def names(change: MemoryChange) -> set[str]:
    return {name for name in change.__dataclass_fields__ if name != "at" and getattr(change, name)}


WAS_GONE = History(gone={"z": Gone(EARLIER, 3)})
RETURNS = History(returning={"z": Gone(EARLIER, 3)})


@pytest.mark.parametrize(
    ("made", "history", "expected"),
    [
        (plan(Reason.WITHIN_GRACE), History(), {"gone"}),
        (plan(Reason.WITHIN_GRACE), WAS_GONE, set()),
        (plan(Reason.LEFT_GROUPS, Action.DEACTIVATE), History(), {"gone"}),
        (plan(Reason.PROTECTED, Action.MANUAL), History(), {"gone"}),
        (plan(Reason.REACTIVATED_BY_OTHERS, Action.MANUAL), History(), {"gone"}),
        (plan(Reason.REFUSED_BY_ZOOM, Action.MANUAL), History(), {"gone"}),
        (plan(Reason.NOT_IN_PILOT), History(), {"gone"}),
        (plan(Reason.PROTECTED, Action.MANUAL, Status.INACTIVE), WAS_GONE, {"back", "returning"}),  # a protected reactivation
        (plan(Reason.IN_STEP), WAS_GONE, {"back"}),
        (plan(Reason.IN_STEP, status=Status.INACTIVE), WAS_GONE, {"back"}),
        (plan(Reason.EXEMPT), WAS_GONE, {"back"}),
        (plan(Reason.ON_HOLD), WAS_GONE, {"back"}),
        (plan(Reason.DIRECTORY_UNCLEAR), WAS_GONE, {"unclear"}),
        (plan(Reason.DIRECTORY_UNCLEAR), History(), set()),
        (plan(Reason.OUT_OF_SCOPE), WAS_GONE, set()),
        (plan(Reason.AMBIGUOUS_MATCH, Action.MANUAL), History(), {"gone"}),  # kept by an alias alone
        (plan(Reason.RETURNING, status=Status.INACTIVE), History(), {"returning"}),
        (plan(Reason.ENTITLED_AGAIN, Action.REACTIVATE, Status.INACTIVE), RETURNS, set()),
        (plan(Reason.DIRECTORY_UNCLEAR, status=Status.INACTIVE), RETURNS, {"not_returning"}),
        (plan(Reason.IN_STEP, status=Status.INACTIVE), RETURNS, {"not_returning"}),
        (plan(Reason.IN_STEP), RETURNS, {"not_returning"}),
        (replace(plan(Reason.IN_STEP), pairs={"z": "p"}), History(), {"pairs"}),
        (replace(plan(Reason.IN_STEP), numbers={"p": "hash"}), History(), {"numbers"}),
        (replace(plan(Reason.IN_STEP), entitled=frozenset({"p"})), History(), {"entitled"}),
        (replace(plan(Reason.IN_STEP), entitled=frozenset({"p"}), pairs={"z": "p"}), History(), {"pairs"}),
        (replace(plan(Reason.IN_STEP), pairs={"z": "p"}), History(pairs={"z": "p"}), set()),
        (replace(plan(Reason.IN_STEP), pairs={"z": "p"}), History(pairs={"z": "q"}), {"pairs"}),
        (replace(plan(Reason.IN_STEP), numbers={"p": "hash"}), History(numbers={"p": "hash"}), set()),
        (replace(plan(Reason.IN_STEP), entitled=frozenset({"p"})), History(entitled={"p"}), set()),
        (Plan(NOW, "policy", ()), WAS_GONE, {"vanished"}),
        (Plan(NOW, "policy", ()), History(pairs={"z": "p"}), set()),
    ],
)
def test_a_good_read_changes_memory_only_where_something_changed(made: Plan, history: History, expected: set[str]):
    """One row per kind of decision; a quiet read changes nothing."""
    assert expected == names(remember(made, history))


def test_accounts_that_nothing_is_remembered_of_do_not_hide_those_behind_them():
    """An invitation has no id yet, and whoever is out of scope is nobody's business."""
    of = {
        id_: Decision(ZoomAccount(id_, "x@corp.example", Status.ACTIVE), Action.KEEP, reason)
        for id_, reason in (
            (None, Reason.INVITATION_PENDING),
            ("out", Reason.OUT_OF_SCOPE),
            ("z", Reason.WITHIN_GRACE),
        )
    }
    made = Plan(NOW, "policy", tuple(of.values()))

    assert {"z"} == remember(made, History()).gone
    assert set() == remember(made, WAS_GONE).vanished


@pytest.mark.parametrize(
    ("last", "status", "expected"),
    [
        (Deactivated(EARLIER, "c", "cycle"), Status.ACTIVE, {"z"}),
        (Deactivated(EARLIER, "c", "cycle"), Status.INACTIVE, set()),
        (Deactivated(EARLIER, "c", "cycle", seen_active=True), Status.ACTIVE, set()),
        (Deactivated(EARLIER, "c", "cycle", reactivated_at=NOW), Status.ACTIVE, set()),
    ],
)
def test_whom_somebody_brought_back_is_seen_in_every_whole_read(last: Deactivated, status: Status, expected: set[str]):
    """Good or not: Zoom was read whole, and no read since may have shown it active for "ours"."""
    made, history = plan(Reason.OUT_OF_SCOPE, status=status), History(deactivated={"z": last})

    assert expected == seen_active(made, history).seen_active == remember(made, history).seen_active
    assert names(seen_active(made, history)) <= {"seen_active"}
    assert NOW == seen_active(made, history).at == remember(made, history).at


def fold(history: History, drafts: list[Draft]) -> History:
    return history.foreseen(drafts, NOW)


@given(cases())
def test_what_was_remembered_is_not_remembered_again(case: Case):
    """Written down and read back, the same read has nothing to add, but that it did not count for whom it did not show."""
    history = fold(case.history, record.memory("c1", remember(case.plan(), case.history)))

    assert names(remember(case.plan(), history)) <= {"unclear"}


@given(cases())
def test_memory_alone_never_makes_anybody_due(case: Case):
    """Remembering the read in hand changes no decision of the same moment but that the read counts from now on."""
    history = fold(case.history, record.memory("c1", remember(case.plan(), case.history)))
    before = {effect.key for effect in case.plan().effects}
    after = Case(case.directory, case.zoom, history, case.policy).plan()

    reads_needed = max(case.policy.grace_reads, 1)
    assert reads_needed > 1 or before >= {effect.key for effect in after.effects}


def test_one_missing_list_does_not_make_anybody_forget_who_is_who():
    """The pair and our deactivation outlive a read that happened not to show the account; only its grace starts afresh."""
    history = History(
        pairs={"z": "p"},
        gone={"z": Gone(EARLIER, 3)},
        deactivated={"z": Deactivated(EARLIER, "c", "cycle")},
        decided={"z": "digest"},
    )
    after = fold(history, record.memory("c1", remember(Plan(NOW, "policy", ()), history)))

    assert ({"z": "p"}, {}, {}, {"z"}) == (after.pairs, after.gone, after.decided, set(after.deactivated))


def test_long_lists_are_written_in_readable_pieces():
    """No entry names more than a thousand accounts."""
    change = MemoryChange(NOW, pairs={f"z{n}": "p" for n in range(2001)}, gone=frozenset(f"z{n}" for n in range(1000)))

    assert [1000, 1000, 1] == [len(draft.body["pairs"]) for draft in record.memory("c", change) if "pairs" in draft.body]
    assert [1000] == [len(draft.body["gone"]) for draft in record.memory("c", change) if "gone" in draft.body]
