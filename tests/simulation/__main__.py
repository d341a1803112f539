"""``make simulate``: years of bad days from one seed, with a table of what was met."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.simulation.runner import explained, replay, run
from tests.simulation.switches import BY_NAME, usual

DAYS_A_YEAR = 365.0


def main() -> int:
    """0: every invariant held; 1: one did not, and the shortest story of it was printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--years", type=float, default=1.0, help="of each company")
    parser.add_argument("--companies", type=int, default=4)
    parser.add_argument("--cycles", type=int, default=None, help="as many companies as this needs, instead")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="companies at the same time")
    parser.add_argument("--switch", action="append", default=[], choices=sorted(BY_NAME), help="switch a fault on")
    parser.add_argument("--replay", type=Path, default=None, help="a file with one story")
    asked = parser.parse_args()
    if asked.replay is not None:
        ended = replay(asked.replay)
        say(explained(ended) if ended.findings else f"nothing found in {ended.cycles} cycles")
        return 1 if ended.findings else 0
    result = run(
        asked.seed,
        companies=None if asked.cycles else asked.companies,
        cycles=asked.cycles,
        days=asked.years * DAYS_A_YEAR,
        switches=usual() | frozenset(asked.switch),
        tell=progress,
        workers=asked.workers,
    )
    say(result.coverage.table())
    say(f"{result.companies} companies, {result.cycles} cycles, {result.pace:.0f} a second, seed {asked.seed}")
    if result.failed is not None:
        say(explained(result.failed))
    return 1 if result.failed is not None else 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def progress(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
