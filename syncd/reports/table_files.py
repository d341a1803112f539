"""CSV and JSON Lines from the one view model. The same view always gives the same CSV and JSON Lines, to the byte.

CSV: the main table alone, every cell quoted, ``'`` before text that a spreadsheet would take for a formula. JSON Lines: the
header first, then one line per row of every table, values exactly as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syncd.reports.safe import no_formula, plain
from syncd.reports.view import Value, View, counted

# --------------------------------------------------------------------------------------------------------------- CSV


def csv_lines(view: View) -> Iterator[str]:
    """The main table: a header of column keys, then the rows."""
    view.demand_balance()
    yield _csv_line([column.key for column in view.main.columns])
    for row in counted(view.main):
        yield _csv_line([no_formula(plain(value)) if isinstance(value, str | tuple) else plain(value) for value in row])


def _csv_line(cells: list[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\r\n"


# -------------------------------------------------------------------------------------------------------- JSON Lines


def json_lines(view: View) -> Iterator[str]:
    """The header, then every row of every table; ``record`` says what a line is."""
    view.demand_balance()
    yield _json_line(
        {
            "record": view.record,
            **view.head,
            "balances": [
                {"says": one.says, "parts": dict(one.parts), one.whole.replace(" ", "_"): one.number} for one in view.balances
            ],
        }
    )
    for table in (*view.tables, view.main):
        if not table.record:
            continue
        keys = [column.key for column in table.columns]
        for row in counted(table):
            line: dict[str, Any] = {"record": table.record}
            line.update(zip(keys, map(_json_value, row), strict=True))
            if table.story is not None:
                line["events"] = [{"at": at, "says": says} for at, says in table.story(row)]
            yield _json_line(line)


def _json_line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _json_value(value: Value) -> Any:
    if isinstance(value, datetime):
        return plain(value)
    return list(value) if isinstance(value, tuple) else value
