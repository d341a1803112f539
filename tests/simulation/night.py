"""``make night``: what is too long for every change. Its last result, with date and seed, stands in the page on the simulator.

Usage: python -m tests.simulation.night [--cycles N] [--days N] [--workers N] [--seed TEXT] [--kills N] [--only-simulator]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.simulation.__main__ import progress, say
from tests.simulation.expected import wanted
from tests.simulation.ordinary import lived
from tests.simulation.runner import explained, run
from tests.simulation.switches import everything

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "simulation.md"
BEGIN, END = "<!-- night: begin -->", "<!-- night: end -->"


def simulated(seed: str, cycles: int, *, days: float, workers: int) -> tuple[bool, str]:
    """Whether every invariant held over so many cycles, and one line about it."""
    result = run(seed, companies=None, cycles=cycles, days=days, switches=everything(), tell=progress, workers=workers)
    say(result.coverage.table())
    if result.failed is not None:
        say(explained(result.failed))
    never = result.coverage.never(wanted(everything(), rare=True))
    found = "nothing found" if result.failed is None else f"**broke {result.failed.findings[0].invariant}**"
    return result.failed is None and not never and result.cycles >= cycles, (
        f"simulator: {result.cycles:,} cycles in {result.companies} companies of {days:g} days, all switches on, "
        f"{result.pace:.0f} a second, seed `{seed}`; {found}; never met: {', '.join(never) or 'nothing'}"
        f"{'' if result.cycles >= cycles or result.failed else f'; ended by hand before {cycles:,}'}"
    )


def ordinary(companies: int, workers: int) -> tuple[bool, str]:
    """Whether the default limits asked for nobody in so many ordinary years."""
    off, tripped, largest = 0, 0, 0
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for habits, guards, gone in pool.map(lived, range(companies)):
            progress(f"{habits}: {guards or 'nothing tripped'}, {gone} switched off")
            off, tripped, largest = off + gone, tripped + bool(guards), max(largest, habits.people)
    return not tripped, (
        f"ordinary years: {companies} companies of up to {largest:,} people, {off:,} leavers switched off; "
        f"a guard asked for somebody in {tripped} of them"
    )


def made(target: str, *settings: str) -> tuple[bool, str]:
    """Another long word of the Makefile, if it is there."""
    if not re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8")):
        return True, f"{target}: not there"
    ended = subprocess.run(["make", "--no-print-directory", target, *settings], cwd=ROOT, check=False)
    return ended.returncode == 0, f"make {' '.join((target, *settings))}: {'passed' if ended.returncode == 0 else '**failed**'}"


def killed(kills: int) -> tuple[bool, str]:
    """Enforcing cycles with returns and licences, killed at so many random moments (tests/acceptance/test_crash.py)."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/acceptance/test_crash.py", "-k", "killed"],
        cwd=ROOT,
        env={**os.environ, "SYNCD_KILLS": str(kills)},
        check=False,
    )
    return ended.returncode == 0, (
        f"{kills:,} kills at random moments, in daemons and in single cycles: every status and every "
        f"licence {'right' if ended.returncode == 0 else '**not right**'}"
    )


def written(page: str, lines: list[str]) -> str:
    """The page with the last night's lines in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n" + "".join(f"* {line}\n" for line in lines) + f"{END}{after}"


def main() -> int:
    """0: everything held."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default=f"night-{today}")
    parser.add_argument("--cycles", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=60.0, help="of each company")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="companies at the same time")
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--only-simulator", action="store_true")
    asked = parser.parse_args()
    results = [simulated(asked.seed, asked.cycles, days=asked.days, workers=asked.workers)]
    if not asked.only_simulator:
        results += [ordinary(50, asked.workers), killed(asked.kills), made("mutate", "FULL=1"), made("bench"), made("soak")]
    lines = [f"{today}: {line}" for _, line in results]
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")
    say("\n".join(lines))
    return 0 if all(held for held, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
