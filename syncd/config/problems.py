"""Turns what is wrong with a file into lines a person can act on.

    line 13: zoom.page_size: 5000 is not between 1 and 2000; write a number from 1 to 2000
       13 |   page_size: 5000
          |              ^^^^

No word of the validation library reaches the reader, and no value that may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from syncd.config.document import Document, Problem, Spot, Where
from syncd.config.models import Config
from syncd.config.section import field_at, keys_of, secrets_of, section_at, sections_of
from syncd.config.source_line import SMELLS_OF_A_SECRET, source
from syncd.config.values import Fault, shown
from syncd.model.near import near_names


def lines(problems: Iterable[Problem], document: Document) -> tuple[str, ...]:
    """Each problem with the line it stands on and a caret under it, in the order of the file, each thing said once."""
    said: dict[str, Spot] = {}
    for problem in problems:
        where = problem.where
        if where and isinstance(where[-1], int) and where not in document.lines:
            where = where[:-1]  # one value written where a list may stand
        spot = document.spot_of(replace(problem, where=where))
        instead = f"; {problem.do}" if problem.do else ""
        said.setdefault(f"line {spot.line}: {dotted(where)}{problem.what}{instead}", spot)
    plain = _plain_keys()
    return tuple(text + source(document.text, said[text], plain) for text in sorted(said, key=lambda text: said[text].line))


def _plain_keys() -> frozenset[str]:
    """Keys whose values may be shown: of no section and no secret."""
    sections = dict(sections_of(Config))
    names = {str(where[-1]) for where in sections if where}
    secrets = {key for section in sections.values() for one in secrets_of(section).values() for key in one.keys}
    return frozenset(key for section in sections.values() for key in keys_of(section)) - names - secrets


def dotted(where: Where) -> str:
    """A path as text, with its colon; nothing for the whole file."""
    return ".".join(map(str, where)) + ": " if where else ""


def listed(words: Sequence[str], conjunction: str) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return f" {conjunction} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def found_by_model(error: ValidationError) -> Iterator[Problem]:
    """Every problem the model found."""
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # not empty: its items are wrong, and said to be
        where = tuple(key.rstrip("_") if isinstance(key, str) else key for key in detail["loc"] if key != "[key]")
        yield _problem(where, detail["type"], detail["input"], detail.get("ctx", {}))


def _problem(where: Where, kind: str, value: Any, facts: Mapping[str, Any]) -> Problem:
    fault = facts.get("error")
    if isinstance(fault, Fault):
        return Problem((*where[:-1], fault.key) if fault.key else where, fault.what, fault.do)
    if kind == "extra_forbidden":
        return replace(_unknown_key(where), of_key=True)
    if kind == "missing":
        return _missing(where)
    what, do = _wrong_value(where, kind, value, facts)
    return Problem(where, what, do)


# ------------------------------------------------------------------------------------------------- missing and unknown


def _missing(where: Where) -> Problem:
    section = section_at(Config, where[:-1])
    keys = secrets_of(section).get(str(where[-1])) if section else None
    if keys:
        return Problem((*where[:-1], keys.keys[0]), "is required", keys.do)
    info = field_at(Config, where)
    inner = section_at(Config, where)
    if inner:
        secrets = secrets_of(inner)
        required = [
            secrets[name].keys[0] if name in secrets else name
            for name, field in inner.model_fields.items()
            if field.is_required()
        ]
        under = listed(required, "and") if required else listed(tuple(inner.model_fields), "or")
        return Problem(where, "is required", f"write {where[-1]}: with {under} under it")
    if where == ("mode",):
        return Problem(
            where,
            "is required, one of report, enforce; there is no default for how much syncd may change",
            "write mode: report to begin with",
        )
    example = info.examples[0] if info and info.examples else "…"
    text = f"[{', '.join(example)}]" if isinstance(example, list) else example
    return Problem(where, "is required", f"write one, such as  {where[-1]}: {text}")


def _unknown_key(where: Where) -> Problem:
    key, section = str(where[-1]), section_at(Config, where[:-1])
    known = keys_of(section) if section else ()
    stems = {keys.stem: keys.keys for keys in secrets_of(section).values()} if section else {}
    near = near_names(key, [*known, *stems], cutoff=0.75)
    home = _where_else(key, where[:-1])
    smells = SMELLS_OF_A_SECRET.search(key.lower()) and not key.endswith(("_file", "_env"))
    if re.match(r"(?i)(cn|ou|dc|o|c|l|st|uid)\s*=", key.strip()):
        return Problem(
            where,
            "looks like a piece of a DN: a comma outside of quotes ended the value before it",
            'put the whole DN in quotes, such as "OU=People,DC=corp,DC=example"',
        )
    if near:
        names = stems.get(near[0], near) if near[0] not in known else near
        return Problem(where, "unknown key", f"did you mean {' or '.join(names)}?")
    if home is not None:
        return Problem(where, "unknown key here", f"it belongs under {dotted(home)[:-2] or 'the top of the file'}")
    if smells:
        below = _secrets_below(where[:-1])
        do = f"write {below[0]}" if len(below) == 1 else "write it as the NAME_file or NAME_env key of its section"
        return Problem(where, "a secret may not stand in this file", do)
    far = near_names(key, [*known, *stems], cutoff=0.5)
    if far:
        names = stems.get(far[0], far) if far[0] not in known else far
        return Problem(where, "unknown key", f"did you mean {' or '.join(names)}?")
    return Problem(where, "unknown key", f"known here: {', '.join(known)}" if known else "remove it")


def _where_else(key: str, here: Where) -> Where | None:
    """The section in which this key would be right, the nearest one first."""
    homes = [where for where, section in sections_of(Config) if key in keys_of(section) and where != here]
    if not homes:
        return None

    def shared(where: Where) -> int:
        return sum(1 for one, other in zip(where, here, strict=False) if one == other)

    best = max(homes, key=lambda where: (shared(where), -len(where)))
    # A common word such as "groups" stands in many sections: without a neighbour the guess would mislead.
    return best if len(homes) == 1 or shared(best) else None


def _secrets_below(here: Where) -> list[str]:
    top = section_at(Config, here)
    return [
        dotted((*where, keys.keys[0]))[:-2]
        for where, section in (sections_of(top, here) if top else ())
        for keys in secrets_of(section).values()
        if not keys.also_plain
    ]


# --------------------------------------------------------------------------------------------------------- wrong value


def _wrong_value(where: Where, kind: str, value: Any, facts: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong and what to do, for the faults pydantic names itself."""
    if value is None and kind not in ("literal_error", "enum"):
        info = field_at(Config, where)
        return "has no value", "write one" if info and info.is_required() else "write one, or remove the key"
    match kind:
        case "bool_type":
            return f"{shown(value)} is neither true nor false", "write true or false"
        case "int_type":
            return f"{shown(value)} is not a whole number", "write digits without quotes"
        case "literal_error" | "enum":
            return _wrong_choice(value, facts)
        case "greater_than_equal" | "less_than_equal":
            return _out_of_range(where, value)
        case "too_short":
            return "is empty", "write at least one"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a section", "write its keys below this line, indented"
    return "is wrong", "compare it with config/syncd.example.yaml"


def _wrong_choice(value: Any, facts: Mapping[str, Any]) -> tuple[str, str]:
    choices = re.findall(r"'([^']*)'", str(facts.get("expected", "")))
    near = near_names(value, choices) if isinstance(value, str) else []
    if value is None:
        return "has no value", f"write {listed(choices, 'or')}"
    return f"{shown(value)} is not one of {', '.join(choices)}", f"did you mean {near[0]}?" if near else "write one of these"


def _out_of_range(where: Where, value: Any) -> tuple[str, str]:
    info = field_at(Config, where)
    bounds = info.metadata if info else []
    low = next((mark.ge for mark in bounds if hasattr(mark, "ge")), None)
    high = next((mark.le for mark in bounds if hasattr(mark, "le")), None)
    if high is None:
        return f"{shown(value)} is less than {low}", f"write {low} or more"
    return f"{shown(value)} is not between {low} and {high}", f"write a number from {low} to {high}"
