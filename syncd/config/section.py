"""What every section of the configuration has in common: strict, frozen, and secrets that are never values.

A secret NAME is written as ``NAME_file`` (a path; read again whenever it is used) or ``NAME_env`` (a variable's name),
exactly one of them. In the model it is one attribute, a ``SecretSource`` that says where to look and never what is there.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo

from syncd.config.document import Where
from syncd.config.places import Surroundings, file_content
from syncd.config.secret_source import SecretSource
from syncd.config.values import Fault


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """Marks a field as a secret written as ``{stem}_file`` or ``{stem}_env``. *also_plain*: ``{stem}`` is a key of its
    own, for values that hold no secret. *by_one_verb*: one verb alone reads it, so it need not be there for the others."""

    stem: str
    also_plain: bool = False
    by_one_verb: bool = False

    @property
    def keys(self) -> tuple[str, str]:
        """The two keys, one of which must be given."""
        return (f"{self.stem}_file", f"{self.stem}_env")

    @property
    def do(self) -> str:
        """What to write."""
        return f"write {self.stem}_file: a path, or {self.stem}_env: a variable's name"


@dataclass(frozen=True, slots=True)
class _GivenSecret:
    """What a file says about one secret, before it is judged. Its values may be the secret itself."""

    keys: SecretKeys
    parts: Mapping[str, Any] = field(repr=False)


def _secret_source(given: object, info: ValidationInfo) -> SecretSource:
    if isinstance(given, SecretSource):
        return given
    if not isinstance(given, _GivenSecret):
        raise Fault("a secret may not stand in this file")
    keys, parts = given.keys, given.parts
    if keys.stem in parts:
        raise Fault("a secret may not stand in this file", keys.do, keys.stem)
    if len(parts) > 1:
        raise Fault(f"{' and '.join(keys.keys)} are both given", "keep one of the two", keys.keys[1])
    [(key, value)] = parts.items()
    if not isinstance(value, str) or not value.strip():
        kind = "a path" if key == keys.keys[0] else "a variable's name"
        raise Fault(f"must be {kind}", f"write {key}: {kind}, in quotes if it looks like a number", key)
    around = info.context if isinstance(info.context, Surroundings) else None
    if around is not None and keys.by_one_verb:
        around = replace(around, check_files=False)
    try:
        return _in_file(value, around) if key == keys.keys[0] else _in_variable(value, around)
    except Fault as fault:
        raise Fault(fault.what, fault.do, key) from None


def _in_file(name: str, around: Surroundings | None) -> SecretSource:
    path = around.find(name) if around else Path(name)
    if around and around.check_files:
        content = file_content(path, name, around)
        try:
            content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Fault("the file named here is not UTF-8 text", "write the secret as plain text") from None
    return SecretSource(file=path)


def _in_variable(name: str, around: Surroundings | None) -> SecretSource:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Fault("is not a variable's name", "write the name only, such as ZOOM_SECRET (not its value, no $)")
    # A name in other letters may be the secret itself, written into the wrong key: it is not repeated.
    which = f"the variable {name}" if re.fullmatch(r"[A-Z_]+[A-Z0-9_]*", name) else "the variable named here"
    if around and around.check_files and not around.env.get(name, "").strip():
        raise Fault(f"{which} is {'empty' if name in around.env else 'not set'}", "set it where syncd is started")
    return SecretSource(env=name)


_READ = PlainValidator(_secret_source)
_SHOWN = PlainSerializer(lambda source: source and {"file": source.file and str(source.file), "env": source.env})
_NO_SCHEMA = WithJsonSchema({})  # Section writes the two keys instead
Secret = Annotated[SecretSource, _READ, _SHOWN, _NO_SCHEMA]
OptionalSecret = Annotated[SecretSource | None, _READ, _SHOWN, _NO_SCHEMA]


class Section(BaseModel):
    """A section of the file. Unknown keys are errors; ``section:`` with nothing under it is an empty section."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _secrets_into_one(cls, given: Any) -> Any:
        if given is None:
            return {}
        if not isinstance(given, dict):
            return given
        folded = {_attribute(cls, key): value for key, value in given.items()}
        for name, keys in secrets_of(cls).items():
            names = keys.keys if keys.also_plain else (keys.stem, *keys.keys)
            parts = {key: value for key in names if (value := folded.pop(key, None)) is not None}
            if parts:
                folded[name] = _GivenSecret(keys, parts)
        return folded

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The section as its author writes it: each secret as its two keys, of which one may be given."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        properties: dict[str, Any] = schema.setdefault("properties", {})
        required: list[str] = schema.get("required", [])
        rules = []
        for name, keys in secrets_of(cls).items():
            told = properties.pop(name, {}).get("description", "")
            in_file, in_env = keys.keys
            must = name in required
            kind = {"type": ["string", "null"], "minLength": 1}
            properties[in_file] = {**kind, "description": f"{told} Path of a file that holds it."}
            properties[in_env] = {**kind, "description": f"{told} Name of an environment variable that holds it."}
            given = [{"type": "object", "required": [key], "properties": {key: {"type": "string"}}} for key in keys.keys]
            rules.append({"oneOf": given} if must else {"not": {"allOf": given}})
            if must:
                required.remove(name)
        for name in [name for name in properties if name.endswith("_")]:
            properties[name.rstrip("_")] = properties.pop(name)
        if required:
            schema["required"] = [name.rstrip("_") for name in required]
        if rules:
            schema["allOf"] = rules
        if not schema.get("required"):
            schema.pop("required", None)
        if not schema.get("required") and not any("oneOf" in rule for rule in rules):
            schema["type"] = ["object", "null"]
        return schema


def _attribute(section: type[BaseModel], key: str) -> str:
    """The attribute of a key: the same word, or with an underscore where the word belongs to Python (``except_``)."""
    return f"{key}_" if f"{key}_" in section.model_fields else key


def _field(section: type[BaseModel], key: object) -> FieldInfo | None:
    return section.model_fields.get(_attribute(section, str(key)))


def secrets_of(section: type[BaseModel]) -> dict[str, SecretKeys]:
    """The secrets of a section: attribute name to the keys that give it."""
    marks = ((name, mark) for name, info in section.model_fields.items() for mark in info.metadata)
    return {name: mark for name, mark in marks if isinstance(mark, SecretKeys)}


def keys_of(section: type[BaseModel]) -> tuple[str, ...]:
    """Every key that may stand in a section, as its author writes it."""
    secrets = secrets_of(section)
    return tuple(key for name in section.model_fields for key in (secrets[name].keys if name in secrets else (name.rstrip("_"),)))


def section_in(annotation: Any) -> type[Section] | None:
    """The section a field holds, if it holds one: itself, optional, or as the items of a list."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation if issubclass(annotation, Section) else None
    if get_origin(annotation) in (Union, types.UnionType, tuple, Annotated):
        return next((found for part in get_args(annotation) if (found := section_in(part))), None)
    return None


def section_at(top: type[Section], where: Where) -> type[Section] | None:
    """The section that stands at a path, or None."""
    section: type[Section] | None = top
    for key in where:
        if isinstance(key, int):
            continue
        info = _field(section, key) if section else None
        section = section_in(info.annotation) if info else None
    return section


def field_at(top: type[Section], where: Where) -> FieldInfo | None:
    """What the model says of the key at a path, or None."""
    while where and isinstance(where[-1], int):
        where = where[:-1]
    section = section_at(top, where[:-1]) if where else None
    return _field(section, where[-1]) if section else None


def sections_of(top: type[Section], where: Where = ()) -> Iterator[tuple[Where, type[Section]]]:
    """Every section of the file with its path, from the top."""
    yield where, top
    for name, info in top.model_fields.items():
        section = section_in(info.annotation)
        if section:
            yield from sections_of(section, (*where, name.rstrip("_")))
