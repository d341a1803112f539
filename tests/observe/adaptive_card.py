"""What Microsoft publishes of Adaptive Cards 1.4 (schemas/1.4.0/adaptive-card.json in microsoft/AdaptiveCards) and of the webhook
of Workflows, as far as notices use it, in our own words: elements are closed, what is required is there, words of a list are in
any case. What a notice has no use for is left out, so it is refused here.

``msteams`` is no part of the published schema, which is closed: Teams documents it (full width), and the schema is asked without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema


def _closed(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _word(*words: str) -> dict[str, Any]:
    return {"type": "string", "enum": [*words, *(word[0].upper() + word[1:] for word in words)]}


_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_ELEMENT = {
    "height": _word("auto", "stretch"),
    "separator": {"type": "boolean"},
    "spacing": _word("default", "none", "small", "medium", "large", "extraLarge", "padding"),
    "id": _TEXT,
    "isVisible": {"type": "boolean"},
}
TEXT_BLOCK = _closed(
    {"type": {"const": "TextBlock"}, "text": _TEXT},
    {
        "color": _word("default", "dark", "light", "accent", "good", "warning", "attention"),
        "fontType": _word("default", "monospace"),
        "horizontalAlignment": _word("left", "center", "right"),
        "isSubtle": {"type": "boolean"},
        "maxLines": {"type": "number"},
        "size": _word("default", "small", "medium", "large", "extraLarge"),
        "weight": _word("default", "lighter", "bolder"),
        "wrap": {"type": "boolean"},
        **_ELEMENT,
    },
)
FACT_SET = _closed(
    {
        "type": {"const": "FactSet"},
        "facts": {"type": "array", "minItems": 1, "items": _closed({"title": _TEXT, "value": _TEXT})},
    },
    _ELEMENT,
)
CARD = _closed(
    {
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.0", "1.1", "1.2", "1.3", "1.4"]},  # the newest that every client of Teams shows
        "body": {"type": "array", "minItems": 1, "items": {"oneOf": [TEXT_BLOCK, FACT_SET]}},
    },
    {"$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"}, "lang": _TEXT, "fallbackText": _TEXT},
)
#: "type": "message", and attachments whose contentUrl is null: the body that the trigger of the workflow reads.
MESSAGE = _closed(
    {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": _closed(
                {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": {"type": "object"},
                }
            ),
        },
    }
)
MSTEAMS = _closed({"width": {"const": "Full"}})


def demand_published_shape(message: Mapping[str, Any]) -> None:
    """Raises jsonschema.ValidationError where a message is not what Teams takes."""
    jsonschema.validate(message, MESSAGE)
    card = dict(message["attachments"][0]["content"])
    if "msteams" in card:
        jsonschema.validate(card.pop("msteams"), MSTEAMS)
    jsonschema.validate(card, CARD)
