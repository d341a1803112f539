"""Secrets are read anew each time, and refused when there is nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from syncd.errors import ConfigError
from syncd.host.clock import SystemClock
from syncd.host.secrets import SecretFile, SecretVariable


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"sesame", "sesame"),
        (b"sesame\n", "sesame"),
        (b"sesame\r\n", "sesame"),
        (b"sesame\n\n", "sesame\n"),
        (b" sesame ", " sesame "),
        (b"\xef\xbb\xbfsesame\n", "sesame"),
        ("ünlock".encode(), "ünlock"),
    ],
)
def test_a_file_gives_its_content_without_one_line_end(tmp_path: Path, content: bytes, secret: str) -> None:
    """Editors add a line end; everything else belongs to the secret."""
    (tmp_path / "secret").write_bytes(content)

    assert secret == SecretFile("zoom.client_secret_file", tmp_path / "secret")()


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n", b"\xff\xfe"])
def test_an_empty_or_unreadable_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """The message names key and file, never content."""
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(ConfigError, match=r"zoom\.client_secret_file: .*/secret is (empty|not UTF-8)"):
        SecretFile("zoom.client_secret_file", tmp_path / "secret")()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """So is a directory."""
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            SecretFile("zoom.client_secret_file", path)()


def test_a_swapped_mount_is_seen_at_the_next_use(tmp_path: Path) -> None:
    """Kubernetes swaps a symlink: the new secret is read, and the version tells that it changed."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(name)
    (tmp_path / "data").symlink_to("old")
    secret = SecretFile("key", tmp_path / "data" / "secret")
    before = (secret(), secret.version())
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(tmp_path / "data")

    assert ("old", "new") == (before[0], secret())
    assert before[1] != secret.version()
    assert secret.version() == secret.version()
    assert SecretFile("key", tmp_path / "none").version() == ""


def test_a_variable_gives_its_value() -> None:
    """Read anew, like a file."""
    environment = {"ZOOM_SECRET": "sesame\n"}
    secret = SecretVariable("zoom.client_secret_env", "ZOOM_SECRET", environment)
    before = secret.version()
    assert secret() == "sesame"

    environment["ZOOM_SECRET"] = "changed"
    assert secret() == "changed"
    assert before != secret.version()


@pytest.mark.parametrize("environment", [{}, {"ZOOM_SECRET": ""}, {"ZOOM_SECRET": "\n"}])
def test_a_variable_that_is_not_set_is_refused(environment: dict[str, str]) -> None:
    """Named by key and variable."""
    with pytest.raises(ConfigError, match=r"zoom\.client_secret_env: the environment variable ZOOM_SECRET is (not set|empty)"):
        SecretVariable("zoom.client_secret_env", "ZOOM_SECRET", environment)()


def test_a_secret_does_not_show() -> None:
    """Not in the repr of what reads it."""
    assert "sesame" not in repr(SecretVariable("key", "NAME", {"NAME": "sesame"}))


async def test_the_real_clock_keeps_its_promises() -> None:
    """Aware UTC, never back, sleeps of nothing return at once, identifiers of a-z and digits."""
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0)
    await clock.sleep(-5)
    made = {clock.unique() for _ in range(100)}

    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() >= before
    assert 0 <= clock.random() < 1
    assert len(made) == 100
    assert all(len(one) >= 12 and one.isalnum() and one == one.lower() for one in made)
