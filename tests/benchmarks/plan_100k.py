"""How long ``syncd plan`` takes for 100,000 accounts, and how much memory: a file directory, a simulated Zoom beside it.

    python -m tests.benchmarks.plan_100k [--users N] [--profile]

Zoom serves pages of 2,000 without latency and without limits, in a process of its own. What is measured is the whole program
from its start to its end. The aim on two cores: under 20 s and under 400 MiB. ``--profile`` shows what dominates instead.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 20.0
MIB_MAX = 400.0


def main() -> int:
    """Prints the measures; 1 when they miss the aim."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=100_000, metavar="N")
    parser.add_argument("--profile", action="store_true", help="where the time goes, by cumulated seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, simulated_zoom(Path(name), options.users) as configuration:
        arguments = ["-m", "syncd", "plan", "--config", str(configuration), "--format", "json", "--out", f"{name}/plan.json"]
        if options.profile:
            return subprocess.run(
                [sys.executable, "-m", "cProfile", "-s", "cumulative", *arguments], cwd=ROOT, check=False
            ).returncode
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = code = os.waitstatus_to_exitcode(status)
        mib = usage.ru_maxrss / 1024
        size = Path(name, "plan.json").stat().st_size / 1e6 if code in (0, 3) else 0.0
        sys.stdout.write(
            f"{options.users:,} accounts: exit {code}, {seconds:.1f} s ({usage.ru_utime + usage.ru_stime:.1f} s of CPU), "
            f"{mib:.0f} MiB at most, a document of {size:.0f} MB; load {os.getloadavg()[0]:.1f}\n"
        )
        return 0 if code == 0 and seconds < SECONDS_MAX and mib < MIB_MAX else 1


@contextmanager
def simulated_zoom(folder: Path, users: int) -> Iterator[Path]:
    """A simulated Zoom in a process of its own; gives the configuration that fits it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd.lab", "zoom", "--port", "0", "--out", str(folder), "--users", str(users), "--plan", "none"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        while "try:" not in process.stdout.readline():
            if process.poll() is not None:
                raise RuntimeError("the simulated Zoom did not start")
        configuration = folder / "syncd.yaml"
        # The account plan with the largest limits, all of them: what is to be measured is syncd, not its patience.
        text = configuration.read_text(encoding="utf-8").replace("zoom:\n", "zoom:\n  account_plan: business\n  share: 100%\n")
        configuration.write_text(text, encoding="utf-8")
        yield configuration
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
