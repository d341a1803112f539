"""All mutants of the decision core, made by mutmut: operators, comparisons, numbers, words, arguments and assignments.

Prose is left out: what a message says is held by the stories where it matters, and decides about nobody.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import libcst as cst
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace

from tests.mutation.planting import ROOT, Mutant, changes_something

#: The decision core: whose account it is, what happens to it, what holds it, and what is remembered.
CORE = (
    "syncd/planning/match.py",
    "syncd/planning/claims.py",
    "syncd/planning/ownership.py",
    "syncd/planning/numbers.py",
    "syncd/planning/decide.py",
    "syncd/planning/entitlement.py",
    "syncd/planning/protection.py",
    "syncd/planning/memory.py",
    "syncd/planning/approvals.py",
    "syncd/planning/approved.py",
    "syncd/planning/arming.py",
    "syncd/planning/clarity.py",
    "syncd/planning/policy_change.py",
    "syncd/planning/recheck.py",
    "syncd/planning/audit.py",
    "syncd/planning/stale.py",
    "syncd/planning/guards/chains.py",
    "syncd/planning/guards/facts.py",
    "syncd/planning/guards/reads.py",
    "syncd/planning/guards/safety.py",
    "syncd/planning/guards/shrinking.py",
    "syncd/planning/guards/sizes.py",
    "syncd/planning/guards/table.py",
    "syncd/ledger/history.py",
    "syncd/ledger/entries/cycles.py",
    "syncd/ledger/entries/effects.py",
    "syncd/ledger/entries/people.py",
    "syncd/ledger/entries/itself.py",
)
#: So much is shown before and behind what was changed.
AROUND = 24


class Possible(NamedTuple):
    """A mutant that is made when it is asked for: to write its file anew takes its time. *key* as of ``Mutant``."""

    key: str
    made: Callable[[], Mutant]


def mutants_of(file: str) -> list[Possible]:
    """All mutants of a file, in its order, each under a key of its own."""
    module, mutations, _, _ = create_mutations(file, (ROOT / file).read_text(encoding="utf-8"))
    where = _functions(module)
    seen: Counter[tuple[str, str]] = Counter()

    def make(one: Mutation, function: str, says: str) -> Mutant:
        changed = deep_replace(module, one.original_node, one.mutated_node)
        assert isinstance(changed, cst.Module)
        return Mutant(file, function, says, changed.code)

    found = []
    for one in mutations:
        function = where.get(id(one.contained_by_top_level_function))
        if function is None or _is_prose(one.original_node):
            continue
        says = _changed(_text(module, one.original_node), _text(module, one.mutated_node))
        seen[function, says] += 1
        says += f" ({seen[function, says]})" if seen[function, says] > 1 else ""
        found.append(Possible(f"{file}::{function}: {says}", partial(make, one, function, says)))
    return found


def sample(seed: str, size: int, files: Sequence[str] = CORE, without: frozenset[str] = frozenset()) -> Iterator[Mutant]:
    """*size* mutants of all files; 0: all of them. Which ones is a matter of the seed and their keys alone: a change of one
    function leaves those of all others in the sample. *without*: keys nobody asks about."""
    every = [one for file in files for one in mutants_of(file) if one.key not in without]
    every.sort(key=lambda one: hashlib.sha256(f"{seed} {one.key}".encode()).digest())
    chosen = (mutant for one in every if changes_something(mutant := one.made()))
    return islice(chosen, size or None)


def _functions(module: cst.Module) -> dict[int, str]:
    found = {}
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            found[id(statement)] = statement.name.value
        elif isinstance(statement, cst.ClassDef):
            found |= {
                id(one): f"{statement.name.value}.{one.name.value}"
                for one in statement.body.body
                if isinstance(one, cst.FunctionDef)
            }
    return found


def _is_prose(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleString) and " " in node.value


def _text(module: cst.Module, node: cst.CSTNode) -> str:
    return " ".join(module.code_for_node(node).split())


def _changed(before: str, after: str) -> str:
    """What was changed, with a little around it."""
    first = max(0, _alike(before, after) - AROUND)
    last = max(0, _alike(before[first:][::-1], after[first:][::-1]) - AROUND)
    return f"{before[first : len(before) - last]} -> {after[first : len(after) - last]}"


def _alike(one: str, other: str) -> int:
    """With how many equal characters both begin."""
    return next(
        (at for at, (here, there) in enumerate(zip(one, other, strict=False)) if here != there), min(len(one), len(other))
    )
