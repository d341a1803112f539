"""How long a cycle's report of 100,000 accounts takes in every format, and how much memory; how long Chromium takes to open it.

    python -m tests.benchmarks.reports_100k [ACCOUNTS]

Fails above 60 s for one format, or 500 MiB of memory at the most, the cycle itself included. Opening counts the processor time
from Chromium's start to a picture, once for a cycle in step and once for one that would change everybody; it fails above 10 s.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from shutil import which

from msgspec import structs

from syncd.model import Action, CycleReport, Reason
from syncd.reports.cycle import cycle_view
from syncd.reports.document import written
from syncd.reports.render import VIEW_FORMATS, render
from tests.reports.a_cycle import a_cycle

SECONDS_MAX = 60.0
MIB_MAX = 500
OPENING_MAX = 10.0


def main(accounts: int) -> None:
    """Measures and prints; each file must hold every account."""
    report = a_cycle(accounts)
    before = _mib()
    slow = []
    with tempfile.TemporaryDirectory() as folder:
        for format_ in (*VIEW_FORMATS, "json"):
            path = Path(folder) / f"report.{format_}"
            begun = time.perf_counter()
            with path.open("wb") as out:
                if format_ == "json":
                    out.writelines(piece.encode() for piece in written(report))
                else:
                    render(cycle_view(report), format_, out)
            took = time.perf_counter() - begun
            slow += [format_] if took > SECONDS_MAX else []
            last = f"p{accounts - 1:06}@corp.example".encode()
            if format_ not in ("xlsx", "html") and last not in path.read_bytes():  # a page shows what is not plainly kept
                raise SystemExit(f"{format_}: the last account is missing")
            print(f"{accounts} accounts, {format_:5}: {took:5.1f} s, {path.stat().st_size / 2**20:6.1f} MiB")
        opened = {words: _opening(one, Path(folder)) for words, one in (("in step", report), ("all to change", _upset(report)))}
    for words, seconds in opened.items():
        print(f"{accounts} accounts, {words}: Chromium opens the page in {seconds:.1f} s of processor time")
    print(f"memory at the most {_mib()} MiB, {before} MiB of it before the first format")
    if max(opened.values()) > OPENING_MAX:
        raise SystemExit("too slow to open")
    if slow or _mib() > MIB_MAX:
        raise SystemExit(f"too slow: {slow}" if slow else "too much memory")


def _upset(report: CycleReport) -> CycleReport:
    """The same company on the day on which everybody would be deactivated."""
    everybody = tuple(
        structs.replace(one, action=Action.DEACTIVATE, reason=Reason.ABSENT_FROM_DIRECTORY) for one in report.plan.decisions
    )
    return replace(report, plan=replace(report.plan, decisions=everybody))


def _opening(report: CycleReport, folder: Path) -> float:
    """Seconds of processor time until there is a picture, all in one process so that they are counted; nan without Chromium."""
    chromium = which("chromium")
    if chromium is None:
        return float("nan")
    page = folder / "page.html"
    with page.open("wb") as out:
        render(cycle_view(report), "html", out)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--single-process",
            "--no-zygote",
            f"--user-data-dir={folder / 'profile'}",
            f"--screenshot={folder / 'page.png'}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=600,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
