"""A SIGTERM from the first instruction on: the process ends by its own handler, as the first process of a container must."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Stands for the heavy imports: it says that they began, and goes on until somebody ends it.
SLOW = "import sys, time\nprint('importing', flush=True)\ntime.sleep(600)\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run"], 0),
        (["--config", "x.yaml", "run"], 0),
        (["apply"], 143),
        (["plan"], 143),
    ],
)
@pytest.mark.parametrize("start", [["-m", "syncd"], ["-c", "from syncd.__main__ import main; main()"]])
def test_it_ends_while_still_importing(tmp_path: Path, start: list[str], arguments: list[str], code: int) -> None:
    """By its own handler and not by the default, which the kernel drops for the first process of a container: a daemon that
    had nothing to do ends well, a verb that did not do it does not."""
    (tmp_path / "click.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, *start, *arguments], stdout=subprocess.PIPE, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    )
    try:
        assert process.stdout is not None
        assert b"importing\n" == process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert code == process.wait(30)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def test_nothing_heavy_is_imported_before() -> None:
    """The handler is set by the first instructions: what they import is as good as nothing."""
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; before = set(sys.modules); import syncd.host.stopping; print(*sorted(set(sys.modules) - before))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split()

    assert {"syncd", "syncd.host", "syncd.host.stopping"} <= set(shown)
    assert not {"asyncio", "click", "httpx", "msgspec", "pydantic"} & set(shown)
