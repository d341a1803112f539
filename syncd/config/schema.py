"""The configuration's JSON Schema: what an editor needs to complete and check a file while it is written.

Everything ``load`` accepts is valid here. The reverse does not hold: files, variables and rules over several keys are
looked at by ``load`` only.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from syncd.config.models import Config
from syncd.config.values import spelled


class _AsWritten(GenerateJsonSchema):
    """Shows defaults as an author would write them."""

    def encode_default(self, dft: Any) -> Any:
        return spelled(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the configuration file."""
    schema = Config.model_json_schema(schema_generator=_AsWritten)
    _tidy(schema)
    for name, choices in (("Directory", 1), ("Bind", 1)):
        schema["$defs"][name].update(type="object", minProperties=choices, maxProperties=choices)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Configuration of syncd"}


def _tidy(node: Any) -> None:
    """Removes what says nothing to an author: titles made from keys, and defaults that are whole sections."""
    if isinstance(node, dict):
        if isinstance(node.get("default"), dict):
            del node["default"]
        if isinstance(node.get("title"), str):
            del node["title"]
        for value in node.values():
            _tidy(value)
    elif isinstance(node, list):
        for item in node:
            _tidy(item)
