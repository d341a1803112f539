"""What the configuration knows and this version cannot do. The one place to change when a feature arrives.

A key of such a feature is checked like any other, so that a file written today is right tomorrow; using it is a problem
of its own (exit 2), because silently not doing what somebody configured is worse than saying so.
"""

from __future__ import annotations

from typing import Literal

#: A kind of report file.
Format = Literal["html", "csv", "json", "xlsx", "jsonl"]

#: Keys that a later version will understand; none now.
NOT_YET: frozenset[str] = frozenset()

#: What ``reports.formats`` is when nobody says.
DEFAULT_FORMATS: tuple[Format, ...] = ("html", "csv", "json")
