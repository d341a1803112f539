"""Reads the configuration in a process of its own.

What reads it (a library that checks, rules, advice) weighs some 16 MiB, is used once, and would stay for months. So a copy of
this process reads, hands over values alone and ends, while this one loads what it needs itself. Whatever goes wrong there (a
configuration with problems, too) is found again here, and told as by every other verb.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from syncd.config.models import Config

#: What makes it worth the while; once it is loaded nothing is saved any more.
HEAVY = "pydantic"


def reading(path: Path, env: Mapping[str, str]) -> Callable[[], Config]:
    """Begins to read; what it gives waits for the end. Raises ConfigError then."""

    def here() -> Config:
        from syncd.config.loading import load

        return load(path, env)

    if HEAVY in sys.modules or threading.active_count() > 1 or not hasattr(os, "fork"):
        return here
    theirs, ours = os.pipe()
    try:
        child = os.fork()
    except OSError:  # no process left to be had
        os.close(theirs)
        os.close(ours)
        return here
    if child == 0:
        _hand_over(here, ours)
    os.close(ours)

    def there() -> Config:
        with os.fdopen(theirs, "rb") as pipe:
            said = pipe.read()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        return cast("Config", pickle.loads(said)) if said else here()  # noqa: S301 (our own child wrote it)

    return there


def _hand_over(read: Callable[[], Any], pipe: int) -> None:
    """The child's whole life: whole values, or nothing."""
    from syncd.config.plain import plain

    try:
        said = pickle.dumps(plain(read()))
        with os.fdopen(pipe, "wb") as out:
            out.write(said)
    finally:
        os._exit(0)
