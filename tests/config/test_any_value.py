"""Whatever stands at whatever key: the file is accepted, or refused in plain words; never a crash."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.config import Config, load
from syncd.errors import ConfigError
from tests.config.test_examples import everything, leaves

EVERYTHING = everything()
KEYS = sorted({where[:depth] for where, _ in leaves(EVERYTHING) for depth in range(1, len(where) + 1)}, key=str)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10**20)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["https://", "ldaps://[", "http://[::1", "sqlite:///", "1s", "101%", "a@b.c", "*.x", "0 0 * * *", "UTC/../x"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(where=st.sampled_from(KEYS), value=VALUES)
def test_any_value_at_any_key_is_accepted_or_refused_in_words(
    tmp_path_factory: Any,
    where: tuple[str, ...],
    value: object,
) -> None:
    """Every problem has a line, says what is wrong, and speaks no word of a library."""
    changed = copy.deepcopy(EVERYTHING)
    place: Any = changed
    for key in where[:-1]:
        place = place[0][key] if isinstance(place, list) else place[key]
    (place[0] if isinstance(place, list) else place)[where[-1]] = value
    path = Path(tmp_path_factory.getbasetemp()) / "any.yaml"
    path.write_text(yaml.safe_dump(changed, allow_unicode=True), encoding="utf-8")

    for problem in _problems(path):
        assert problem.startswith("line ")
        assert not problem.endswith(": is wrong; compare it with config/syncd.example.yaml"), problem
        assert "Input should" not in problem


def _problems(path: Path) -> tuple[str, ...]:
    try:
        assert isinstance(load(path, {"LEDGER_URL": "x"}), Config)
    except ConfigError as error:
        return error.problems or ("refused without a word",)
    return ()
