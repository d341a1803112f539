"""How long leavers kept access: from the change in the directory, where it tells, to the state verified at Zoom. Pure.

Percentiles are the nearest rank: a value that somebody really had to wait, so that whoever stands behind it can be named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

#: Shares of the leavers who were locked out within the time that stands beside them.
SHARES = (50, 95, 99)


def lockout_of(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Of leavers (rows of a period) the 50th, 95th and 99th percentile in seconds, and who waited longest. *locked_out*: how
    many syncd deactivated; *measured*: for how many of these the directory told when it was changed."""
    timed = sorted(
        (row for row in rows if row["lockout_seconds"] is not None),
        key=lambda row: (row["lockout_seconds"], row["zoom_id"], row["first_entry"]),
    )
    worst = timed[-1] if timed else None
    return {
        "locked_out": sum(bool(row["deactivations"]) for row in rows),
        "measured": len(timed),
        **{
            f"p{share}_seconds": timed[math.ceil(len(timed) * share / 100) - 1]["lockout_seconds"] if timed else None
            for share in SHARES
        },
        "worst_seconds": worst["lockout_seconds"] if worst is not None else None,
        "worst": {name: worst[name] for name in ("zoom_id", "email", "first_entry")} if worst is not None else None,
    }
