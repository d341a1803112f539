"""Secrets are read again each time they are used, so a rotated mounted file works without a restart.

Nothing is cached and nothing is watched: a file watch dies at the first swap of a Kubernetes volume, and reading costs
some microseconds. ``version`` tells cheaply whether a secret changed, without holding it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The content of a file, without one trailing line end. *key* is the configuration key, for messages."""

    key: str
    path: Path

    def __call__(self) -> str:
        """The secret. Raises ConfigError when the file cannot be read, is not UTF-8 or is empty."""
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise ConfigError(
                f"{self.key}: {self.path} cannot be read ({error.strerror})",
                do="Mount the secret there, readable for the account syncd runs under.",
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{self.key}: {self.path} is not UTF-8 text", do="Write the secret as plain text.") from None
        return _not_empty(text.removesuffix("\n").removesuffix("\r"), self.key, f"{self.path} is empty")

    def version(self) -> str:
        """Changes when the file is replaced or rewritten; empty when there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return ""
        return f"{found.st_dev}:{found.st_ino}:{found.st_mtime_ns}:{found.st_size}"


@dataclass(frozen=True, slots=True)
class SecretVariable:
    """The content of an environment variable."""

    key: str
    name: str
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def __call__(self) -> str:
        """The secret. Raises ConfigError when the variable is not set or empty."""
        text = self.environment.get(self.name)
        if text is None:
            raise ConfigError(f"{self.key}: the environment variable {self.name} is not set", do=f"Set {self.name}.")
        text = text.removesuffix("\n").removesuffix("\r")
        return _not_empty(text, self.key, f"the environment variable {self.name} is empty")

    def version(self) -> str:
        """Changes when the variable does; means nothing outside this process (Python salts its string hashes)."""
        return str(hash(self.environment.get(self.name, "")))


def _not_empty(text: str, key: str, otherwise: str) -> str:
    if not text.strip():
        raise ConfigError(f"{key}: {otherwise}", do="Write the secret there.")
    return text
