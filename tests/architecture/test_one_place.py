"""Rules that stand once: numbers of exit codes, and the way from a decision to what guards hold of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "syncd"

#: What only one operation may ask about a plan: whoever else needs it, comes there.
JUDGING = {"held_by", "judge", "Facts", "armed", "wait_for_replication"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the program but the simulators, which are programs of their own."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("lab/"):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def numbers(tree: ast.AST) -> list[int]:
    """Exit codes that are written as numbers: of an exit, of an attribute or argument of that name, of a result beside one."""
    found: list[int] = []
    for node in ast.walk(tree):
        values: list[ast.expr] = []
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) in ("sys.exit", "SystemExit"):
                values += node.args
            values += [keyword.value for keyword in node.keywords if keyword.arg in ("exit_code", "code")]
        elif isinstance(node, ast.Assign) and any("exit_code" in ast.unparse(target) for target in node.targets):
            values.append(node.value)
        elif isinstance(node, ast.Tuple) and node.elts and ast.unparse(node.elts[0]).startswith("Result."):
            values += node.elts[1:]
        for value in values:
            found += [part.value for part in ast.walk(value) if isinstance(part, ast.Constant) and type(part.value) is int]
    return found


def test_no_exit_code_is_written_as_a_number() -> None:
    assert {} == {name: found for name, tree in sources() if (found := numbers(tree))}


@pytest.mark.parametrize(
    "text",
    [
        "sys.exit(3 if doubts else ExitCode.DONE)",
        "raise SystemExit(130)",
        "class Off(Error):\n    exit_code = 7",
        "story['exit_code'] = 0 if people else ExitCode.USAGE",
        "replace(report, exit_code=1)",
        "def end():\n    return Result.PARTIAL, 5",
    ],
)
def test_a_number_would_be_found(text: str) -> None:
    assert numbers(ast.parse(text))


def test_guards_hold_effects_in_one_place() -> None:
    """Cycles, looks and comparisons are judged by the same lines. ``approve`` and ``check`` ask the table alone."""
    importers = {
        name
        for name, tree in sources()
        if not name.startswith("planning/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("syncd.planning")
        if JUDGING & {one.name for one in node.names} - {"Facts"}
    }

    assert {"operations/judging.py"} == importers
