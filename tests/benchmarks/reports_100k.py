"""How long a cycle's report of 100,000 accounts takes in every format, and how much memory.

    python -m tests.benchmarks.reports_100k [ACCOUNTS]

Fails above 60 s for one format, or 500 MiB of memory at the most, the cycle itself included.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from syncd.reports.cycle import cycle_view
from syncd.reports.document import written
from syncd.reports.render import VIEW_FORMATS, render
from tests.reports.a_cycle import a_cycle

SECONDS_MAX = 60.0
MIB_MAX = 500


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
            if format_ != "xlsx" and last not in path.read_bytes():
                raise SystemExit(f"{format_}: the last account is missing")
            print(f"{accounts} accounts, {format_:5}: {took:5.1f} s, {path.stat().st_size / 2**20:6.1f} MiB")  # noqa: T201
    print(f"memory at the most {_mib()} MiB, {before} MiB of it before the first format")  # noqa: T201
    if slow or _mib() > MIB_MAX:
        raise SystemExit(f"too slow: {slow}" if slow else "too much memory")


def _mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
