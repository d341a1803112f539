"""What a docstring must say, as far as a machine can see that it does not; and that people are "they".

That there is one at all is for ruff. Here: the errors that leave a public function are named, a number of type ``float`` has
a unit, and whatever is named as ours is where it is said to be.
"""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "syncd").rglob("*.py"))}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Of what type a class is, by the last word of its name: enough, for errors are named once.
BASES = {
    node.name: [ast.unparse(base).rpartition(".")[2].partition("[")[0] for base in node.bases]
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef)
}

#: What a unit looks like, in the name or in the docstring of whoever takes or gives a number.
UNIT = re.compile(
    r"seconds|minutes|hours|days|percent|share|ratio|calls|cells|number|from 0 to 1|\[0, 1\)|\(0, 1\]", re.IGNORECASE
)

#: Not ours to word: old ledgers, what a lock or a licence says, pictures.
NOT_OURS = (".lock", ".png", ".svg", "LICENSE", "of-0.1.0.db", "of-0.1.0.sql", "period-of-0.1.0.json")
#: Where the old words stand because they are forbidden there, or are replaced.
ABOUT_THEM = ("tests/architecture/test_docstrings.py", "tests/contract/test_ledger_of_0_1_0.py", "CONTRIBUTING.md")


def kinds_of(error: str) -> set[str]:
    """An error and everything it is one of."""
    builtin = getattr(builtins, error, None)
    if isinstance(builtin, type):
        return {one.__name__ for one in builtin.__mro__}
    return {error}.union(*(kinds_of(base) for base in BASES.get(error, ())))


def raised(node: ast.AST, caught: frozenset[str] = frozenset()) -> Iterator[str]:
    """Errors that a body raises by name and does not catch itself; functions within it are others' business."""
    if isinstance(node, (*FUNCTIONS, ast.Lambda)):
        return
    if isinstance(node, ast.Try):
        here = [one.type.elts if isinstance(one.type, ast.Tuple) else [one.type] for one in node.handlers]
        names = {ast.unparse(one).rpartition(".")[2] if one else "BaseException" for some in here for one in some}
        for one in node.body:
            yield from raised(one, caught | names)
        for one in (*node.handlers, *node.orelse, *node.finalbody):
            yield from raised(one, caught)
        return
    if isinstance(node, ast.Raise) and node.exc is not None:
        name = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc).rpartition(".")[2]
        if "BaseException" in kinds_of(name) and not kinds_of(name) & caught:
            yield name
    for child in ast.iter_child_nodes(node):
        yield from raised(child, caught)


def public(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, Function]]:
    """Every public function and method, with its name. A verb's docstring is its help, which tells the exit status instead."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, f"{node.name}.")
        elif isinstance(node, FUNCTIONS) and not node.name.startswith("_") and not _is_a_verb(node):
            yield within + node.name, node


def _is_a_verb(node: Function) -> bool:
    return any(re.search(r"\.(command|group)\b", ast.unparse(one)) for one in node.decorator_list)


DOCUMENTED = [(path, name, node) for path, tree in TREES.items() for name, node in public(tree.body)]
DOCSTRINGS = {name: ast.get_docstring(node) or "" for _, name, node in DOCUMENTED}


def said_by(node: Function) -> str:
    """What a docstring says, with what it refers to (``See ``ports.Ledger.append```` and the like)."""
    says = ast.get_docstring(node) or ""
    there = re.match(r"See ``([\w.]+)``", says)
    return says + DOCSTRINGS[".".join(there[1].split(".")[-2:])] if there else says


def unsaid(node: Function) -> list[str]:
    """Errors that a function raises and does not name, not by a wider word either."""
    words = set(re.findall(r"\w+", said_by(node)))
    return sorted({error for one in node.body for error in raised(one) if not kinds_of(error) & words})


def test_an_error_that_leaves_a_public_function_is_named() -> None:
    """Whoever calls it reads what may come. ``SystemExit`` is no error, NotImplementedError is for who subclasses."""
    found = {f"{path.relative_to(ROOT)}: {name}": set(unsaid(node)) for path, name, node in DOCUMENTED}

    assert {} == {name: errors for name, errors in found.items() if errors - {"SystemExit", "NotImplementedError"}}


def test_an_error_that_is_not_named_would_be_found() -> None:
    """What the test above rests on."""
    text = """
def f():
    '''Raises %s.'''
    try:
        raise LookupError
    except KeyError:
        raise LimitReached("no more") from None
"""
    for says, missing in (("nothing", ["LimitReached", "LookupError"]), ("LookupError, SourceError", [])):
        (node,) = ast.parse(text % says).body
        assert isinstance(node, ast.FunctionDef)
        assert missing == unsaid(node)


def test_a_fraction_has_a_unit() -> None:
    """In its name, or in words beside it."""
    without = []
    for path, name, node in DOCUMENTED:
        numbers = [
            one.arg
            for one in (*node.args.args, *node.args.kwonlyargs)
            if one.annotation and re.fullmatch(r"float( \| None)?", ast.unparse(one.annotation))
        ]
        if node.returns is not None and re.fullmatch(r"float( \| None)?", ast.unparse(node.returns)):
            numbers.append(node.name)
        without += [f"{path.name}: {name}: {one}" for one in numbers if not UNIT.search(one) and not UNIT.search(said_by(node))]

    assert [] == without


def test_what_a_docstring_names_is_there() -> None:
    """A dotted name that begins with one of our rooms leads to a file, or to something in one. ``core`` and ``adapters`` were
    rooms once; those that bear the name of a section of the configuration are left out, for the text may mean its key."""
    rooms = {"core", "adapters", "cli", "evidence", "execution", "host", "lab", "model", "observe", "operations", "planning"}
    modules = {".".join(path.relative_to(ROOT / "syncd").with_suffix("").parts).removesuffix(".__init__") for path in TREES}
    lost = []
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
                named = re.findall(r"``([a-z_]+(?:\.(?!py\b)\w+)+)``", ast.get_docstring(node) or "")
                lost += [
                    f"{path.relative_to(ROOT)}: {one}"
                    for one in named
                    if one.partition(".")[0] in rooms and not {one, one.rpartition(".")[0]} & (modules - {""} - rooms)
                ]

    assert [] == lost


def test_people_are_they() -> None:
    """In code, stories, pages and texts that people read."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    pages = [ROOT / one for one in listed if one and not one.endswith(NOT_OURS) and one not in ABOUT_THEM]

    assert [] == [
        f"{page.relative_to(ROOT)}: {line.strip()}"
        for page in pages
        if page.is_file()
        for line in page.read_text(encoding="utf-8", errors="replace").splitlines()
        if re.search(r"(?i)(?<![\w'`\"/-])(he|him|his|she|her|hers)(?![\w'`\"/-])|def test\w*_(he|him|his|she|her)[_(]", line)
    ]
