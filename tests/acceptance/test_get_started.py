"""The walk through the lab in docs/get-started.md, line by line as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "get-started.md"
BIN = Path(sys.executable).parent


def walk() -> list[str]:
    """The lines of the first block of shell, without remarks and without what installs."""
    block = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"))[0]
    lines = [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]
    assert ("make setup", "export SYNCD_CONFIG=lab/syncd.yaml") == (lines[0], lines[2])
    return [lines[1], *lines[3:]]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    """The folder in which the lab of the page runs, on whatever port is free."""
    yield from a_lab(tmp_path)


def a_lab(tmp_path: Path) -> Iterator[Path]:
    """The lab's folder, while it runs."""
    first = walk()[0]
    assert first.endswith(" &")
    words = first.removesuffix(" &").replace(".venv/bin", str(BIN)).split()
    process = subprocess.Popen([*words, "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "lab" / "syncd.yaml").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield tmp_path
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_walk_through_the_lab_ends_where_it_says(lab: Path) -> None:
    """Planned, held, approved, applied, put back, verified; each with the exit code that the page names (0: none)."""
    ran: list[subprocess.CompletedProcess[str]] = []
    digest = ""
    for line in walk()[1:]:
        command = line.replace(".venv/bin", str(BIN)).replace("DIGEST", digest)
        ran.append(
            subprocess.run(
                ["bash", "-c", command],
                cwd=lab,
                env=os.environ | {"SYNCD_CONFIG": "lab/syncd.yaml"},
                text=True,
                capture_output=True,
                check=False,
            )
        )
        found = re.search(r"--plan ([0-9a-f]+)", ran[-1].stdout)
        digest = found[1] if found else digest

    plan, _, accepted, held, approved, applied, undone, verified = ran
    assert [0, 0, 0, 3, 0, 0, 0, 0] == [one.returncode for one in ran], [one.stdout + one.stderr for one in ran]
    assert "2 to deactivate" in plan.stdout
    assert "accepted as new" in accepted.stdout
    assert "policy-changed" in held.stdout
    assert "2 changes" in approved.stdout
    assert "result\tapplied" in applied.stdout
    assert "2 to reactivate" in undone.stdout
    assert "the chain is intact" in verified.stdout
    assert {"html", "csv", "json"} <= {path.suffix[1:] for path in (lab / "lab" / "reports").iterdir()}
    assert 0o600 == (lab / "lab" / "zoom-secret").stat().st_mode & 0o777
