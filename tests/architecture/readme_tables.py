"""The tables of the docs that come from the code, so that they cannot drift: ``make tables`` writes them, a test compares.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; whatever is between the two is replaced.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from syncd import __version__
from syncd.cli import syncd
from syncd.observe.metrics import Metrics
from syncd.zoom.check import needed
from syncd.zoom.scopes import OPERATIONS

_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """*text* with every table as the code has it now. Raises KeyError for a table nobody renders."""
    return _PLACE.sub(lambda place: place[1] + "\n".join(TABLES[place[2]]()) + "\n" + place[3], text)


def names_in(text: str) -> list[str]:
    """The tables that have a place in *text*."""
    return [place[2] for place in _PLACE.finditer(text)]


def metrics() -> Iterator[str]:
    """Every metric, its type, its labels and what it says."""
    yield from _table(
        ("metric", "type", "what it says"),
        [
            (f"`{row.name}{{{','.join(row.labels)}}}`" if row.labels else f"`{row.name}`", row.type, row.help)
            for row in Metrics(__version__).documentation()
        ],
    )


def verbs() -> Iterator[str]:
    """Every verb with its one sentence."""
    yield from _table(("verb", "what it does"), [(f"`syncd {name}`", says) for name, says in all_verbs()])


def all_verbs() -> list[tuple[str, str]]:
    """Name (``ledger verify``) and short help of every verb; a group stands for its verbs."""
    found: list[tuple[str, str]] = []
    for name, command in sorted(syncd.commands.items()):
        members = command.commands if isinstance(command, click.Group) else {"": command}
        found += [(f"{name} {member}".strip(), one.get_short_help_str(200)) for member, one in sorted(members.items())]
    return found


def scopes() -> Iterator[str]:
    """Every Zoom scope and when it is needed."""
    yield from _table(
        ("granular scope", "classic scope", "what for", "`mode: report`", "`mode: enforce`"),
        [
            (
                f"`{operation.scope}`",
                f"`{operation.classic}`",
                operation.purpose,
                _need(operation.name, writes=False),
                _need(operation.name, writes=True),
            )
            for operation in OPERATIONS
        ],
    )


def _need(operation: str, *, writes: bool) -> str:
    if operation in needed(_Configured(writes)):
        return "yes"
    if operation in needed(_Configured(writes, required_groups=("Rooms",), revokes_sessions=True, operation_log=True)):
        return "if configured"
    return "optional" if writes else ""


@dataclass(frozen=True)
class _Configured:
    """A configuration as ``syncd check`` looks at it."""

    writes: bool
    required_groups: tuple[str, ...] = ()
    revokes_sessions: bool = False
    restores_licences: bool = True
    operation_log: bool = False
    max_clock_skew_seconds: float = 300.0


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {"metrics": metrics, "verbs": verbs, "scopes": scopes}

if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
