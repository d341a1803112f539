"""What ``check`` warns of: open secrets, an open configuration, a trigger token that can be guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.cli.exposure import exposures, secret_sources
from syncd.config import Config, load

TEXT = """
mode: report
directory: {file: {path: people.csv}}
zoom: {account_id: acc, client_id: client, client_secret_file: zoom-secret}
scope: {domains: [corp.example]}
http: {trigger_token_file: trigger}
notify: [{webhook_url_file: hook, on: [held]}]
approvals: {signers_file: signers}
handover: {leavers_file: leavers.csv, after: 90d, end: delete, receiver: {else: archive@corp.example}, client_id: other,
  client_secret_file: handover-secret}
reports: {directory: REPORTS}
"""


def configured(folder: Path) -> tuple[Config, Path]:
    for name, says in (
        ("zoom-secret", "sesame"),
        ("handover-secret", "open"),
        ("trigger", "0123456789abcdef\n"),
        ("hook", "https://hook.example/x"),
        ("people.csv", "id,display_name,addresses,enabled,expires_at,groups\n"),
        ("signers", "Kim ssh-ed25519 AAAA\n"),
        ("leavers.csv", "address\n"),
        ("syncd.yaml", TEXT.replace("REPORTS", str(folder / "reports"))),
    ):
        (folder / name).write_text(says)
        (folder / name).chmod(0o640)
    (folder / "reports").mkdir(mode=0o750)
    return load(folder / "syncd.yaml", {}), folder / "syncd.yaml"


def test_nothing_is_said_when_all_is_closed(tmp_path: Path) -> None:
    """Readable for the group is how Kubernetes mounts secrets."""
    assert [] == list(exposures(*configured(tmp_path)))


@pytest.mark.parametrize(
    ("name", "mode", "says"),
    [
        ("zoom-secret", 0o644, "everybody on this machine may read"),
        ("hook", 0o604, "everybody on this machine may read"),
        ("trigger", 0o642, "everybody on this machine may write"),
        ("syncd.yaml", 0o666, "configuration: everybody"),
        ("syncd.yaml", 0o666, "whoever writes it decides who is locked out"),
        ("people.csv", 0o642, "directory.file.path: everybody"),
        ("people.csv", 0o666, "whoever writes it decides who is locked out"),
        ("signers", 0o602, "approvals.signers_file: everybody"),
        ("signers", 0o666, "whoever writes it decides whose approvals count"),
        ("leavers.csv", 0o666, "handover.leavers_file: everybody"),
        ("leavers.csv", 0o646, "whoever writes it decides whose content may be handed over"),
        ("reports", 0o777, "reports.directory: everybody"),
        ("reports", 0o1777, "whoever writes in it decides what evidence there is"),
    ],
)
def test_what_others_may_read_or_write_is_named(tmp_path: Path, name: str, mode: int, says: str) -> None:
    """With the file and what to do; a configuration and what it decides by hold no secret and may be read."""
    config, path = configured(tmp_path)
    for readable in ("syncd.yaml", "people.csv", "signers", "leavers.csv"):
        (tmp_path / readable).chmod(0o644)
    assert [] == list(exposures(config, path))
    (tmp_path / name).chmod(mode)
    (warning,) = exposures(config, path)

    assert says in warning
    assert name in warning
    assert "chmod o-" in warning


def test_a_short_trigger_token_is_told_without_being_shown(tmp_path: Path) -> None:
    """It can be guessed; one that is gone is refused when it is used."""
    config, path = configured(tmp_path)
    (tmp_path / "trigger").write_text("sesame-15-chars\n")
    (warning,) = exposures(config, path)
    assert "15 characters" in warning
    assert "sesame" not in warning

    (tmp_path / "trigger").unlink()
    assert [] == list(exposures(config, path))


def test_every_secret_is_found_wherever_it_stands(tmp_path: Path) -> None:
    """Also in lists and sections of sections."""
    found = {source.file.name for source in secret_sources(configured(tmp_path)[0]) if source.file is not None}

    assert {"zoom-secret", "handover-secret", "trigger", "hook"} == found
