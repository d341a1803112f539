"""Whether the promise was kept: the one rule, for cycles and periods alike."""

from __future__ import annotations

from datetime import datetime, timedelta


def promise_met(
    left: datetime | None, ended: datetime | None, known_until: datetime, promise: timedelta, *, promised: bool = True
) -> bool | None:
    """*left*: from when on time counts; *ended*: when access ended, or was no longer to end (*promised* false: entitled again,
    exempt, put back). None: nothing was promised, or time still runs at *known_until*."""
    if left is None:
        return None
    if ended is not None and ended - left <= promise:
        return True if promised else None
    return False if ended is not None or known_until - left > promise else None
