"""How long an emergency verb takes at a large company with a year behind it: the whole program, from the shell to its end.

    python -m tests.benchmarks.pause_year [ACCOUNTS] [CYCLES]

Makes a ledger of a first cycle (a pair and a decision for each account) and so many quiet cycles with a checkpoint at the end,
then times ``syncd pause``, the opening of the ledger by a verb of a person, and by the daemon, which follows everything.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from syncd.ledger import record
from syncd.ledger.entries import CycleEnded, DecisionMade, Memory
from syncd.ledger.entry import draft
from syncd.ledger.storage.store import SqlLedger
from tests.acceptance.company import clean_environment
from tests.ledgers import HandClock, untold, url_of

#: What the runs must not exceed, in seconds.
PAUSE_SECONDS, OPEN_SECONDS = 1.0, 2.0


async def year(ledger: SqlLedger, clock: HandClock, accounts: int, cycles: int) -> None:
    """Fills a ledger."""
    await ledger.begin(record.opened("id", "account", "file:", "report"))
    ids = [f"zoom{number:018}" for number in range(accounts)]
    for at in range(0, accounts, 1000):
        some = ids[at : at + 1000]
        await ledger.append([draft(Memory(pairs={one: f"00000000-0000-4000-8000-{one[-12:]}" for one in some}), cycle="first")])
        await ledger.append(
            [
                draft(DecisionMade("keep", "in_step", "active", "Member", "licensed", one), subject=one, cycle="first")
                for one in some
            ]
        )
    for number in range(cycles):
        clock.pass_time(900)
        now = clock.now()
        says = CycleEnded("enforce", "schedule", "in_step", True, now, now, "0.2.0", "policy", {})
        await ledger.append([draft(says, cycle=f"c{number}")])
    await ledger.checkpoint(record.checkpointed, term=0)


async def opened(url: str, *, from_checkpoint: bool) -> float:
    """Seconds until the history is known."""
    began = time.perf_counter()
    ledger = SqlLedger.open(url, HandClock(), untold, create=True, from_checkpoint=from_checkpoint)
    history = await ledger.history()
    await ledger.close()
    if history.broken or not history.pairs:
        raise SystemExit(f"not the expected ledger: {history.broken}")
    return time.perf_counter() - began


def main(accounts: int, cycles: int) -> None:
    """Measures, prints, and fails when it took too long."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = url_of(folder / "ledger.db")
        clock = HandClock()
        ledger = SqlLedger.open(url, clock, untold, create=True)
        asyncio.run(_filled(ledger, clock, accounts, cycles))
        (folder / "secret").write_text("word", encoding="utf-8")
        (folder / "syncd.yaml").write_text(
            yaml.safe_dump(
                {
                    "mode": "enforce",
                    "directory": {"file": {"path": "people.csv", "groups": ["staff"]}},
                    "zoom": {"account_id": "account", "client_id": "c", "client_secret_file": str(folder / "secret")},
                    "scope": {"domains": ["corp.example"]},
                    "ledger": {"url": url},
                }
            ),
            encoding="utf-8",
        )
        runs = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "syncd",
                    "pause",
                    "--config",
                    str(folder / "syncd.yaml"),
                    "--by",
                    "Ann",
                    "--because",
                    "a test",
                ],
                check=True,
                env=clean_environment(),
                stdout=subprocess.DEVNULL,
            )
            runs.append(time.perf_counter() - began)
        quick, whole = (asyncio.run(opened(url, from_checkpoint=one)) for one in (True, False))
    print(
        f"{accounts} accounts, {cycles} cycles: pause {min(runs):.2f} s, opened from the checkpoint {quick:.2f} s, "
        f"whole {whole:.2f} s"
    )
    if min(runs) > PAUSE_SECONDS or quick > OPEN_SECONDS:
        raise SystemExit(f"too slow: pause may take {PAUSE_SECONDS:g} s, opening {OPEN_SECONDS:g} s")


async def _filled(ledger: SqlLedger, clock: HandClock, accounts: int, cycles: int) -> None:
    await year(ledger, clock, accounts, cycles)
    await ledger.close()


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*given, *(100_000, 35_000)[len(given) :])
