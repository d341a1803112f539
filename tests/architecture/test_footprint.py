"""What the daemon does not load: it runs for months, and what it loads it keeps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_the_daemon_loads_nothing_that_draws_for_people() -> None:
    """rich comes with the tables and progress of other verbs; httpx and structlog would load it when they find it."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "syncd", "run", "--config", "/nowhere/syncd.yaml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    loaded = set(re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE))

    assert 2 == ran.returncode
    assert {"httpx", "structlog", "sqlite3"} <= loaded
    assert {"rich.console", "pygments.lexer"}.isdisjoint(loaded)  # their insides: what was only looked for is listed too


def test_where_nothing_is_signed_the_daemon_asks_for_no_key(tmp_path: Path) -> None:
    """Certificates and signatures come with a library of their own; a file directory and an unsigned ledger need none of it."""
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (tmp_path / "people.csv").write_text("email,entitled\n", encoding="utf-8")
    (tmp_path / "syncd.yaml").write_text(
        "mode: report\ndirectory: {file: {path: people.csv}}\nscope: {domains: [corp.example]}\n"
        "zoom: {account_id: a, client_id: b, client_secret_file: secret}\n",
        encoding="utf-8",
    )
    asks = (
        "import sys; from pathlib import Path; from syncd.app import certificates_of, signing_key; "
        "from syncd.config import load; from syncd.host.certificates import earliest_end; "
        "config = load(Path('syncd.yaml'), {}); "
        "print(signing_key(config), [earliest_end(files) for files in certificates_of(config).values()], "
        "'cryptography' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", asks], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert ("None [None, None] False\n", "") == (ran.stdout, ran.stderr)
