"""What the daemon costs while nothing happens, for a small company: memory, processor, time from start to ready.

    python -m tests.benchmarks.footprint [SECONDS]

Starts the simulated Zoom with Corp Example (240 people) and `syncd run` against it as processes of their own, waits until the
first cycle ended, and then watches the daemon for so many seconds (30). Ends with 1 when a limit is exceeded. Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.ports import free_port

RSS_MIB_MAX = 62.0
CPU_PERCENT_MAX = 1.0
READY_SECONDS_MAX = 3.0
PATIENCE_SECONDS = 60.0


def main(seconds: float) -> int:
    """Measures and prints; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zoom = subprocess.Popen(
            [sys.executable, "-m", "syncd.lab", "zoom", "--port", str(free_port()), "--out", folder], stdout=subprocess.DEVNULL
        )
        try:
            _until(lambda: (folder / "syncd.yaml").exists(), "the simulated Zoom")
            time.sleep(0.5)
            return _measure(folder, seconds)
        finally:
            _end(zoom)


def _measure(folder: Path, seconds: float) -> int:
    listen = f"127.0.0.1:{free_port()}"
    settings = yaml.safe_load((folder / "syncd.yaml").read_text(encoding="utf-8"))
    settings |= {"http": {"listen": listen}, "ledger": {"url": f"sqlite:///{folder / 'ledger.db'}"}}
    (folder / "measured.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        began = time.monotonic()
        daemon = subprocess.Popen(
            [sys.executable, "-m", "syncd", "run", "--config", str(folder / "measured.yaml")],
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
    try:
        _until(lambda: _ready(listen), "ready", 0.02)
        ready = time.monotonic() - began
        _until(lambda: "cycle.finished" in (folder / "log").read_text(encoding="utf-8"), "the end of a cycle")
        time.sleep(2)
        cpu, from_ = _cpu_seconds(daemon.pid), time.monotonic()
        time.sleep(seconds)
        percent = 100 * (_cpu_seconds(daemon.pid) - cpu) / (time.monotonic() - from_)
        rss = _rss_mib(daemon.pid)
    finally:
        _end(daemon)
    (result,) = (
        json.loads(line)["result"]
        for line in (folder / "log").read_text(encoding="utf-8").splitlines()
        if '"cycle.finished"' in line
    )
    print(f"240 people, {result}, idle for {seconds:.0f} s")
    over = [
        _shown("resident memory", rss, "MiB", RSS_MIB_MAX),
        _shown("processor", percent, "% of a core", CPU_PERCENT_MAX),
        _shown("start to ready", ready, "s", READY_SECONDS_MAX),
    ]
    return int(any(over))


def _shown(what: str, measured: float, unit: str, limit: float) -> bool:
    over = measured > limit
    print(f"  {what:16} {measured:7.2f} {unit} (limit {limit:g}){'  OVER THE LIMIT' if over else ''}")
    return over


def _rss_mib(pid: int) -> float:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _ready(listen: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{listen}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _until(holds: Callable[[], bool], what: str, pause: float = 0.1) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"waited too long for: {what}")
        time.sleep(pause)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(float((sys.argv[1:] or ["30"])[0])))
