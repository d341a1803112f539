"""How long the pure decision takes for 200,000 accounts: everybody matched, 1 % of them leavers.

    python -m tests.benchmarks.decide_200k [ACCOUNTS] [RUNS]

Prints the best of the runs, for deciding alone and for the whole pure part of a cycle (decide, judge, remember).
"""

from __future__ import annotations

import gc
import sys
import time
from datetime import UTC, datetime, timedelta

from syncd.ledger.history import History
from syncd.model import (
    DirectoryGroup,
    DirectorySnapshot,
    Gone,
    GroupUse,
    Mode,
    Person,
    Policy,
    Status,
    ZoomAccount,
    ZoomSnapshot,
)
from syncd.planning.approvals import armed
from syncd.planning.decide import decide
from syncd.planning.entitlement import entitled_people
from syncd.planning.guards import Facts, judge
from syncd.planning.memory import remember
from tests import whole

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
POLICY = Policy("zoom-account", ("corp.example",), protect_accounts=("ceo@corp.example", "svc-*@corp.example"))


def company(accounts: int) -> tuple[DirectorySnapshot, ZoomSnapshot, History]:
    """As many people as accounts, three addresses each; every hundredth has left the group and is past the grace."""
    path = ("Zoom Users",)
    people = [
        Person(f"guid-{n:07}", (f"user{n}@corp.example",), f"User {n}", entitled_by=() if n % 100 == 0 else path,
               department="Sales", aliases=(f"first.last{n}@corp.example", f"u{n}@old.example"))
        for n in range(accounts)
    ]
    users = [
        ZoomAccount(f"zoom{n:07}", f"User{n}@corp.example", Status.ACTIVE, f"User {n}", "2", "Member", 2,
                    created_at=NOW - timedelta(days=400))
        for n in range(accounts)
    ]
    history = History(
        pairs={f"zoom{n:07}": f"guid-{n:07}" for n in range(accounts)},
        gone={f"zoom{n:07}": Gone(NOW - timedelta(hours=5), 90) for n in range(0, accounts, 100)},
        good_reads=100,
    )
    group = DirectoryGroup("g1", "Zoom Users", GroupUse.ENTITLING, accounts - accounts // 100)
    return (whole.directory("file", NOW, people, [group]),
            whole.zoom("zoom-account", NOW, users, roles={"2": "Member"}), history)


def main(accounts: int, runs: int) -> None:
    """Measures and prints; fails when the plan is not the expected one, so that no shortcut is measured."""
    directory, zoom, history = company(accounts)
    gc.collect()
    deciding, whole = [], []
    for _ in range(runs):
        begun = time.perf_counter()
        plan = decide(directory, zoom, history, POLICY, NOW)
        decided = time.perf_counter()
        facts = Facts(plan, directory, zoom, history, POLICY, NOW, armed(history, POLICY, Mode.ENFORCE, NOW),
                      entitled_people(directory, POLICY, NOW))
        judge(facts)
        remember(plan, history)
        whole.append(time.perf_counter() - begun)
        deciding.append(decided - begun)
        if len(plan.effects) != -(-accounts // 100) or len(plan.decisions) != accounts:
            raise SystemExit(f"not the expected plan: {len(plan.effects)} effects, {len(plan.decisions)} decisions")
    print(f"{accounts} accounts, best of {runs}: decide {min(deciding):.2f} s; "  # noqa: T201
          f"decide, judge and remember {min(whole):.2f} s")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(200_000, 3)[len(given):])
