"""The walk of docs/how-to/hand-over-content.md through the lab, line by line as it stands there: with the docs alone one leaver's
content goes to their manager."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import test_get_started as started

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "hand-over-content.md"
BIN = Path(sys.executable).parent


def walk() -> list[str]:
    """The lines of the first block of shell, without remarks."""
    block = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"))[0]
    lines = [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]
    assert (started.walk()[0], "export SYNCD_CONFIG=lab/syncd.yaml") == (lines[0], lines[1])
    return lines[2:]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    """The folder in which the lab runs, on whatever port is free."""
    yield from started.a_lab(tmp_path)


def test_one_leavers_content_goes_to_the_manager_with_the_docs_alone(lab: Path) -> None:
    """Each command with the exit code that the page names (0: none)."""
    ran: dict[str, subprocess.CompletedProcess[str]] = {}
    digest = ""
    for number, line in enumerate(walk()):
        command = line.replace(".venv/bin", str(BIN)).replace("DIGEST", digest)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=lab,
            env=os.environ | {"SYNCD_CONFIG": "lab/syncd.yaml"},
            text=True,
            capture_output=True,
            check=False,
        )
        found = re.search(r"--plan ([0-9a-f]+) --guard handover", done.stdout + done.stderr)
        digest = found[1] if found else digest
        ran[f"{number} {line}"] = done
    said = {line: one.stdout + one.stderr for line, one in ran.items()}
    *_, due, planned, approved, handed, after = said.values()

    assert [0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0] == [one.returncode for one in ran.values()], said
    assert "ceo@corp.example (manager)" in due
    assert "meetings 2, webinars unknown, recordings 1" in planned
    assert "There is no undo" in planned
    assert "by Kim Roe" in approved
    assert "1 of 1 handed over" in handed
    assert "bjoern.hernandez@corp.example\thanded_over" in after
