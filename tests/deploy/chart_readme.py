"""Writes deploy/chart/README.md: every value with its default and what the schema says of it. ``make tables`` runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "deploy" / "chart"
README = CHART / "README.md"

#: Between these two lines everything is made; the rest is written by hand.
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"


def rows(schema: Mapping[str, Any], values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, default, meaning) of every leaf, in the order of values.yaml. Raises KeyError for a value the schema does not
    know."""
    for key, default in values.items():
        rule = schema["properties"][key]
        where = f"{path}{key}"
        if isinstance(default, dict) and "properties" in rule:
            yield from rows(rule, default, f"{where}.")
        else:
            yield where, json.dumps(default, ensure_ascii=False), rule["description"]


def table() -> str:
    """The table as Markdown."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{key}` | `{default}` | {meaning} |" for key, default, meaning in rows(schema, values)]
    return "\n".join(lines)


def renewed(text: str) -> str:
    """README.md with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
