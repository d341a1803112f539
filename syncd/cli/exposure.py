"""What ``check`` warns of: whoever else may read the secrets, write what syncd decides by, or guess the trigger token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.config.secret_source import SecretSource
from syncd.errors import SyncdError
from syncd.host.files import too_open

if TYPE_CHECKING:
    from syncd.config import Config

#: Shorter ones can be guessed, slowed as the guesses are.
TRIGGER_TOKEN_LENGTH_MIN = 16


def exposures(config: Config, path: Path) -> Iterator[str]:
    """Secrets that others can read, a configuration or a file it decides by that others can write, a trigger token that can be
    guessed."""
    if wrong := too_open(path, secret=False):
        yield f"configuration: {wrong}; whoever writes it decides who is locked out"
    for key, place, decides in _deciding(config):
        if place is not None and (wrong := too_open(place, secret=False)):
            yield f"{key}: {wrong}; whoever writes {'in ' if place.is_dir() else ''}it decides {decides}"
    for source in secret_sources(config):
        if source.file is not None and (wrong := too_open(source.file, secret=True)):
            yield f"secret: {wrong}"
    from syncd.app import secret

    token = config.http.trigger_token
    if token is not None:
        with suppress(SyncdError):  # one that cannot be read is refused when it is used
            if (length := len(secret(token, "http.trigger_token")().strip())) < TRIGGER_TOKEN_LENGTH_MIN:
                yield (
                    f"trigger token: it has {length} characters and can be guessed; use {TRIGGER_TOKEN_LENGTH_MIN} random "
                    "ones or more (openssl rand -hex 32)"
                )


def _deciding(config: Config) -> Iterator[tuple[str, Path | None, str]]:
    """What others than the configuration decides by: its key, where it lies, and what is decided by it."""
    if config.directory.file is not None:
        yield "directory.file.path", config.directory.file.path, "who is locked out"
    yield "approvals.signers_file", config.approvals.signers_file, "whose approvals count"
    if config.handover is not None:
        yield "handover.leavers_file", config.handover.leavers_file, "whose content may be handed over"
    yield "reports.directory", config.reports.directory, "what evidence there is, and whether a ledger counts as rolled back"


def secret_sources(section: object) -> Iterator[SecretSource]:
    """Every secret that a configuration names, wherever in it."""
    if isinstance(section, SecretSource):
        yield section
    elif fields := getattr(type(section), "model_fields", None):
        for name in fields:
            yield from secret_sources(getattr(section, name))
    elif isinstance(section, list | tuple):
        for one in section:
            yield from secret_sources(one)
