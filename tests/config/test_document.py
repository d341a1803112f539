"""How YAML is read: what plain loaders get wrong, and what a hostile file may try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.document import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("12:30:45", "12:30:45"),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".5", ".5"),
        ("15", 15),
        ("-3", -3),
        ("0.5", 0.5),
        ("2026-11-23", "2026-11-23"),
        ("~", None),
        ("null", None),
        ("", None),
        ('"15"', "15"),
        ("'true'", "true"),
        ("!!str 15", "15"),
        (".inf", ".inf"),
        (".nan", ".nan"),
    ],
)
def test_only_true_false_and_decimal_numbers_are_not_text(text: str, value: object) -> None:
    """No country is false, no time of day is a number of seconds."""
    document = parse(f"key: {text}\n".encode())

    assert {"key": value} == document.values
    assert type(value) is type((document.values or {})["key"])


def test_every_key_is_a_word() -> None:
    """``on`` under ``notify`` is a key, and so is a number."""
    assert {"on": {"true": 1, "5": 2, "null": 3}} == parse(b"on: {true: 1, 5: 2, null: 3}\n").values


def test_each_value_knows_its_line() -> None:
    """Sections, keys in braces and the items of a list."""
    document = parse(b"# first line\na:\n  b: [x,\n      y]\n  c: {d: 1,\n      e: 2}\n")

    assert {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
        ("a", "c"): 5,
        ("a", "c", "d"): 5,
        ("a", "c", "e"): 6,
    } == document.lines
    assert 5 == document.line_of(("a", "c", "missing", "further"))


def test_anchors_and_merges_spare_repetition() -> None:
    """Explicit keys win over merged ones, wherever the merge stands."""
    document = parse(b"a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}\nc: *a\nd: {<<: [*a, {x: 9, z: 4}]}\n")

    assert [] == document.problems
    assert {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}, "d": {"x": 1, "y": 2, "z": 4}} == document.values


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    """Some editors write one."""
    assert {"mode": "report"} == parse(b"\xef\xbb\xbfmode: report\n").values


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8 text"),
        (b"a: 1\nb: \x07\n", 2, "a control character"),
        (b"[" * 5000, 1, "nested too deeply"),
        (b"a: " + b"x" * 1_000_001, 1, "more than 1000000"),
        (
            b"a: &a [" + b"1," * 400 + b"1]\nb: &b [" + b"*a," * 400 + b"*a]\nc: [" + b"*b," * 400 + b"*b]\n",
            1,
            "too many of them",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem_on_its_line(data: bytes, line: int, what: str) -> None:
    """Nothing else can be said about it then."""
    document = parse(data)

    [problem] = document.problems
    assert document.values is None
    assert line == problem.line
    assert what in problem.what


@given(st.binary(max_size=200) | st.text(alphabet="ab:- \n\t[]{}&*!|>'\"%@#,?<0.~", max_size=80).map(str.encode))
def test_no_file_is_a_crash(data: bytes) -> None:
    """Whatever bytes there are: values, or problems that name a line of the file."""
    document = parse(data)

    assert document.values is not None or document.problems
    assert all(1 <= (problem.line or 1) <= data.count(b"\n") + data.count(b"\r") + 2 for problem in document.problems)
