"""What the daemon does not load: it runs for months, and what it loads it keeps."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_daemon_loads_nothing_that_draws_for_people() -> None:
    """rich comes with the tables and progress of other verbs; httpx and structlog would load it when they find it."""
    ran = subprocess.run([sys.executable, "-X", "importtime", "-m", "syncd", "run", "--config", "/nowhere/syncd.yaml"],
                         capture_output=True, text=True, check=False, timeout=60)
    loaded = set(re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE))

    assert 2 == ran.returncode
    assert {"httpx", "structlog", "sqlalchemy"} <= loaded
    assert {"rich.console", "pygments.lexer"}.isdisjoint(loaded)     # their insides: what was only looked for is listed too
