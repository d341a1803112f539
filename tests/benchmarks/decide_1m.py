"""How long the pure decision takes for a million accounts, and how much memory above its inputs: a tenth of them inactive, 1 %
leavers past the grace, 1 % renamed and known by memory, 1 % with somebody else's alias on them; a third of the accounts are
spelled with capitals; protection by patterns.

    python -m tests.benchmarks.decide_1m [ACCOUNTS] [RUNS]

Prints the CPU seconds of the best of the runs, for deciding alone and for the whole pure part of a cycle (decide, judge,
remember), beside a plain set difference over the same people and accounts, which knows no rule at all. Fails when the plan is
not the expected one.
"""

from __future__ import annotations

import gc
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from syncd.planning.arming import armed
from syncd.planning.decide import decide
from syncd.planning.entitlement import entitled_people
from syncd.planning.guards import Facts, judge
from syncd.planning.memory import remember
from tests import whole

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
POLICY = Policy("zoom-account", ("corp.example",), protect_accounts=("ceo@corp.example", "svc-*@corp.example"))


def company(accounts: int) -> tuple[DirectorySnapshot, ZoomSnapshot, History]:
    """As many people as accounts, three addresses each."""
    path = ("Zoom Users",)
    people = []
    for n in range(accounts):
        main = f"user{n}.new@corp.example" if n % 100 == 1 else f"user{n}@corp.example"
        more = (f"user{n - 1}@corp.example",) if n % 100 == 3 else (f"first.last{n}@corp.example",)
        people.append(
            Person(
                f"guid-{n:07}",
                (main,),
                f"User {n}",
                enabled=n % 10 != 5,
                entitled_by=() if n % 100 == 0 else path,
                department="Sales",
                aliases=(*more, f"u{n}@old.example"),
            )
        )
    users = [
        ZoomAccount(
            f"zoom{n:07}",
            f"{'User' if n % 3 == 0 else 'user'}{n}@corp.example",
            Status.INACTIVE if n % 10 == 5 else Status.ACTIVE,
            f"User {n}",
            "2",
            "Member",
            2,
            created_at=NOW - timedelta(days=400),
        )
        for n in range(accounts)
    ]
    history = History(
        pairs={f"zoom{n:07}": f"guid-{n:07}" for n in range(accounts)},
        gone={f"zoom{n:07}": Gone(NOW - timedelta(hours=5), 90) for n in range(0, accounts, 100)},
        good_reads=100,
    )
    group = DirectoryGroup("g1", "Zoom Users", GroupUse.ENTITLING, accounts - accounts // 100)
    return (whole.directory("file", NOW, people, [group]), whole.zoom("zoom-account", NOW, users, roles={"2": "Member"}), history)


def set_difference(directory: DirectorySnapshot, zoom: ZoomSnapshot) -> int:
    """The active accounts whose address nobody entitled has: the least that any program must do."""
    entitled = {address for person in directory.people if person.enabled and person.entitled_by for address in person.addresses}
    return sum(account.status is Status.ACTIVE and account.email.lower() not in entitled for account in zoom.accounts)


def peak_kib() -> int:
    """The most memory this process ever had, as the kernel counted it since the last reset."""
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))


def main(accounts: int, runs: int) -> None:
    """Measures and prints; fails when the plan is not the expected one, so that no shortcut is measured."""
    directory, zoom, history = company(accounts)
    gc.collect()
    deciding, pure, plain, more = [], [], [], 0.0
    for run in range(runs):
        begun = time.process_time()
        set_difference(directory, zoom)
        plain.append(time.process_time() - begun)
        Path("/proc/self/clear_refs").write_text("5")
        before = peak_kib()
        begun = time.process_time()
        plan = decide(directory, zoom, history, POLICY, NOW)
        decided = time.process_time()
        if run == 0:  # later runs use again what the first one left
            more = (peak_kib() - before) / 1024
        facts = Facts(
            plan,
            history,
            POLICY,
            NOW,
            directory,
            zoom,
            armed(history, POLICY, Mode.ENFORCE),
            entitled_people(directory, POLICY, NOW),
        )
        judge(facts)
        remember(plan, history)
        pure.append(time.process_time() - begun)
        deciding.append(decided - begun)
        if len(plan.effects) != -(-accounts // 100) or len(plan.decisions) != accounts:
            raise SystemExit(f"not the expected plan: {len(plan.effects)} effects, {len(plan.decisions)} decisions")
        del plan, facts
    print(
        f"{accounts} accounts, best of {runs}: decide {min(deciding):.2f} s, {more:.0f} MiB above its inputs; "
        f"decide, judge and remember {min(pure):.2f} s; a plain set difference {min(plain):.2f} s"
    )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(1_000_000, 2)[len(given) :])
