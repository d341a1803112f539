"""A configuration as values alone: the same attributes as the sections have, without the library that checked them."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any


class Plain(SimpleNamespace):
    """A section that was checked. ``written_`` is what it says as JSON."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: a configuration does not change")


def plain(value: Any) -> Any:
    """A section and everything in it as ``Plain``; anything else as it is."""
    kind = type(value)
    if hasattr(kind, "model_fields"):
        computed = [name for name, one in vars(kind).items() if isinstance(one, property)]
        values = {name: plain(getattr(value, name)) for name in (*kind.model_fields, *computed)}
        return Plain(**values, written_=value.model_dump(mode="json"))
    if isinstance(value, tuple | list):
        return kind(map(plain, value))
    return value


def as_written(section: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    """What a section says, as JSON, without these of its keys."""
    written = section.written_ if isinstance(section, Plain) else section.model_dump(mode="json")
    left_out = frozenset(without)
    return {key: value for key, value in written.items() if key not in left_out}
