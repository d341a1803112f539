"""The files that come with syncd: each loads, and what the big one says of defaults is true."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from syncd.config import load
from syncd.config.document import Where, parse
from syncd.config.models import Config
from syncd.config.section import field_at, keys_of, sections_of
from syncd.config.values import duration, percent
from tests.config.files import SMALLEST, written

SHIPPED = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))
EXAMPLE = Path(__file__).parents[2] / "config" / "syncd.example.yaml"


def everything() -> dict[str, Any]:
    """The example with all its alternatives and samples written live."""
    text = re.sub(r"(?m)^( *)#(?=[\w-])", r"\1", EXAMPLE.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^( *)(\w+): (?:null|\[\])\n(?=\1\2:\n)", "", text)  # an empty one before its sample
    document = parse(text.encode())
    assert [] == document.problems
    assert document.values is not None
    return document.values


def leaves(values: Mapping[str, Any], where: Where = ()) -> Iterator[tuple[Where, Any]]:
    """Every key with a value of its own."""
    for key, value in values.items():
        for item in value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]:
            if isinstance(item, dict) and item:
                yield from leaves(item, (*where, key))
            else:
                yield (*where, key), item


def test_the_shipped_files_are_there() -> None:
    """One for each kind of directory, and the one that explains everything."""
    assert {"active-directory", "entra", "file", "syncd.example"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_file_is_right(path: Path) -> None:
    """As far as it can be judged without its secrets; features of later versions included."""
    assert load(path, {}, check_files=False, not_yet=frozenset()).mode == "report"


def test_the_example_writes_live_nothing_but_the_defaults(tmp_path: Path) -> None:
    """Whoever copies it gets what whoever writes the smallest file gets."""
    smallest = load(written(tmp_path), {}, check_files=False)
    example = load(EXAMPLE, {}, check_files=False)

    assert {name: value for name, value in smallest if name not in ("directory", "zoom", "scope")} == {
        name: value for name, value in example if name not in ("directory", "zoom", "scope")
    }


def test_the_example_explains_every_key() -> None:
    """None is left out, in any section."""
    written_keys = {where[:depth] for where, _ in leaves(everything()) for depth in range(1, len(where) + 1)}
    known = {(*where, key) for where, section in sections_of(Config) for key in keys_of(section)}

    assert set() == known - written_keys
    assert SMALLEST  # the smallest file is a subset of what is known: see test_load


def test_what_the_example_states_is_the_default() -> None:
    """Every optional key, in every alternative, except samples of keys whose default is nothing."""
    wrong = {}
    for where, stated in leaves(everything()):
        info = field_at(Config, where)
        if info is None or info.is_required() or info.default is None:
            continue
        default = info.default
        meant = (
            duration(stated)
            if not isinstance(default, str | bool) and re.fullmatch(r"\d+[smhd]", str(stated))
            else percent(stated)
            if isinstance(default, float)
            else tuple(stated)
            if isinstance(stated, list)
            else stated
        )
        if meant != default:
            wrong[where] = (stated, default)

    assert {} == wrong


def test_required_keys_are_marked() -> None:
    """Each line of a required value, or the comment above it, says REQUIRED."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    required = {name for _, section in sections_of(Config) for name, info in section.model_fields.items() if info.is_required()}
    for number, line in enumerate(lines):
        key = re.match(r" *(?:#|- )*(\w+):", line)
        if (
            key
            and key[1] in required
            and key[1] not in ("directory", "keytab_file", "principal", "groups", "path", "cron", "duration")
        ):
            above = "".join(lines[max(0, number - 4) : number + 1])
            assert "REQUIRED" in above, line


def test_the_example_in_the_package_is_the_one_that_is_shipped() -> None:
    """``syncd schema --example`` prints what stands in config/; whoever edits one copies it over the other."""
    assert EXAMPLE.read_bytes() == (Path(__file__).parents[2] / "syncd" / "config" / EXAMPLE.name).read_bytes()
