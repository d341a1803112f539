"""What goes back over the wire: an answer, or a refusal in one of Zoom's documented shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

JSON = "application/json;charset=UTF-8"
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers of one answer. *code* is Zoom's error number in the body, *retry_at* what it asks for."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    code: int | None = None
    retry_at: datetime | None = None


class Refusal(Exception):
    """Zoom says no. The API's shape is ``{"code", "message"}``; *body* replaces it where another one is documented."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        fields: tuple[str, ...] = (),
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(f"{status}/{code}: {message}")
        shape: dict[str, Any] = {"code": code, "message": message}
        if fields:
            shape["errors"] = [{"field": name, "message": "Invalid field."} for name in fields]
        self.answer = Answer(
            status, msgspec.json.encode(shape if body is None else body), dict(headers or {}), JSON, code, retry_at
        )


def as_json(value: Any, status: int = 200) -> Answer:
    """An answer with *value* as its JSON body."""
    return Answer(status, msgspec.json.encode(value))


def invalid(*fields: str) -> Refusal:
    """A parameter or a field of the body does not hold what it should: 400/300 with the field's name."""
    return Refusal(400, 300, "Validation Failed.", fields=fields)
