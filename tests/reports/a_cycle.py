"""A cycle's report with every kind of row, and names that try to get out of their cell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from syncd.model import (
    Action,
    Approval,
    CycleReport,
    Decision,
    DirectoryGroup,
    EffectOutcome,
    GroupUse,
    Guard,
    Head,
    Mode,
    OutcomeKind,
    Person,
    Plan,
    Reason,
    Result,
    Status,
    Trigger,
    Verdict,
    ZoomAccount,
)
from tests import whole

NOW = datetime(2026, 10, 7, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)

FORMULA = '=HYPERLINK("http://evil.example","click")'
SCRIPT = "<script>alert(1)</script>"
TURNED = "Ann \u202eeeL"
HEBREW = "\u05d3\u05d5\u05d3 \u05dc\u05d5\u05d9"


def account(name: str, status: Status = Status.ACTIVE, shown: str = "") -> ZoomAccount:
    """Somebody's Zoom account."""
    return ZoomAccount(
        f"z-{name}",
        f"{name}@corp.example",
        status,
        shown or f"{name.title()} Doe",
        "2",
        "Member",
        2,
        last_login_at=NOW - 30 * HOUR,
        created_at=NOW - 9_000 * HOUR,
    )


def a_cycle(people: int = 0) -> CycleReport:
    """An enforcing cycle that ended in part; with *people* more who are in step."""
    known = ("guid-ann", "address", ("Zoom Users", "Sales"))
    decisions = [
        Decision(
            account("ann"),
            Action.DEACTIVATE,
            Reason.DISABLED_IN_DIRECTORY,
            *known,
            since=NOW - HOUR,
            due_at=NOW - HOUR,
            department="Field Service",
        ),
        Decision(
            account("bob", shown=FORMULA),
            Action.DEACTIVATE,
            Reason.ABSENT_FROM_DIRECTORY,
            since=NOW - 30 * HOUR,
            due_at=NOW - 26 * HOUR,
        ),
        Decision(account("carol", shown=SCRIPT), Action.MANUAL, Reason.PROTECTED, since=NOW - 2 * HOUR),
        Decision(account("dan", shown=TURNED), Action.KEEP, Reason.WITHIN_GRACE, since=NOW - HOUR, due_at=NOW + 3 * HOUR),
        Decision(account("eve", Status.INACTIVE), Action.REACTIVATE, Reason.ENTITLED_AGAIN, "guid-eve", "address"),
        Decision(account("frank", shown=HEBREW), Action.KEEP, Reason.IN_STEP, "guid-frank", "address", ("Zoom Users",)),
        Decision(ZoomAccount(None, "new@corp.example", Status.PENDING), Action.KEEP, Reason.INVITATION_PENDING),
        *(
            Decision(account(f"p{number:06}"), Action.KEEP, Reason.IN_STEP, f"guid-{number:06}", "address", ("Zoom Users",))
            for number in range(people)
        ),
    ]
    decisions.sort(key=lambda one: (one.account.zoom_id or "", one.account.email))
    ann, bob, eve = (next(one for one in decisions if one.account.zoom_id == f"z-{name}") for name in ("ann", "bob", "eve"))
    after = NOW + timedelta(seconds=3)
    plan = Plan(NOW, "a" * 64, tuple(decisions))
    directory = whole.directory(
        "active_directory",
        NOW,
        [Person("guid-ann", enabled=False, changed_at=NOW - 3 * HOUR), Person("guid-frank")],
        [DirectoryGroup("g1", "Zoom Users", GroupUse.ENTITLING, 5)],
        clock_offset_seconds=0.4,
    )
    verdicts = tuple(
        Verdict(guard, guard is Guard.MAX_REACTIVATIONS, 1, 0, "accounts", "1 reactivation, limit 0", "Look at the plan.")
        for guard in (Guard.CLOCK_SKEW, Guard.MAX_REACTIVATIONS)
    )
    return CycleReport(
        "cycle-1",
        Mode.ENFORCE,
        Trigger.SCHEDULE,
        Result.PARTIAL,
        NOW,
        NOW + timedelta(minutes=1),
        "0.1.0",
        "a" * 64,
        plan=plan,
        directory=directory,
        entitled=3,
        zoom=whole.zoom("zoom-1", NOW, [one.account for one in decisions]),
        verdicts=verdicts,
        head=Head(17, "f" * 64),
        written=2,
        outcomes={
            ann.key: EffectOutcome(OutcomeKind.DONE, "", "inactive", "basic", after, after + timedelta(seconds=1), 1),
            bob.key: EffectOutcome(OutcomeKind.FAILED, "refused", "active", "licensed", attempts=1),
        },
        held={eve.key: (Guard.MAX_REACTIVATIONS,)},
        approvals=(
            Approval(
                "approval-1",
                plan.digest,
                "a" * 64,
                (Guard.MAX_DEACTIVATIONS,),
                frozenset({ann.key}),
                "Ann Lee",
                "ticket 4711",
                NOW - HOUR,
                NOW + 23 * HOUR,
            ),
        ),
    )


def with_a_lost_account(report: CycleReport) -> CycleReport:
    """The same report as a bug would make it: one account read has no decision."""
    assert report.plan is not None
    return replace(report, plan=replace(report.plan, decisions=report.plan.decisions[1:]))
