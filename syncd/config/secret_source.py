"""Where a secret lies; the secret itself is never a part of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret is to be found: in a file or in an environment variable, exactly one."""

    file: Path | None = None
    env: str | None = None
