"""The table of docs/explanation/accidents.md: what happened to others, and the tests that hold it off here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "explanation" / "accidents.md"


class Accident(NamedTuple):
    """One row. *tests*: ``file::function`` or a story, under tests."""

    number: int
    what: str
    where: str
    tests: tuple[str, ...]


def accidents() -> list[Accident]:
    """The rows, in the order of the page."""
    rows = re.findall(r"^\| R(\d+) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [Accident(int(number), what, where, _quoted(tests)) for number, what, where, tests in rows]


class Attempt(NamedTuple):
    """One row of what was tried on syncd itself. *events*: of the simulator; none where it cannot meet this."""

    number: int
    what: str
    tests: tuple[str, ...]
    events: tuple[str, ...]


def attempts() -> list[Attempt]:
    """The rows, in the order of the page."""
    rows = re.findall(r"^\| S(\d+) \| (.+?) \| (.+?) \| (.*?) ?\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [Attempt(int(number), what, _quoted(tests), _quoted(events)) for number, what, tests, events in rows]


def _quoted(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def is_there(test: str) -> bool:
    """Whether the suite has this test or story."""
    file, _, function = test.partition("::")
    path = TESTS / file
    if not path.is_file():
        return False
    if not function:
        return path.parent.name == "scenarios" and path.suffix == ".txt"
    return re.search(rf"^(async )?def {re.escape(function)}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
