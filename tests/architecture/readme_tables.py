"""The tables of the docs that come from the code, so that they cannot drift: ``make tables`` writes them, a test compares.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; whatever is between the two is replaced.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from syncd import __version__
from syncd.cli import syncd
from syncd.config import json_schema
from syncd.observe.metrics import Metrics
from syncd.zoom.check import needed
from syncd.zoom.scopes import OPERATIONS

ROOT = Path(__file__).parents[2]
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


def configuration() -> Iterator[str]:
    """Every key with its default and what it is for, from the JSON Schema."""
    schema = json_schema()
    yield from _table(("key", "default", "meaning"), list(_keys(schema, schema["$defs"], "")))


def _keys(node: Mapping[str, Any], definitions: Mapping[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    """(key, default, meaning) of a section and of the sections in it. No default: *required*, or nothing (it is left out)."""
    for name, key in node["properties"].items():
        alternatives = [key, *key.get("anyOf", ()), *(one["items"] for one in (key, *key.get("anyOf", ())) if "items" in one)]
        within = [definitions[one["$ref"].rpartition("/")[2]] for one in alternatives if "$ref" in one]
        sections = [one for one in within if "properties" in one]
        words = [str(word) for one in (*alternatives, *within) for word in one.get("enum", ())]
        meaning = key.get("description") or "".join(one.get("description", "").split("\n")[0] for one in sections)
        default = f"`{json.dumps(key['default'], ensure_ascii=False)}`" if "default" in key and not sections else ""
        yield (
            f"`{above}{name}`",
            "required" if name in node.get("required", ()) else default,
            meaning + (f" One of {', '.join(f'`{word}`' for word in words)}." if words else ""),
        )
        for section in sections:
            yield from _keys(section, definitions, f"{above}{name}.")


def alerts() -> Iterator[str]:
    """Every alert as it is shipped, with its runbook."""
    rules = yaml.safe_load((ROOT / "deploy" / "monitoring" / "rules.yaml").read_text(encoding="utf-8"))
    yield from _table(
        ("alert", "severity", "after", "says"),
        [
            (
                f"[{one['alert']}](../../deploy/runbooks/{one['alert']}.md)",
                one["labels"]["severity"],
                one.get("for", ""),
                re.sub(r"\{\{ \$(?:labels\.)?(\w+)(?: \| \w+)? \}\}", r"*\1*", one["annotations"]["summary"]),
            )
            for group in rules["spec"]["groups"]
            for one in group["rules"]
            if "alert" in one
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "alerts": alerts,
    "configuration": configuration,
    "metrics": metrics,
    "scopes": scopes,
    "verbs": verbs,
}

if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
