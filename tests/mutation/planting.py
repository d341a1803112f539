"""Plants a mutant into the running program: the code of one function is exchanged, wherever somebody already imported it.

So thousands of mutants need no second start of Python: a process is forked for each, plants it and runs tests.
"""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    """One changed function. *source*: the whole file with the change."""

    file: str  # under the root of the repository
    function: str  # ``Class.method`` or ``function``
    says: str  # what was changed, for a reader
    source: str

    @property
    def key(self) -> str:
        """Stays the same as long as the function does, wherever it moves to in its file."""
        return f"{self.file}::{self.function}: {self.says}"


def module_of(file: str) -> Any:
    """The imported module of a file."""
    return importlib.import_module(file.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))


def function_of(file: str, function: str) -> FunctionType:
    """The function itself, without what is wrapped around it. Raises LookupError when there is none."""
    found: Any = module_of(file)
    for name in function.split("."):
        if name not in vars(found):
            raise LookupError(f"{file} has no {function}")
        found = vars(found)[name]
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, functools.cached_property):
        found = found.func
    elif isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    assert isinstance(found, FunctionType), f"{file}: {function} is no function"
    return found


def code_in(source: str | ast.Module, file: str, function: str) -> CodeType:
    """The compiled function in another text of its file. Raises LookupError when it is not there."""
    return _inner(compile(source, str(ROOT / file), "exec", flags=0, dont_inherit=True), file, function)


def _inner(code: CodeType, file: str, function: str) -> CodeType:
    for name in function.split("."):
        inner = [one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name]
        if not inner:
            raise LookupError(f"{file} has no {function}")
        code = inner[0]
    return code


def changes_something(mutant: Mutant) -> bool:
    """Whether the mutant is another program that can be planted: default values, for one, lie outside of the code."""
    planted, now = code_in(mutant.source, mutant.file, mutant.function), function_of(mutant.file, mutant.function).__code__
    return planted.co_freevars == now.co_freevars and planted != now


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The program with this mutant."""
    function = function_of(mutant.file, mutant.function)
    before = function.__code__
    function.__code__ = code_in(mutant.source, mutant.file, mutant.function)
    try:
        yield
    finally:
        function.__code__ = before


def functions_in(file: str) -> list[str]:
    """All functions and methods that stand at the top of a file or of one of its classes."""
    found = []
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.name)
        elif isinstance(node, ast.ClassDef):
            found += [f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return found


def watch(files: Sequence[str], enter: Callable[[str], object]) -> None:
    """From now on, in this process, *enter* is told ``file::function`` whenever such a function begins."""
    for file in files:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        for owner, node in _defined(tree):
            node.body.insert(0, _telling(f"{file}::{owner}{node.name}", node))
        code = compile(ast.fix_missing_locations(tree), str(ROOT / file), "exec", dont_inherit=True)
        vars(module_of(file))["__entered__"] = enter
        for function in functions_in(file):
            function_of(file, function).__code__ = _inner(code, file, function)


def _defined(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield "", node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.", one) for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def _telling(name: str, where: ast.stmt) -> ast.stmt:
    said = ast.Expr(ast.Call(ast.Name("__entered__", ast.Load()), [ast.Constant(name)], []))
    return ast.copy_location(said, where)
