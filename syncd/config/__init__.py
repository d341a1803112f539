"""The configuration, see ``loading``. The names below are loaded when somebody asks for them: what reads a configuration is a
sixth of the idle daemon's memory, and the daemon has it read by another process (see ``apart``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncd.config.loading import example, explain_problems, faults_in, load
    from syncd.config.models import Config
    from syncd.config.not_yet import NOT_YET
    from syncd.config.schema import json_schema
    from syncd.config.secret_source import SecretSource

__all__ = ["NOT_YET", "Config", "SecretSource", "example", "explain_problems", "faults_in", "json_schema", "load"]

_WHERE = {"NOT_YET": "not_yet", "Config": "models", "SecretSource": "secret_source", "json_schema": "schema"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"syncd.config has no {name}")
    return getattr(import_module(f"syncd.config.{_WHERE.get(name, 'loading')}"), name)
