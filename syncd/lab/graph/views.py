"""How the simulated Graph shows an object: the selected fields, and nulls where the app may not look.

An app that may list members but not read their kind gets type and id, every other field ``null``, with status 200.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncd.lab.entra.objects import FIELDS, USER, USER_DEFAULTS, Thing
from syncd.lab.graph.operations import ATTRIBUTES_OF, BASIC_ATTRIBUTES, READS_USERS_BASICALLY

Row = dict[str, Any]


def fields_of(kind: str, select: tuple[str, ...] | None) -> list[tuple[str, str]]:
    """What is shown of a kind: pairs of wire name and attribute. Without a selection: what Graph shows by default."""
    known = FIELDS[kind]
    names = select if select is not None else USER_DEFAULTS if kind == USER else tuple(known)
    return [(name, known[name]) for name in names if name in known]


def shower(select: tuple[str, ...] | None, roles: frozenset[str], *, typed: bool) -> Callable[[Thing], Row]:
    """A function that shows objects to an app with these permissions. *typed*: with ``@odata.type``, as in mixed lists."""
    plans: dict[str, tuple[list[tuple[str, str]], list[str]]] = {}

    def plan(kind: str) -> tuple[list[tuple[str, str]], list[str]]:
        fields = fields_of(kind, select)
        if roles.isdisjoint(ATTRIBUTES_OF[kind]):
            open_ = BASIC_ATTRIBUTES if kind == USER and READS_USERS_BASICALLY in roles else frozenset({"id"})
            return (
                [pair for pair in fields if pair[0] in open_] or [("id", "id")],
                [name for name, _ in fields if name not in open_],
            )
        return fields, []

    def show(thing: Thing) -> Row:
        kind = thing.kind
        if kind not in plans:
            plans[kind] = plan(kind)
        fields, hidden = plans[kind]
        row: Row = {"@odata.type": kind} if typed else {}
        for name, attribute in fields:
            row[name] = getattr(thing, attribute)
        for name in hidden:
            row[name] = None
        return row

    return show


def changed_row(thing: Thing, select: tuple[str, ...] | None, only: frozenset[str] | None) -> Row:
    """An object in a delta: the id always, fields that were never set left out; *only* these when less was asked for."""
    row: Row = {}
    for name, attribute in fields_of(thing.kind, select):
        value = getattr(thing, attribute)
        if value is not None and value != () and (only is None or name in only):
            row[name] = value
    row["id"] = thing.id
    return row


def context(root: str, collection: str, select: tuple[str, ...] | None, *, entity: bool = False) -> str:
    """``@odata.context`` of an answer."""
    chosen = f"({','.join(select)})" if select else ""
    return f"{root}/$metadata#{collection}{chosen}{'/$entity' if entity else ''}"
