"""Mutants of the decision core die: all that have a name, and nearly all of a sample. ``make mutate`` asks more of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.mutation.accepted import MOST, accepted, gone
from tests.mutation.generated import CORE, mutants_of
from tests.mutation.named import NAMED
from tests.mutation.planting import ROOT, changes_something, code_in, function_of, functions_in, planted

#: How many, at least, and the share of them that has to die. The seed is changed when the sample has taught what it can.
SIZE, LEAST, SEED = 150, 97.0, "1"


def ours() -> dict[str, str]:
    """The environment without what is meant for the pytest that runs this file: another one is started."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


class Ran(NamedTuple):
    """What ``python -m tests.mutation`` said."""

    code: int
    said: str
    died: dict[str, bool]  # key -> whether


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One run for all tests of this file, in one process at a time: another worker has the other core."""
    out = tmp_path_factory.mktemp("mutants") / "out.jsonl"
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.mutation",
            "--quick",
            "--size",
            str(SIZE),
            "--seed",
            SEED,
            "--least",
            str(LEAST),
            "--at-once",
            "1",
            "--out",
            str(out),
        ],
        cwd=ROOT,
        env=ours(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.exists(), ended.stderr
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return Ran(ended.returncode, ended.stdout + ended.stderr, {key: killed for key, killed, *_ in lines})


@pytest.mark.timeout(2400)
def test_nearly_all_of_a_sample_die(ran: Ran):
    """Of at least 150; what lives is printed, and is killed by a test."""
    assert 0 == ran.code, ran.said
    assert len(ran.died) == SIZE + len(NAMED)


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("key", [one.mutant().key for one in NAMED], ids=[one.name for one in NAMED])
def test_the_named_die(ran: Ran, key: str):
    """Each at the hands of a test of the core."""
    assert ran.died[key], f"{key} lives"


def test_all_named_ones_are_here():
    """27, each another, each another program."""
    assert 27 == len({one.name for one in NAMED}) == len({one.mutant().key for one in NAMED})
    assert all(changes_something(one.mutant()) for one in NAMED)


def test_the_accepted_ones_become_fewer():
    """Each has a reason and is still made; the list never grows."""
    assert len(accepted()) == MOST
    assert [] == gone()


_TWO_OF_ONE = """
import json
from tests.mutation.planting import ROOT, Mutant
from tests.mutation.running import with_tests

file, function = "syncd/planning/guards/table.py", "holds"
text = (ROOT / file).read_text(encoding="utf-8")
two = [Mutant(file, function, says, text.replace("return action in", new))
       for says, new in (("same", "return 1 and action in"), ("other", "return action not in"))]
with_tests((file,), 2, lambda tests: print(json.dumps({one.mutant.says: one.killed for one in tests.judge(two)})),
           ("tests/planning/test_guards.py",))
"""


def test_what_changes_nothing_lives():
    """Nobody dies of being planted or of being watched; what a test holds, does."""
    ended = subprocess.run([sys.executable, "-c", _TWO_OF_ONE], cwd=ROOT, env=ours(), capture_output=True, text=True, check=False)

    assert {"same": False, "other": True} == json.loads(ended.stdout or "{}"), ended.stderr


def test_a_text_that_is_gone_is_an_error():
    """And not a mutant that dies of nothing."""
    missing = NAMED[0]._replace(old="self._history.was_on_hold()")
    with pytest.raises(LookupError, match="D12"):
        missing.mutant()


def test_planting_ends():
    """Within a process, too."""
    mutant = NAMED[0].mutant()
    before = function_of(mutant.file, mutant.function).__code__
    with planted(mutant):
        assert code_in(mutant.source, mutant.file, mutant.function) == function_of(mutant.file, mutant.function).__code__
    assert before is function_of(mutant.file, mutant.function).__code__


def test_every_mutant_has_a_key_of_its_own():
    """By function, not by line."""
    keys = [one.key for file in CORE for one in mutants_of(file)]

    assert len(keys) == len(set(keys)) > 4000
    functions = {f"{file}::{function}" for file in CORE for function in functions_in(file)}
    assert {key.partition(": ")[0] for key in keys} <= functions
